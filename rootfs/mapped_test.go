package rootfs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

var maps = []IDMap{{ContainerID: 0, HostID: 100000, Size: 1000}, {ContainerID: 1000, HostID: 300000, Size: 5}}

func owner(t testing.TB, path string) [2]uint32 {
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Lstat(path, &st))
	return [2]uint32{st.Uid, st.Gid}
}

func TestMappedLayersShowTheOwnersOfTheUserNamespace(t *testing.T) {
	for _, old := range []bool{false, true} {
		lower := layers(t, 30)
		must(t, os.WriteFile(lower[29]+"/owned", []byte("x"), 0o644))
		must(t, os.Chown(lower[29]+"/owned", 33, 1001))
		l, target := newLayer(t)
		must(t, os.Mkdir(target, 0o755))
		o := MountOptions{Lower: lower, Target: target, UIDMap: maps, GIDMap: maps}
		must(t, l.prepare(o))
		ov := l.overlay(o)
		ov.old = old
		must(t, ov.mount(target))
		if got := owner(t, target+"/owned"); got != [2]uint32{100033, 300001} {
			t.Errorf("old %v: expected owner 100033:300001, got %v", old, got)
		}
		if got := owner(t, target); got != [2]uint32{100000, 100000} {
			t.Errorf("old %v: expected the root to belong to the container's root, got %v", old, got)
		}
		// A change copies the file up with the owner it shows.
		must(t, os.Chmod(target+"/owned", 0o600))
		if got := owner(t, l.upper()+"/owned"); got != [2]uint32{100033, 300001} {
			t.Errorf("old %v: expected owner 100033:300001 in upper, got %v", old, got)
		}
		if got := owner(t, lower[29]+"/owned"); got != [2]uint32{33, 1001} {
			t.Errorf("old %v: expected the image untouched, got %v", old, got)
		}
		must(t, Unmount(target))
		if left := mountsOf(t, lower[0], target); left != "" {
			t.Errorf("old %v: expected nothing mounted any more, got\n%s", old, left)
		}
	}
}

// mountsOf are the lines of mountinfo that name one of the directories that the paths are in. Others mount as well meanwhile.
func mountsOf(t *testing.T, paths ...string) string {
	t.Helper()
	var lines string
	for line := range strings.Lines(readString(t, "/proc/self/mountinfo")) {
		if slices.ContainsFunc(paths, func(p string) bool { return strings.Contains(line, filepath.Dir(p)) }) {
			lines += line
		}
	}
	return lines
}

func TestMappedBindShowsTheOwnersOfTheUserNamespace(t *testing.T) {
	src, target := t.TempDir(), filepath.Join(t.TempDir(), "m")
	must(t, os.WriteFile(src+"/owned", nil, 0o644))
	must(t, os.Chown(src+"/owned", 5, 6))
	must(t, Bind(t.Context(), BindOptions{Source: src, Target: target, UIDMap: maps, GIDMap: maps, ReadOnly: true}))
	t.Cleanup(func() { must(t, Unmount(target)) })
	if got := owner(t, target+"/owned"); got != [2]uint32{100005, 100006} {
		t.Errorf("expected owner 100005:100006, got %v", got)
	}
	if err := os.WriteFile(target+"/new", nil, 0o644); !errors.Is(err, unix.EROFS) {
		t.Errorf("expected EROFS, got %v", err)
	}
	must(t, os.WriteFile(src+"/new", nil, 0o644))
}

func TestMapsThatCannotBeAreClassed(t *testing.T) {
	l, target := newLayer(t)
	err := l.Mount(t.Context(), MountOptions{Target: target, UIDMap: maps})
	if !errors.Is(err, errdefs.ErrInvalidArgument) {
		t.Errorf("no group map: expected ErrInvalidArgument, got %v", err)
	}
	// /proc cannot be mounted with other owners.
	err = Bind(t.Context(), BindOptions{Source: "/proc", Target: target, UIDMap: maps, GIDMap: maps})
	if !errors.Is(err, errdefs.ErrNotImplemented) {
		t.Errorf("a file system without owners to map: expected ErrNotImplemented, got %v", err)
	}
	if on, err := Mounted(target); on || err != nil {
		t.Errorf("expected nothing mounted after a failure, got %v, %v", on, err)
	}
}

