package rootfs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

func TestChownTreeFollowsNoLinkAndCrossesNoMount(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	must(t, os.MkdirAll(dir+"/a/b", 0o755))
	must(t, os.WriteFile(dir+"/a/b/f", nil, 0o644))
	must(t, os.WriteFile(outside+"/f", nil, 0o644))
	must(t, os.Symlink(outside, dir+"/a/link"))
	must(t, os.Mkdir(dir+"/mnt", 0o755))
	must(t, unix.Mount(outside, dir+"/mnt", "", unix.MS_BIND, ""))
	t.Cleanup(func() { must(t, Unmount(dir+"/mnt")) })
	must(t, ChownTree(t.Context(), dir, 12, 34))
	for _, name := range []string{"", "/a", "/a/b", "/a/b/f", "/a/link"} {
		if got := owner(t, dir+name); got != [2]uint32{12, 34} {
			t.Errorf("%s: expected owner 12:34, got %v", dir+name, got)
		}
	}
	for _, name := range []string{outside, outside + "/f", dir + "/mnt"} {
		if got := owner(t, name); got != [2]uint32{0, 0} {
			t.Errorf("%s: expected it untouched, got %v", name, got)
		}
	}
	file := filepath.Join(dir, "file")
	must(t, os.WriteFile(file, nil, 0o644))
	must(t, ChownTree(t.Context(), file, 5, 6))
	if got := owner(t, file); got != [2]uint32{5, 6} {
		t.Errorf("a file: expected owner 5:6, got %v", got)
	}
}

func TestChownTreeGivesAwayNothingOfTheSystem(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink("/etc", link))
	// To their own owner, so that a fault does no harm.
	for _, path := range []string{"/", "/etc", "/etc/passwd", "/usr/bin", "/var", "/home", "/var/lib", link, link + "/passwd", "/tmp/../etc"} {
		if err := ChownTree(t.Context(), path, 0, 0); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%s: expected ErrInvalidArgument, got %v", path, err)
		}
	}
	if err := ChownTree(t.Context(), link+"/no-such", 0, 0); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("expected ErrNotFound, got %v", err)
	}
}
