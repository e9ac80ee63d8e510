package rootfs

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

// newRoot is an empty root with a directory beside it that no name may reach.
func newRoot(t testing.TB) (root *Root, dir, outside string) {
	t.Helper()
	base := t.TempDir()
	dir, outside = filepath.Join(base, "root"), filepath.Join(base, "outside")
	must(t, os.Mkdir(dir, 0o755))
	must(t, os.Mkdir(outside, 0o755))
	root, err := OpenRoot(dir)
	must(t, err)
	t.Cleanup(func() { root.Close() })
	return root, dir, outside
}

func exists(t testing.TB, path string) bool {
	t.Helper()
	_, err := os.Lstat(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

func TestNamesAreResolvedInsideTheRoot(t *testing.T) {
	root, dir, outside := newRoot(t)
	must(t, os.WriteFile(outside+"/secret", []byte("secret"), 0o600))
	must(t, os.Mkdir(dir+"/etc", 0o755))
	must(t, os.WriteFile(dir+"/etc/f", []byte("inside"), 0o644))
	links := map[string]string{
		"up": "../../../../../../etc/f", "abs": "/etc/f", "etc/rel": "../../../etc/f", "updir": "../..", "out": outside,
		"outfile": outside + "/secret",
	}
	for name, target := range links {
		must(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	for _, name := range []string{"etc/f", "/etc/f", "../../etc/f", "up", "abs", "/etc/rel", "updir/etc/f", "/updir/updir/up"} {
		got, err := root.ReadFile(name, 100)
		if err != nil || string(got) != "inside" {
			t.Errorf("%s: expected the file inside, got %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"outfile", "out/secret"} {
		if got, err := root.ReadFile(name, 100); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("%s: expected ErrNotFound, got %q, %v", name, got, err)
		}
	}
}

func TestWhatIsNoRegularFileIsNotOpenedAndBlocksNobody(t *testing.T) {
	root, dir, _ := newRoot(t)
	must(t, unix.Mkfifo(dir+"/fifo", 0o644))
	must(t, os.Mkdir(dir+"/dir", 0o755))
	must(t, unix.Mknod(dir+"/dev", unix.S_IFCHR|0o644, int(unix.Mkdev(1, 5))))
	must(t, os.Symlink("fifo", dir+"/link"))
	must(t, os.Symlink("/proc/self/fd/0", dir+"/magic"))
	for _, name := range []string{"fifo", "dir", "dev", "link"} {
		if _, err := root.ReadFile(name, 10); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("reading %s: expected ErrInvalidArgument, got %v", name, err)
		}
		if err := root.WriteFile(name, nil, 0o644, 0, 0); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("writing %s: expected ErrInvalidArgument, got %v", name, err)
		}
	}
	must(t, os.WriteFile(dir+"/long", make([]byte, 11), 0o644))
	if _, err := root.ReadFile("long", 10); !errors.Is(err, errdefs.ErrInvalidArgument) {
		t.Errorf("a file above the limit: expected ErrInvalidArgument, got %v", err)
	}
}

func TestMkdirAllSetsOwnersOfWhatItMakesOnly(t *testing.T) {
	root, dir, _ := newRoot(t)
	must(t, os.Mkdir(dir+"/there", 0o700))
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	must(t, root.MkdirAll("/there/a/b", 0o751|os.ModeSticky, 12, 34))
	must(t, root.MkdirAll("/there/a/b", 0o700, 1, 1))
	must(t, root.MkdirAll("/", 0o700, 1, 1))
	for name, want := range map[string][3]uint32{"there": {0o700, 0, 0}, "there/a": {0o1751, 12, 34}, "there/a/b": {0o1751, 12, 34}} {
		st, err := root.Stat(name)
		must(t, err)
		if got := [3]uint32{st.Mode & 0o7777, st.Uid, st.Gid}; got != want {
			t.Errorf("%s: expected mode and owner %o, got %o", name, want, got)
		}
	}
	must(t, os.WriteFile(dir+"/file", nil, 0o644))
	if err := root.MkdirAll("file/x", 0o755, 0, 0); !errors.Is(err, errdefs.ErrInvalidArgument) {
		t.Errorf("below a file: expected ErrInvalidArgument, got %v", err)
	}
}

func TestMissingTargetsOfLinksAreMadeInsideTheRoot(t *testing.T) {
	root, dir, outside := newRoot(t)
	must(t, os.Mkdir(dir+"/var", 0o755))
	must(t, os.Mkdir(dir+"/etc", 0o755))
	for name, target := range map[string]string{
		"var/run": "/run", "etc/resolv.conf": "../run/systemd/resolve/stub-resolv.conf", "escape": "../../" + filepath.Base(outside),
		"etc/abs": outside + "/abs", "loop": "loop", "chain": "/chain2", "chain2": "chain3",
	} {
		must(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	must(t, root.MkdirAll("/var/run/app", 0o755, 0, 0))
	must(t, root.MkdirAll("/escape/x", 0o755, 0, 0))
	must(t, root.MkdirAll("/chain/x", 0o755, 0, 0))
	for _, name := range []string{"/etc/resolv.conf", "/etc/abs"} {
		f, err := root.MountPoint(name, false)
		must(t, err)
		f.Close()
	}
	for _, want := range []string{"run/app", "run/systemd/resolve/stub-resolv.conf", "chain3/x", outside + "/abs"} {
		if !exists(t, filepath.Join(dir, want)) {
			t.Errorf("expected %s to have been made", want)
		}
	}
	entries, err := os.ReadDir(outside)
	must(t, err)
	if len(entries) > 0 {
		t.Errorf("expected nothing outside the root, got %v", entries)
	}
	if err := root.MkdirAll("/loop/x", 0o755, 0, 0); !errors.Is(err, errdefs.ErrInvalidArgument) {
		t.Errorf("a link to itself: expected ErrInvalidArgument, got %v", err)
	}
}

func TestMountPointsAreOfTheKindOfTheMount(t *testing.T) {
	root, dir, _ := newRoot(t)
	for name, isDir := range map[string]bool{"/a/b/dir": true, "/a/b/file": false} {
		for range 2 {
			f, err := root.MountPoint(name, isDir)
			must(t, err)
			info, err := os.Stat(FDPath(f))
			must(t, err)
			if info.IsDir() != isDir {
				t.Errorf("%s: expected directory %v, got %v", name, isDir, info.Mode())
			}
			f.Close()
		}
		if _, err := root.MountPoint(name, !isDir); !errors.Is(err, errdefs.ErrInvalidArgument) {
			t.Errorf("%s as the other kind: expected ErrInvalidArgument, got %v", name, err)
		}
	}
	must(t, os.WriteFile(dir+"/full", []byte("kept"), 0o600))
	f, err := root.MountPoint("full", false)
	must(t, err)
	f.Close()
	if got := readString(t, dir+"/full"); got != "kept" {
		t.Errorf("expected the file at the mount point to be kept, got %q", got)
	}
}

func TestWriteFileReplacesContentAndOwner(t *testing.T) {
	root, dir, _ := newRoot(t)
	must(t, root.WriteFile("/f", []byte("a long content"), 0o600, 1, 2))
	must(t, root.WriteFile("/f", []byte("short"), 0o640, 3, 4))
	st, err := root.Lstat("/f")
	must(t, err)
	if got := readString(t, dir+"/f"); got != "short" || st.Mode&0o7777 != 0o640 || st.Uid != 3 || st.Gid != 4 {
		t.Errorf("expected short, 640, 3:4, got %q, %o, %d:%d", got, st.Mode&0o7777, st.Uid, st.Gid)
	}
	must(t, root.Chown("/f", 5, 6))
	if st, _ = root.Stat("/f"); st.Uid != 5 || st.Gid != 6 {
		t.Errorf("expected owner 5:6, got %d:%d", st.Uid, st.Gid)
	}
}

// TestASymlinkSwapperNeverLeadsOutside: a process of the container exchanges a directory with a link to the host's while the
// engine makes, writes and reads files below it (CVE-2018-15664).
func TestASymlinkSwapperNeverLeadsOutside(t *testing.T) {
	root, dir, outside := newRoot(t)
	must(t, os.WriteFile(outside+"/f", []byte("outside"), 0o644))
	must(t, os.Mkdir(dir+"/a", 0o755))
	must(t, os.WriteFile(dir+"/a/f", []byte("inside"), 0o644))
	must(t, os.Symlink("../outside", dir+"/b"))
	must(t, os.Symlink(outside, dir+"/c"))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			_ = unix.Renameat2(unix.AT_FDCWD, dir+"/a", unix.AT_FDCWD, dir+"/"+[]string{"b", "c"}[i%2], unix.RENAME_EXCHANGE)
		}
	})
	inside := 0
	for range 3000 {
		data, err := root.ReadFile("a/f", 100)
		if err == nil {
			inside++
			if string(data) != "inside" {
				t.Fatalf("read %q through a link out of the root", data)
			}
		}
		_ = root.MkdirAll("a/made/deep", 0o755, 0, 0)
		_ = root.WriteFile("a/written", []byte("x"), 0o644, 0, 0)
		if f, err := root.MountPoint("a/../a/point", false); err == nil {
			f.Close()
		}
		_ = root.Chown("a/f", 99, 99)
	}
	close(stop)
	wg.Wait()
	entries, err := os.ReadDir(outside)
	must(t, err)
	var st unix.Stat_t
	must(t, unix.Stat(outside+"/f", &st))
	if len(entries) != 1 || st.Uid != 0 {
		t.Errorf("expected nothing to have been made or changed outside, got %v, owner %d", entries, st.Uid)
	}
	if inside == 0 {
		t.Error("the test never saw the directory inside: it shows nothing")
	}
}

func TestNulBytesInNamesAreRefused(t *testing.T) {
	root, _, _ := newRoot(t)
	if _, err := root.Open("a\x00b", unix.O_RDONLY); !errors.Is(err, errdefs.ErrInvalidArgument) {
		t.Errorf("expected ErrInvalidArgument, got %v", err)
	}
	if _, err := root.Open(strings.Repeat("x", 5000), unix.O_RDONLY); !errors.Is(err, errdefs.ErrInvalidArgument) {
		t.Errorf("a name too long: expected ErrInvalidArgument, got %v", err)
	}
}
