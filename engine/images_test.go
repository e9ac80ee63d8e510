package engine

import (
	"archive/tar"
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/image"
)

// imageEvents are the events of images after the first n, as ACTION NAME, and how many there are in all.
func imageEvents(t *testing.T, e *Engine) []string {
	t.Helper()
	var got []string
	err := e.System.Events(context.Background(), EventsOptions{Filters: map[string][]string{"type": {"image"}}}, func(ev event.Event) error {
		got = append(got, strings.TrimSpace(string(ev.Action)+" "+ev.Name))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func wantConflict(t *testing.T, err error, parts ...string) {
	t.Helper()
	if errdefs.Class(err) != errdefs.ErrConflict {
		t.Fatalf("expected a conflict, got %v", err)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("expected %q to be said, got %v", p, err)
		}
	}
}

func TestEveryChangeOfImagesIsAnEvent(t *testing.T) {
	e, ctx := testEngine(t), context.Background()
	if _, err := e.Images.Pull(ctx, "hello", image.PullOptions{Policy: image.PullMissing}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Images.Pull(ctx, "127.0.0.1:1/nope", image.PullOptions{Policy: image.PullAlways}); errdefs.Class(err) != errdefs.ErrUnavailable {
		t.Fatalf("expected the registry not to be reached, got %v", err)
	}
	archive := filepath.Join(t.TempDir(), "hello.tar")
	var rootfs bytes.Buffer
	w := tar.NewWriter(&rootfs)
	if err := w.WriteHeader(&tar.Header{Name: "f", Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	w.Close()
	for _, do := range []func() error{
		func() error { return e.Images.Tag(ctx, "hello", []string{"other:1"}) },
		func() error { return e.Images.Save(ctx, []string{"other:1"}, image.SaveOptions{Path: archive}) },
		func() error { return e.Images.Untag(ctx, "other:1", []string{"other:1"}) },
		func() error { _, err := e.Images.Load(ctx, nil, image.LoadOptions{Path: archive}); return err },
		func() error {
			_, err := e.Images.Push(ctx, "hello", "dir:"+filepath.Join(t.TempDir(), "d"), image.PushOptions{})
			return err
		},
		func() error {
			_, err := e.Images.Import(ctx, "-", image.ImportOptions{Reference: "new", Input: &rootfs})
			return err
		},
		func() error { _, err := e.Images.Remove(ctx, []string{"new"}, image.RemoveOptions{}); return err },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	got := imageEvents(t, e)
	for i := range got {
		if strings.HasPrefix(got[i], "push dir:") {
			got[i] = "push dir"
		}
	}
	want := []string{
		"pull hello", "pull-error 127.0.0.1:1/nope", "tag other:1", "save other:1", "untag other:1",
		"loadfromarchive localhost/other:1", "push dir", "import new", "untag localhost/new:latest", "remove",
	}
	if !slices.Equal(got, want) {
		t.Errorf("expected the events\n%q, got\n%q", want, got)
	}
}

func TestImageInUseIsKept(t *testing.T) {
	e, ctx := testEngine(t), context.Background()
	made, err := e.Containers.Create(ctx, CreateOptions{Image: "hello", Name: "user"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.Images.Remove(ctx, []string{"hello"}, image.RemoveOptions{})
	wantConflict(t, err, "user", made.ID[:12], "--force")
	if reports, err := e.Images.Prune(ctx, image.PruneOptions{All: true}); err != nil || len(reports) != 0 {
		t.Errorf("expected prune to keep it silently, got %v, %v", reports, err)
	}
	if _, err := e.Images.Remove(ctx, []string{"hello"}, image.RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	if there, err := e.Containers.Exists(ctx, "user"); err != nil || there {
		t.Errorf("expected force to remove the container too, got %v, %v", there, err)
	}
	if there, err := e.Images.Exists(ctx, "hello"); err != nil || there {
		t.Errorf("expected the image to be gone, got %v, %v", there, err)
	}
}

// Layers are shared by all namespaces, so an image is in use whatever namespace its containers are in.
func TestImageInUseInAnotherNamespaceIsKept(t *testing.T) {
	opts, ctx := testOptions(t), context.Background()
	engineIn := func(namespace string) *Engine {
		e, err := Open(ctx, append(slices.Clone(opts), WithNamespace(namespace))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { e.Close() })
		return e
	}
	if _, err := engineIn("theirs").Containers.Create(ctx, CreateOptions{Image: "hello", Name: "user"}); err != nil {
		t.Fatal(err)
	}
	for _, force := range []bool{false, true} {
		_, err := engineIn("ours").Images.Remove(ctx, []string{"hello"}, image.RemoveOptions{Force: force})
		wantConflict(t, err, "user", "theirs")
	}
}
