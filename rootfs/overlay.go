package rootfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// overlay is one overlay mount to be made.
type overlay struct {
	lower          []string // highest first, as the kernel has it
	upper, work    string
	label          string
	readOnly       bool
	volatile       bool
	uidMap, gidMap []IDMap
	// old takes mount(2) even if the kernel has better; for tests.
	old bool
}

// mount puts the overlay at target. An error of the kernel's stays visible to errors.Is.
func (o overlay) mount(target string) error {
	switch {
	case len(o.uidMap) > 0 || len(o.gidMap) > 0:
		return o.mountMapped(target)
	case o.useOld():
		return onThread(func() error { return o.mountOld(target) })
	}
	fd, err := o.fsmount()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return moveMount(fd, target, 0, o.readOnly)
}

// useOld: before 6.7 lower directories could not be given one by one, and a value of fsconfig(2) has 255 bytes at most.
func (o overlay) useOld() bool { return o.old || !kernelAtLeast(6, 7) }

// fixed are the options that every mount has; see the package's comment.
var fixed = [][2]string{{"index", "off"}, {"metacopy", "off"}, {"redirect_dir", "nofollow"}}

// fsmount makes the overlay with the new mount API, attached to nothing yet.
func (o overlay) fsmount() (int, error) {
	fs, err := unix.Fsopen("overlay", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, classed(err, "opening overlay")
	}
	defer unix.Close(fs)
	var pins pins
	defer pins.close()
	if err := o.configure(fs, &pins); err != nil {
		return -1, classed(err, "mounting overlay%s", kernelSays(fs))
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return -1, classed(err, "mounting overlay")
	}
	return fd, nil
}

func (o overlay) configure(fs int, pins *pins) error {
	set := func(key, dir string) error {
		name, err := pins.name(dir)
		if err != nil {
			return err
		}
		return unix.FsconfigSetString(fs, key, name)
	}
	for _, dir := range o.lower {
		if err := set("lowerdir+", dir); err != nil {
			return err
		}
	}
	if err := set("upperdir", o.upper); err != nil {
		return err
	}
	if err := set("workdir", o.work); err != nil {
		return err
	}
	options := append([][2]string{{"source", "overlay"}}, fixed...)
	if o.label != "" {
		options = append(options, [2]string{"context", o.label})
	}
	for _, kv := range options {
		if err := unix.FsconfigSetString(fs, kv[0], kv[1]); err != nil {
			return fmt.Errorf("%s: %w", kv[0], err)
		}
	}
	if o.volatile {
		if err := unix.FsconfigSetFlag(fs, "volatile"); err != nil {
			return fmt.Errorf("volatile: %w", err)
		}
	}
	return unix.FsconfigCreate(fs)
}

// kernelSays is what the kernel left in the context's log, led by a colon.
func kernelSays(fs int) string {
	var said strings.Builder
	buf := make([]byte, 1024)
	for {
		n, err := unix.Read(fs, buf)
		if err != nil || n <= 0 {
			return said.String()
		}
		// A message is a letter for its weight, a space and text.
		if msg := string(buf[:n]); len(msg) > 2 {
			said.WriteString(": " + strings.TrimSpace(strings.TrimPrefix(msg[2:], "overlay: ")))
		}
	}
}

// pins are directories held open so that the kernel can be given a short name for each.
type pins []int

// name is the directory's own name if the kernel takes it as it is: at most 255 bytes, and none of the bytes that one version
// or another unescapes. Else it is one through a descriptor.
func (p *pins) name(dir string) (string, error) {
	if len(dir) <= 255 && !strings.ContainsAny(dir, `\:,`) {
		return dir, nil
	}
	n, err := p.number(dir)
	return "/proc/self/fd/" + n, err
}

func (p *pins) number(dir string) (string, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("opening %s: %w", dir, err)
	}
	*p = append(*p, fd)
	return strconv.Itoa(fd), nil
}

func (p *pins) close() {
	for _, fd := range *p {
		unix.Close(fd)
	}
}

// onThread runs f on a thread of its own whose working directory and namespaces f may change; the thread ends with it.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime ends the thread
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			done <- classed(err, "a thread with a working directory of its own")
			return
		}
		done <- f()
	}()
	return <-done
}

