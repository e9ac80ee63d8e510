package rootfs

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/berth-engine/berth/errdefs"
)

func TestChownTreeChangesAllInsideAndNothingOutside(t *testing.T) {
	outside := t.TempDir()
	dir := t.TempDir()
	for _, d := range []string{"a", "a/b"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "a/b/f"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "a/link")); err != nil {
		t.Fatal(err)
	}
	if err := ChownTree(context.Background(), dir, 1234, 2345); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]uint32{dir: 1234, dir + "/a/b/f": 1234, dir + "/a/link": 1234, outside: 0} {
		var st syscall.Stat_t
		if err := syscall.Lstat(path, &st); err != nil {
			t.Fatal(err)
		}
		if st.Uid != want {
			t.Errorf("%s is owned by %d, want %d", path, st.Uid, want)
		}
	}
}

func TestChownTreeRefusesDirectoriesOfTheSystem(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/etc", link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/etc", "/usr/", link} {
		if err := ChownTree(context.Background(), path, 0, 0); errdefs.Class(err) != errdefs.ErrInvalidArgument {
			t.Errorf("%s: error %v, want it refused", path, err)
		}
	}
}
