package volume

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newLocal(t *testing.T) Local {
	l := Local{Dir: filepath.Join(t.TempDir(), "volumes")}
	t.Cleanup(func() {
		entries, _ := os.ReadDir(l.Dir)
		for _, e := range entries {
			must(t, unmount(l.Path(e.Name())))
		}
	})
	return l
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func TestNamesOfVolumes(t *testing.T) {
	for name, ok := range map[string]bool{
		"a": true, "A0_.-": true, "0": true, strings.Repeat("x", 255): true, "": false, ".a": false, "-a": false, "_a": false, "a/b": false,
		"..": false, "a b": false, "a\n": false, "é": false, strings.Repeat("x", 256): false,
	} {
		err := ValidateName(name)
		if ok != (err == nil) || err != nil && !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%q: expected valid %v, got %v", name, ok, err)
		}
	}
	l := newLocal(t)
	if _, err := l.Create("../x"); !errors.Is(err, errdefs.ErrInvalidArgument) {
		t.Errorf("creating ../x: expected ErrInvalidArgument, got %v", err)
	}
	if err := l.Remove("../x"); !errors.Is(err, errdefs.ErrInvalidArgument) {
		t.Errorf("removing ../x: expected ErrInvalidArgument, got %v", err)
	}
}

func TestCreateAndRemoveMayBeRepeated(t *testing.T) {
	l := newLocal(t)
	must(t, l.Remove("none"))
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	for range 2 {
		path, err := l.Create("v")
		if err != nil || path != l.Path("v") || path != filepath.Join(l.Dir, "v", "_data") {
			t.Fatalf("expected %s, got %s, %v", l.Path("v"), path, err)
		}
	}
	for path, want := range map[string]os.FileMode{l.Dir: 0o700, l.Path("v"): 0o755} {
		info, err := os.Stat(path)
		must(t, err)
		if info.Mode().Perm() != want {
			t.Errorf("%s: expected mode %o, got %o", path, want, info.Mode().Perm())
		}
	}
	must(t, os.WriteFile(l.Path("v")+"/f", make([]byte, 123), 0o644))
	if n, err := l.Size(t.Context(), "v"); err != nil || n != 123 {
		t.Errorf("expected size 123, got %d, %v", n, err)
	}
	for range 2 {
		must(t, l.Remove("v"))
	}
	entries, err := os.ReadDir(l.Dir + "/.removed")
	if exists(l.Dir+"/v") || err != nil || len(entries) > 0 {
		t.Errorf("expected nothing left, got %v, %v", entries, err)
	}
}

func TestRemoveFinishesWhatAKilledOneLeft(t *testing.T) {
	l := newLocal(t)
	_, err := l.Create("v")
	must(t, err)
	must(t, os.MkdirAll(l.Dir+"/.removed/half/_data/x", 0o755))
	must(t, l.Remove("v"))
	if exists(l.Dir + "/.removed/half") {
		t.Error("expected the leftover to be gone")
	}
}

func TestATmpfsVolumeIsMountedOnceForAllItsUsers(t *testing.T) {
	l := newLocal(t)
	options := map[string]string{"type": "tmpfs", "device": "tmpfs", "o": "size=1m,mode=751,uid=12,nosuid,noexec"}
	must(t, ValidateOptions(options))
	for _, user := range []string{"c1", "c1", "c2"} {
		path, err := l.Mount(t.Context(), "v", options, user)
		must(t, err)
		must(t, os.WriteFile(path+"/"+user, nil, 0o644))
	}
	var st unix.Statfs_t
	must(t, unix.Statfs(l.Path("v"), &st))
	if st.Type != unix.TMPFS_MAGIC || st.Blocks*uint64(st.Bsize) != 1<<20 || st.Flags&unix.ST_NOEXEC == 0 || st.Flags&unix.ST_NOSUID == 0 {
		t.Errorf("expected a tmpfs of 1 MiB, nosuid, noexec, got %+v", st)
	}
	must(t, l.Unmount("v", "c1"))
	must(t, l.Unmount("v", "c1"))
	must(t, l.Unmount("v", "stranger"))
	if !exists(l.Path("v") + "/c2") {
		t.Error("expected the volume to stay mounted for its second user")
	}
	must(t, l.Unmount("v", "c2"))
	if on, err := mounted(l.Path("v")); on || err != nil {
		t.Errorf("expected it unmounted after its last user, got %v, %v", on, err)
	}
	must(t, l.Unmount("v", "c2"))
	must(t, l.Unmount("none", "c2"))
}

