package tree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

func removed(t *testing.T, path string) {
	t.Helper()
	for range 2 {
		must(t, Remove(t.Context(), path))
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("expected %s to be gone, got %v", path, err)
	}
}

// deep makes n directories inside each other, each with a file: far more than a path name can hold.
func deep(t testing.TB, dir string, n int) {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	for range n {
		must(t, unix.Mkdirat(fd, "deeper-and-deeper", 0o755))
		next, err := unix.Openat(fd, "deeper-and-deeper", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		must(t, err)
		unix.Close(fd)
		fd = next
		f, err := unix.Openat(fd, "file", unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
		must(t, err)
		unix.Close(f)
	}
	unix.Close(fd)
}

func TestRemoveTakesATreeDeeperThanAnyPathName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tree")
	must(t, os.Mkdir(dir, 0o755))
	deep(t, dir, 5000)
	// A name that moving directories up would use.
	must(t, os.WriteFile(dir+"/.deep-1", nil, 0o644))
	removed(t, dir)
}

func TestRemoveHoldsFewDescriptors(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tree")
	must(t, os.Mkdir(dir, 0o755))
	deep(t, dir, 1000)
	var old unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	low := old
	low.Cur = 200
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &low))
	err := Remove(t.Context(), dir)
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &old))
	must(t, err)
}

func TestRemoveClearsWhatForbidsIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tree")
	must(t, os.MkdirAll(dir+"/a/b", 0o755))
	must(t, os.WriteFile(dir+"/a/b/f", nil, 0o644))
	must(t, os.WriteFile(dir+"/a/append", nil, 0o644))
	for name, flag := range map[string]int{"/a/b/f": unix.STATX_ATTR_IMMUTABLE, "/a/append": unix.STATX_ATTR_APPEND, "/a/b": unix.STATX_ATTR_IMMUTABLE, "": unix.STATX_ATTR_APPEND} {
		f, err := os.Open(dir + name)
		must(t, err)
		must(t, unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flag))
		f.Close()
	}
	if err := os.RemoveAll(dir); err == nil {
		t.Fatal("the flags forbid nothing: the test shows nothing")
	}
	removed(t, dir)
}

func TestRemoveTakesEveryKindAndFollowsNoLink(t *testing.T) {
	base := t.TempDir()
	outside, dir := base+"/outside", base+"/tree"
	must(t, os.Mkdir(outside, 0o755))
	must(t, os.WriteFile(outside+"/f", nil, 0o644))
	must(t, os.Mkdir(dir, 0o755))
	must(t, os.Symlink(outside, dir+"/link"))
	must(t, os.Symlink("gone", dir+"/dangling"))
	must(t, unix.Mkfifo(dir+"/fifo", 0o600))
	must(t, unix.Mknod(dir+"/whiteout", unix.S_IFCHR, 0))
	for i := range 3000 {
		must(t, os.WriteFile(fmt.Sprintf("%s/f%d", dir, i), nil, 0))
	}
	must(t, os.Symlink(outside, base+"/top"))
	removed(t, dir)
	removed(t, base+"/top")
	removed(t, base+"/no/such/path")
	if _, err := os.Stat(outside + "/f"); err != nil {
		t.Errorf("expected what links lead to to be untouched, got %v", err)
	}
}

func TestRemoveNeverCrossesAMount(t *testing.T) {
	base := t.TempDir()
	outside, dir := base+"/outside", base+"/tree"
	must(t, os.Mkdir(outside, 0o755))
	must(t, os.WriteFile(outside+"/f", nil, 0o644))
	must(t, os.WriteFile(base+"/file", nil, 0o644))
	for _, what := range []string{"dir", "file"} {
		must(t, os.MkdirAll(dir+"/sub", 0o755))
		src, dst := outside, dir+"/sub"
		if what == "file" {
			src, dst = outside+"/f", dir+"/sub/f"
			must(t, os.WriteFile(dst, nil, 0o644))
		}
		must(t, unix.Mount(src, dst, "", unix.MS_BIND, ""))
		err := Remove(t.Context(), dir)
		if !errors.Is(err, errdefs.ErrConflict) {
			t.Errorf("%s mounted: expected ErrConflict, got %v", what, err)
		}
		if _, err := os.Stat(outside + "/f"); err != nil {
			t.Errorf("%s mounted: expected what is mounted to be untouched, got %v", what, err)
		}
		must(t, unix.Unmount(dst, 0))
		removed(t, dir)
	}
}

func TestSizeCountsEachInodeOnceAndThisMountOnly(t *testing.T) {
	dir := t.TempDir()
	must(t, os.MkdirAll(dir+"/a/m", 0o755))
	must(t, os.WriteFile(dir+"/f", make([]byte, 1000), 0o644))
	must(t, os.Link(dir+"/f", dir+"/a/f"))
	must(t, os.WriteFile(dir+"/a/g", make([]byte, 10), 0o644))
	must(t, os.Symlink("/etc/passwd", dir+"/link"))
	must(t, unix.Mount("tmpfs", dir+"/a/m", "tmpfs", 0, ""))
	defer func() { must(t, unix.Unmount(dir+"/a/m", 0)) }()
	must(t, os.WriteFile(dir+"/a/m/x", make([]byte, 5000), 0o644))
	if n, err := Size(t.Context(), dir); err != nil || n != 1010 {
		t.Errorf("expected 1010, got %d, %v", n, err)
	}
	if n, err := Size(t.Context(), dir+"/none"); err != nil || n != 0 {
		t.Errorf("of nothing: expected 0, got %d, %v", n, err)
	}
}

func TestACancelledRemoveCanBeRepeated(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tree")
	must(t, os.MkdirAll(dir+"/a/b", 0o755))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Remove(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("expected %v, got %v", context.Canceled, err)
	}
	removed(t, dir)
}

func BenchmarkRemove10000Files(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		dir := filepath.Join(b.TempDir(), "t")
		for i := range 100 {
			must(b, os.MkdirAll(fmt.Sprintf("%s/%d", dir, i), 0o755))
			for j := range 100 {
				must(b, os.WriteFile(fmt.Sprintf("%s/%d/%d", dir, i, j), nil, 0o644))
			}
		}
		b.StartTimer()
		must(b, Remove(b.Context(), dir))
	}
}