func TestBindTakesWhatIsMountedBelow(t *testing.T) {
	src, target := t.TempDir(), filepath.Join(t.TempDir(), "m")
	must(t, os.Mkdir(src+"/sub", 0o755))
	must(t, unix.Mount("tmpfs", src+"/sub", "tmpfs", 0, ""))
	t.Cleanup(func() { must(t, Unmount(src+"/sub")) })
	must(t, os.WriteFile(src+"/sub/f", nil, 0o644))
	for range 2 {
		must(t, Bind(t.Context(), BindOptions{Source: src, Target: target}))
	}
	if !exists(t, target+"/sub/f") {
		t.Error("expected the mount below to be there")
	}
	must(t, Unmount(target))
	if !exists(t, src+"/sub/f") {
		t.Error("expected unmounting to leave the source's mounts")
	}
	if n := mountsAt(t, target) + mountsAt(t, target+"/sub"); n != 0 {
		t.Errorf("expected no mount left, got %d", n)
	}
}

// shared is a directory on a mount with shared propagation, like / on most hosts.
func shared(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, ""))
	t.Cleanup(func() { must(t, Unmount(dir)) })
	must(t, unix.Mount("", dir, "", unix.MS_SHARED, ""))
	return dir
}

func TestMountsDoNotShowInOtherMountNamespaces(t *testing.T) {
	run := filepath.Join(shared(t), "run")
	must(t, os.Mkdir(run, 0o700))
	for range 2 {
		must(t, PrivateDir(run))
	}
	if n := mountsAt(t, run); n != 1 {
		t.Errorf("expected %s mounted once, got %d times", run, n)
	}
	// A process in a namespace that gets what is mounted here.
	other := exec.Command("cat")
	other.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	stdin, err := other.StdinPipe()
	must(t, err)
	must(t, other.Start())
	defer func() {
		stdin.Close()
		_ = other.Wait()
	}()
	l, _ := newLayer(t)
	target := run + "/ctr"
	must(t, l.Mount(t.Context(), MountOptions{Target: target}))
	info := readString(t, "/proc/"+strconv.Itoa(other.Process.Pid)+"/mountinfo")
	if strings.Contains(info, target) {
		t.Error("expected the container's root not to show in another namespace")
	}
	for line := range strings.Lines(readString(t, "/proc/self/mountinfo")) {
		if f := strings.Fields(line); f[4] == target && f[6] != "-" {
			t.Errorf("expected private propagation, got %s", line)
		}
	}
	must(t, Unmount(target))
	must(t, Unmount(run))
}

func TestAMountBelowASharedOneIsPrivate(t *testing.T) {
	dir := shared(t)
	l, _ := newLayer(t)
	for _, old := range []bool{false, true} {
		target := filepath.Join(dir, "m")
		must(t, os.MkdirAll(target, 0o755))
		o := l.overlay(MountOptions{Lower: layers(t, 1)})
		o.old = old
		must(t, o.mount(target))
		for line := range strings.Lines(readString(t, "/proc/self/mountinfo")) {
			if f := strings.Fields(line); f[4] == target && f[6] != "-" {
				t.Errorf("old %v: expected private propagation, got %s", old, line)
			}
		}
		must(t, Unmount(target))
	}
}

func TestUnmountDetachesWhatIsBusyAndFollowsNoLink(t *testing.T) {
	l, target := newLayer(t)
	must(t, l.Mount(t.Context(), MountOptions{Target: target}))
	f, err := os.Create(target + "/open")
	must(t, err)
	defer f.Close()
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(target, link))
	must(t, Unmount(link))
	if on, err := Mounted(target); !on || err != nil {
		t.Errorf("expected a link not to be followed, got mounted %v, %v", on, err)
	}
	must(t, Unmount(target))
	if on, err := Mounted(target); on || err != nil {
		t.Errorf("expected a busy mount to be gone, got mounted %v, %v", on, err)
	}
	// The layer can be used again at once.
	must(t, l.Mount(t.Context(), MountOptions{Target: target}))
	must(t, Unmount(target+"/not-there"))
}