func TestUsersOfBeforeARebootDoNotCount(t *testing.T) {
	l := newLocal(t)
	options := map[string]string{"type": "tmpfs"}
	_, err := l.Mount(t.Context(), "v", options, "old")
	must(t, err)
	must(t, unmount(l.Path("v"))) // as a reboot does
	_, err = l.Mount(t.Context(), "v", options, "new")
	must(t, err)
	must(t, l.Unmount("v", "new"))
	if on, err := mounted(l.Path("v")); on || err != nil {
		t.Errorf("expected it unmounted, got %v, %v", on, err)
	}
}

func TestABindVolumeIsRemovedWithoutItsDevice(t *testing.T) {
	l := newLocal(t)
	device := t.TempDir()
	must(t, os.WriteFile(device+"/precious", nil, 0o644))
	path, err := l.Mount(t.Context(), "v", map[string]string{"type": "none", "device": device, "o": "bind,ro"}, "c1")
	must(t, err)
	if !exists(path + "/precious") {
		t.Error("expected the device's files in the volume")
	}
	if err := os.WriteFile(path+"/x", nil, 0o644); !errors.Is(err, unix.EROFS) {
		t.Errorf("expected EROFS, got %v", err)
	}
	must(t, l.Remove("v"))
	if !exists(device+"/precious") || exists(l.Dir+"/v") {
		t.Error("expected the volume gone and the device untouched")
	}
}

func TestParallelMountsAndUnmountsEndUnmounted(t *testing.T) {
	l := newLocal(t)
	var wg sync.WaitGroup
	for i := range 8 {
		user := string(rune('a' + i))
		wg.Go(func() {
			for range 20 {
				if _, err := l.Mount(t.Context(), "v", map[string]string{"type": "tmpfs"}, user); err != nil {
					t.Error(err)
				}
				if on, err := mounted(l.Path("v")); !on || err != nil {
					t.Errorf("expected it mounted while in use, got %v, %v", on, err)
				}
				if err := l.Unmount("v", user); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if on, err := mounted(l.Path("v")); on || err != nil {
		t.Errorf("expected it unmounted, got %v, %v", on, err)
	}
}

func TestOtherTypesGoThroughMount8(t *testing.T) {
	l := newLocal(t)
	path, err := l.Mount(t.Context(), "v", map[string]string{"type": "ramfs", "device": "none", "o": "mode=700"}, "c1")
	must(t, err)
	var st unix.Statfs_t
	must(t, unix.Statfs(path, &st))
	if st.Type != unix.RAMFS_MAGIC {
		t.Errorf("expected ramfs, got %x", st.Type)
	}
	must(t, l.Unmount("v", "c1"))
	_, err = l.Mount(t.Context(), "w", map[string]string{"type": "no-such-fs", "device": "none"}, "c1")
	if !errors.Is(err, errdefs.ErrUnavailable) || errdefs.Class(err) != errdefs.ErrUnavailable || !strings.Contains(err.Error(), "special device") {
		t.Errorf("expected ErrUnavailable with what mount said, got %v", err)
	}
	if on, err := mounted(l.Path("w")); on || err != nil {
		t.Errorf("expected nothing mounted after a failure, got %v, %v", on, err)
	}
}

func TestOptionsThatCannotBeAreRefused(t *testing.T) {
	for _, options := range []map[string]string{
		{"colour": "red"}, {"device": "/x"}, {"o": "ro"}, {"type": "none", "device": "/x"}, {"type": "none", "o": "bind"},
		{"o": "bind", "device": "relative"}, {"o": "bind,size=1m", "device": "/x"}, {"type": "nfs", "o": "addr=1.2.3.4"},
		{"type": "-x", "device": "y"}, {"type": "tmpfs,nfs"},
	} {
		if err := ValidateOptions(options); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%v: expected ErrInvalidArgument, got %v", options, err)
		}
	}
	for _, options := range []map[string]string{
		nil, {}, {"type": "tmpfs"}, {"o": "bind", "device": "/x"}, {"type": "nfs", "device": ":/x", "o": "addr=1.2.3.4,rw,nolock"},
	} {
		if err := ValidateOptions(options); err != nil {
			t.Errorf("%v: expected nil, got %v", options, err)
		}
	}
	l := newLocal(t)
	if _, err := l.Mount(t.Context(), "v", map[string]string{"o": "bind", "device": "/no/such"}, "c1"); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("a missing device: expected ErrNotFound, got %v", err)
	}
	if _, err := l.Mount(t.Context(), "v", map[string]string{"type": "tmpfs", "o": "nonsense=1"}, "c1"); !errors.Is(err, errdefs.ErrInvalidArgument) {
		t.Errorf("an option that tmpfs does not know: expected ErrInvalidArgument, got %v", err)
	}
}
