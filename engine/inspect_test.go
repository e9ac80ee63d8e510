package engine

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/volume"
)

func TestInspectTellsWhereThingsAreAndWhatIsUsed(t *testing.T) {
	e := testEngine(t, WithCgroupManager("cgroupfs"))
	ctx := context.Background()
	made, err := e.Containers.Create(ctx, CreateOptions{
		Image: "hello", Name: "one",
		Mounts: []container.Mount{{Type: "volume", Source: "data", Destination: "/d"}},
		Log:    container.Log{Driver: "json-file", Tag: "mine"},
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := e.Containers.Inspect(ctx, "one", true)
	if err != nil {
		t.Fatal(err)
	}
	if d.Paths.Root != e.paths.container(made.ID) || !strings.HasPrefix(d.Paths.Log, d.Paths.Root) || d.Paths.Run != e.paths.containerRun(made.ID) {
		t.Errorf("expected the container's directory, its log in it and its run directory; got %+v", d.Paths)
	}
	rt, err := e.runtime("")
	if err != nil {
		t.Fatal(err)
	}
	if d.RuntimeName != rt.Name() || d.RuntimePath != rt.Path() || d.CgroupManager != "cgroupfs" || d.StorageDriver != "overlay" {
		t.Errorf("expected %s, %s, cgroupfs and overlay; got %s, %s, %s, %s", rt.Name(), rt.Path(), d.RuntimeName, d.RuntimePath, d.CgroupManager, d.StorageDriver)
	}
	if d.Config.Log.Driver != "json-file" || d.Config.Log.Tag != "mine" {
		t.Errorf("expected the log's driver and tag, got %+v", d.Config.Log)
	}
	if d.Image == nil || d.Image.ID != d.Config.Image.ID || d.Size == nil || d.Size.RW != 0 || d.Size.RootFS != d.Image.Size || d.Image.Size == 0 {
		t.Errorf("expected the image, nothing written, and the image's size in all; got %+v, %+v", d.Image, d.Size)
	}
	v, err := e.Volumes.Inspect(ctx, "data")
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Mounts) != 1 || d.Mounts[0].Name != "data" || d.Mounts[0].Source != v.Mountpoint || d.Mounts[0].Destination != "/d" || !d.Mounts[0].RW {
		t.Errorf("expected the volume's mount with its place on the host; got %+v", d.Mounts)
	}
	if d.Status != container.Created || len(d.Execs) != 0 {
		t.Errorf("expected a created container without exec sessions; got %s, %v", d.Status, d.Execs)
	}
}

func TestVolumesInUseStayAndThoseUnusedArePruned(t *testing.T) {
	e := testEngine(t)
	ctx := context.Background()
	for _, v := range []volume.Volume{{Name: "used"}, {Name: "named", Labels: map[string]string{"keep": "no"}}, {Name: "other"}} {
		if _, err := e.Volumes.Create(ctx, v); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.Volumes.Create(ctx, volume.Volume{Name: "used"}); errdefs.Class(err) != errdefs.ErrAlreadyExists {
		t.Errorf("a second volume of the name: expected ErrAlreadyExists, got %v", err)
	}
	_, err := e.Containers.Create(ctx, CreateOptions{
		Image: "hello", Name: "one", Mounts: []container.Mount{{Type: "volume", Source: "used", Destination: "/d"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Volumes.Remove(ctx, "used", false); errdefs.Class(err) != errdefs.ErrConflict || !strings.Contains(err.Error(), "used") {
		t.Errorf("removing a volume in use: expected ErrConflict that names it, got %v", err)
	}
	listed := func(filters map[string][]string) []string {
		t.Helper()
		list, err := e.Volumes.List(ctx, filters)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, v := range list {
			names = append(names, v.Name)
		}
		return names
	}
	for _, c := range []struct {
		filters map[string][]string
		want    []string
	}{
		{nil, []string{"named", "other", "used"}},
		{map[string][]string{"dangling": {"true"}}, []string{"named", "other"}},
		{map[string][]string{"dangling": {"false"}}, []string{"used"}},
		{map[string][]string{"label": {"keep=no"}}, []string{"named"}},
		{map[string][]string{"name": {"oth"}}, []string{"other"}},
	} {
		if got := listed(c.filters); !reflect.DeepEqual(got, c.want) {
			t.Errorf("filters %v: expected %v, got %v", c.filters, c.want, got)
		}
	}
	if _, err := e.Volumes.List(ctx, map[string][]string{"colour": {"red"}}); errdefs.Class(err) != errdefs.ErrInvalidArgument {
		t.Errorf("an unknown filter: expected ErrInvalidArgument, got %v", err)
	}
	if got, err := e.Volumes.Prune(ctx, map[string][]string{"label": {"keep=no"}}); err != nil || !reflect.DeepEqual(got, []string{"named"}) {
		t.Errorf("prune by label: expected [named], got %v, %v", got, err)
	}
	if _, err := e.Volumes.Prune(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if err := e.Volumes.Remove(ctx, "used", true); err != nil {
		t.Errorf("expected force to remove the container and the volume, got %v", err)
	}
	if there, err := e.Containers.Exists(ctx, "one"); err != nil || there {
		t.Errorf("expected the container to be gone, got %v, %v", there, err)
	}
	if _, err := e.Volumes.Inspect(ctx, "used"); errdefs.Class(err) != errdefs.ErrNotFound {
		t.Errorf("expected ErrNotFound, got %v", err)
	}
}
