package image

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/berth-engine/berth/errdefs"
)

// Where overlay cannot be mounted, an image is one directory with everything in it.
func TestStoreOfCopies(t *testing.T) {
	s := newStore(t)
	s.opts.Driver = "vfs"
	path := dockerArchive(t, map[string]v1.Image{"example.com/a:1": imageOf(t, "amd64", fileLayer(t, "one", 10), fileLayer(t, "two", 10))})
	if _, err := s.Load(ctx, LoadOptions{Path: path}); err != nil {
		t.Fatal(err)
	}
	img, err := s.Resolve(ctx, "example.com/a:1")
	if err != nil || len(img.Layers) != 1 || len(img.DiffIDs) != 2 {
		t.Fatalf("expected one directory of two layers, got %+v, %v", img, err)
	}
	for _, name := range []string{"one", "two"} {
		if _, err := os.Stat(filepath.Join(img.Layers[0], name)); err != nil {
			t.Errorf("expected every layer's files in it, got %v", err)
		}
	}
	if _, err := s.Remove(ctx, []string{"example.com/a:1"}, RemoveOptions{}); err != nil {
		t.Error(err)
	}
	wantEmpty(t, s)
}

func TestUnknownDriverIsAnError(t *testing.T) {
	s := newStore(t)
	s.opts.Driver = "floppy"
	_, err := s.Resolve(ctx, "hello")
	wantClass(t, err, errdefs.ErrInternal, s.opts.Root)
}

func TestAdditionalImageStoresAreReadOnly(t *testing.T) {
	source := newStore(t)
	base := steps(t, 2)
	id := load(t, source, base[0], "example.com/base:1")
	dir := t.TempDir()
	// A process may have a store open for writing or for reading only, so the other store is a copy.
	shared := filepath.Join(t.TempDir(), "shared")
	if out, err := exec.Command("cp", "-a", source.opts.Root, shared).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	conf := filepath.Join(dir, "storage.conf")
	write(t, conf, fmt.Sprintf("[storage]\ndriver=\"overlay\"\ngraphroot=\"/nowhere\"\nrunroot=\"/nowhere\"\n[storage.options]\nadditionalimagestores=[%q]\n", shared))
	t.Setenv("CONTAINERS_STORAGE_CONF", conf)
	s := openStore(t, dir)
	load(t, s, base[1], "example.com/top:1")
	img, err := s.Resolve(ctx, "example.com/base:1")
	if err != nil || img.ID != id || !img.ReadOnly || !strings.HasPrefix(img.Layers[0], shared) {
		t.Fatalf("expected the other store's image, read-only, got %+v, %v", img, err)
	}
	top, err := s.Resolve(ctx, "example.com/top:1")
	if err != nil || top.ReadOnly || !slices.Equal(top.Layers[:1], img.Layers) || !strings.HasPrefix(top.Layers[1], s.opts.Root) {
		t.Errorf("expected an image on the other store's layer, got %+v, %v", top, err)
	}
	_, err = s.Remove(ctx, []string{"example.com/base:1"}, RemoveOptions{Force: true})
	wantClass(t, err, errdefs.ErrConflict, "read-only")
	if list, err := s.List(ctx, ListOptions{Filters: map[string][]string{"readonly": {"true"}}}); err != nil || len(list) != 1 {
		t.Errorf("expected one read-only image, got %v, %v", list, err)
	}
	// The cache sees changes of the other store.
	settle()
	if _, err := s.Resolve(ctx, "example.com/base:1"); err != nil {
		t.Fatal(err)
	}
	if s.cached("example.com/base:1") == nil {
		t.Error("expected the answer to be kept")
	}
	write(t, filepath.Join(shared, "overlay-images/images.json"), "[]")
	if s.cached("example.com/base:1") != nil {
		t.Error("expected the answer to be worthless when the other store has changed")
	}
}

// A machine whose other engines use btrfs or zfs has that in storage.conf; Berth needs directories.
func TestStorageConfWithAnotherDriverMeansOverlay(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "storage.conf")
	write(t, conf, "[storage]\ndriver=\"btrfs\"\n")
	t.Setenv("CONTAINERS_STORAGE_CONF", conf)
	s := newStore(t)
	if _, err := s.Resolve(ctx, "hello"); err != nil || s.open.GraphDriverName() != "overlay" {
		t.Errorf("expected overlay, got %v", err)
	}
}

func TestBadStorageConfIsSaid(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "storage.conf")
	write(t, conf, "[storage\n")
	t.Setenv("CONTAINERS_STORAGE_CONF", conf)
	_, err := newStore(t).Resolve(ctx, "hello")
	wantClass(t, err, errdefs.ErrInvalidArgument, "storage.conf")
}