// mountOld uses mount(2), whose options have one page. Names that do not fit are given as numbers of descriptors, relative to
// /proc/self/fd as the working directory: 500 layers take 2,000 bytes. It runs on a thread of its own.
func (o overlay) mountOld(target string) error {
	var pins pins
	defer pins.close()
	data := o.options(escaped(o.lower), escaped([]string{o.upper})[0], escaped([]string{o.work})[0])
	if len(data) >= os.Getpagesize() {
		var numbers []string
		for _, dir := range append([]string{o.upper, o.work}, o.lower...) {
			n, err := pins.number(dir)
			if err != nil {
				return classed(err, "mounting overlay")
			}
			numbers = append(numbers, n)
		}
		data = o.options(numbers[2:], numbers[0], numbers[1])
		if err := unix.Chdir("/proc/self/fd"); err != nil {
			return classed(err, "mounting overlay")
		}
	}
	var flags uintptr
	if o.readOnly {
		flags = unix.MS_RDONLY
	}
	if err := unix.Mount("overlay", target, "overlay", flags, data); err != nil {
		return classed(err, "mounting overlay at %s", target)
	}
	return classed(unix.Mount("", target, "", unix.MS_PRIVATE, ""), "making %s private", target)
}

// escaped writes names as the options' syntax has it: a backslash before what would end a name.
func escaped(dirs []string) []string {
	out := make([]string, len(dirs))
	for i, dir := range dirs {
		out[i] = strings.NewReplacer(`\`, `\\`, ":", `\:`, ",", `\,`).Replace(dir)
	}
	return out
}

func (o overlay) options(lower []string, upper, work string) string {
	all := []string{"lowerdir=" + strings.Join(lower, ":"), "upperdir=" + upper, "workdir=" + work}
	for _, kv := range fixed {
		all = append(all, kv[0]+"="+kv[1])
	}
	if o.label != "" {
		all = append(all, `context="`+o.label+`"`)
	}
	if o.volatile {
		all = append(all, "volatile")
	}
	return strings.Join(all, ",")
}

// moveMount attaches a detached mount at target and makes it private; flags may be AT_RECURSIVE. On failure nothing is left
// at target.
func moveMount(fd int, target string, flags uint, readOnly bool) error {
	if readOnly {
		attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|flags, &attr); err != nil {
			return classed(err, "making the mount for %s read-only", target)
		}
	}
	if err := unix.MoveMount(fd, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return classed(err, "mounting at %s", target)
	}
	// Only now: below a shared mount it has become shared by being attached.
	attr := unix.MountAttr{Propagation: unix.MS_PRIVATE}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|flags, &attr); err != nil {
		_ = unix.Unmount(target, unix.UMOUNT_NOFOLLOW|unix.MNT_DETACH)
		return classed(err, "making %s private", target)
	}
	return nil
}

// refused reports whether the kernel may have refused an overlay as such: no upper directory there, none without privilege, no
// overlay at all.
func refused(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENODEV)
}

// overlayWorks tries an overlay with its upper directory in dir, so as to tell a file system that cannot carry one from a
// mount that was refused for another reason.
func overlayWorks(dir string) bool {
	probe, err := os.MkdirTemp(dir, ".probe-")
	if err != nil {
		return true
	}
	defer os.RemoveAll(probe)
	o := overlay{lower: []string{filepath.Join(probe, "l")}, upper: filepath.Join(probe, "u"), work: filepath.Join(probe, "w")}
	for _, d := range []string{o.lower[0], o.upper, o.work, filepath.Join(probe, "m")} {
		if os.Mkdir(d, 0o700) != nil {
			return true
		}
	}
	target := filepath.Join(probe, "m")
	if err := o.mount(target); err != nil {
		return !refused(err)
	}
	return Unmount(target) == nil
}

// kernelAtLeast compares the running kernel's version.
func kernelAtLeast(major, minor int) bool {
	v := kernelVersion()
	return v[0] > major || v[0] == major && v[1] >= minor
}

var kernelVersion = sync.OnceValue(func() (v [2]int) {
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &v[0], &v[1])
	}
	return v
})

// errNoMaps says what id maps need.
func errNoMaps(err error) error {
	return errdefs.New(errdefs.ErrNotImplemented,
		"id-mapped mounts need Linux 5.19 for overlay, and a file system that supports them: %w", err)
}
