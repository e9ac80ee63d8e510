package rootfs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/internal/tree"
)

// Layer is a container's writable layer: a directory with upper and work, the overlay's two, mode 0700. Its methods may be
// called by any number of processes, but for one layer only by the one that holds the container's lock.
type Layer struct {
	// Dir is the layer's own directory; all in it is the layer's.
	Dir string
}

// MountOptions say what Mount puts together. Lower and Target are required.
type MountOptions struct {
	// Lower are directories of the host, lowest first. None is an empty root file system.
	Lower []string
	// Target is where the result is mounted. It is made if it is missing, and used for nothing else.
	Target   string
	ReadOnly bool
	// UIDMap and GIDMap shift the owners of Lower for a container with a user namespace. Files in upper keep the owners of
	// the host.
	UIDMap, GIDMap []IDMap
	// Label is an SELinux context for all files.
	Label string
	// Volatile gives up what fsync promises; see the package's comment.
	Volatile bool
}

// IDMap maps Size IDs from ContainerID in the container to HostID on the host.
type IDMap struct {
	ContainerID, HostID, Size int64
}

// maxLower is the kernel's bound on the layers of one overlay (OVL_MAX_STACK).
const maxLower = 500

func (l Layer) upper() string { return filepath.Join(l.Dir, "upper") }
func (l Layer) work() string  { return filepath.Join(l.Dir, "work") }
func (l Layer) none() string  { return filepath.Join(l.Dir, "none") } // stands for no lower directory
func (l Layer) copy() string  { return filepath.Join(l.Dir, "copy") } // where overlay is not possible

// Create makes the layer's directories. It is nil if they are there.
func (l Layer) Create() error {
	if err := os.MkdirAll(l.Dir, 0o700); err != nil {
		return classed(err, "making writable layer")
	}
	if err := os.Chmod(l.Dir, 0o700); err != nil {
		return classed(err, "making writable layer")
	}
	for _, d := range []string{l.upper(), l.work()} {
		if err := os.Mkdir(d, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return classed(err, "making writable layer")
		}
	}
	return nil
}

// Mount mounts the layer over o.Lower at o.Target, with private propagation. It is nil if it is mounted already.
//
// ErrNotFound: the layer was not created or a lower directory is missing. ErrInvalidArgument: more than 500 lower
// directories. ErrNotImplemented: the kernel cannot do what was asked, such as maps before 5.19.
func (l Layer) Mount(ctx context.Context, o MountOptions) error {
	return l.mount(ctx, o, func(ov overlay) error { return ov.mount(o.Target) })
}

// mount is Mount by way of a function that mounts the overlay.
func (l Layer) mount(ctx context.Context, o MountOptions, overlaid func(overlay) error) error {
	if len(o.Lower) > maxLower {
		return errdefs.Invalid("the image has %d layers; overlay takes at most %d", len(o.Lower), maxLower)
	}
	if err := os.MkdirAll(o.Target, 0o755); err != nil {
		return classed(err, "making mount point")
	}
	if on, err := Mounted(o.Target); err != nil || on {
		return err
	}
	if len(o.Lower) == 0 {
		if err := os.Mkdir(l.none(), 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return classed(err, "making writable layer")
		}
		o.Lower = []string{l.none()}
	}
	for _, dir := range o.Lower {
		if _, err := os.Stat(dir); err != nil {
			return classed(err, "layer of the image")
		}
	}
	if _, err := os.Stat(l.copy()); err == nil {
		return l.mountCopy(ctx, o)
	}
	if err := l.prepare(o); err != nil {
		return err
	}
	err := overlaid(l.overlay(o))
	if refused(err) && !overlayWorks(l.Dir) {
		return l.mountWithoutOverlay(ctx, o)
	}
	return err
}

// prepare makes upper's own attributes those of the root directory below, since they are what the container sees at /, until
// the first mount; and clears the mark of a volatile mount.
func (l Layer) prepare(o MountOptions) error {
	switch _, err := os.Lstat(filepath.Join(l.work(), "work")); {
	case err == nil:
		err := os.RemoveAll(filepath.Join(l.work(), "work", "incompat"))
		return classed(err, "clearing the mark of a volatile mount")
	case !errors.Is(err, os.ErrNotExist):
		return classed(err, "writable layer")
	}
	var st unix.Stat_t
	if err := unix.Stat(o.Lower[len(o.Lower)-1], &st); err != nil {
		return classed(err, "layer of the image %s", o.Lower[len(o.Lower)-1])
	}
	uid, gid := hostID(o.UIDMap, int64(st.Uid)), hostID(o.GIDMap, int64(st.Gid))
	if err := os.Chown(l.upper(), uid, gid); err != nil {
		return classed(err, "writable layer")
	}
	return classed(unix.Chmod(l.upper(), st.Mode&0o7777), "writable layer %s", l.Dir)
}

// hostID maps an ID of the container to the host; without maps it is the same, and an ID outside them is the overflow ID.
func hostID(maps []IDMap, id int64) int {
	if len(maps) == 0 {
		return int(id)
	}
	for _, m := range maps {
		if id >= m.ContainerID && id < m.ContainerID+m.Size {
			return int(m.HostID + id - m.ContainerID)
		}
	}
	return 65534
}

func (l Layer) overlay(o MountOptions) overlay {
	top := make([]string, len(o.Lower))
	for i, dir := range o.Lower {
		top[len(o.Lower)-1-i] = dir
	}
	return overlay{
		lower: top, upper: l.upper(), work: l.work(), label: o.Label, readOnly: o.ReadOnly,
		volatile: o.Volatile && kernelAtLeast(5, 10), uidMap: o.UIDMap, gidMap: o.GIDMap,
	}
}

// Remove deletes the layer and all in it, whatever a container made of it. It is nil if it is gone. ErrConflict: something is
// still mounted inside.
func (l Layer) Remove(ctx context.Context) error { return tree.Remove(ctx, l.Dir) }

// Size is the bytes of the files in the layer.
func (l Layer) Size(ctx context.Context) (int64, error) {
	if _, err := os.Stat(l.copy()); err == nil {
		return tree.Size(ctx, l.copy())
	}
	return tree.Size(ctx, l.upper())
}

// Mounted reports whether something is mounted at path, links not followed; false if there is nothing.
func Mounted(path string) (bool, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT|unix.AT_STATX_DONT_SYNC, 0, &st)
	switch {
	case errors.Is(err, unix.ENOENT):
		return false, nil
	case errors.Is(err, unix.ENOTCONN), errors.Is(err, unix.EIO):
		return true, nil // a FUSE file system whose process died is still mounted
	case err != nil:
		return false, classed(err, "looking at mount point %s", path)
	}
	return st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0, nil
}

// maxStacked bounds the mounts that Unmount takes off one place.
const maxStacked = 64

// Unmount takes off what is mounted at target, all of it, links not followed, and nil if nothing is. What is busy is detached:
// it is gone from target and ends with its last user.
func Unmount(target string) error {
	for range maxStacked {
		err := unix.Unmount(target, unix.UMOUNT_NOFOLLOW)
		if errors.Is(err, unix.EBUSY) {
			err = unix.Unmount(target, unix.UMOUNT_NOFOLLOW|unix.MNT_DETACH)
		}
		switch {
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT):
			return nil
		case err != nil:
			return classed(err, "unmounting %s", target)
		}
	}
	return errdefs.Conflict("%s: more than %d mounts on each other", target, maxStacked)
}

// PrivateDir makes dir a mount point of its own with private propagation, so that what is mounted below it never shows in
// another mount namespace, nor keeps busy there. It is nil if dir is one; Unmount(dir) undoes it.
func PrivateDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return classed(err, "private mount")
	}
	defer f.Close()
	// Two processes at once must not mount twice: the second mount would hide what was mounted below the first.
	if err := flock(f); err != nil {
		return classed(err, "locking %s", dir)
	}
	on, err := Mounted(dir)
	if err != nil {
		return err
	}
	if !on {
		if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
			return classed(err, "bind mount of %s on itself", dir)
		}
	}
	return classed(unix.Mount("", dir, "", unix.MS_PRIVATE, ""), "making %s private", dir)
}

func flock(f *os.File) error {
	for {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// BindOptions describe a directory of the host used as root file system as it is.
type BindOptions struct {
	Source, Target string
	ReadOnly       bool
	UIDMap, GIDMap []IDMap
}

// Bind mounts a directory of the host, with what is mounted below it, at o.Target, with private propagation. It is nil if
// something is mounted there already.
func Bind(ctx context.Context, o BindOptions) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := os.MkdirAll(o.Target, 0o755); err != nil {
		return classed(err, "making mount point")
	}
	if on, err := Mounted(o.Target); err != nil || on {
		return err
	}
	fd, err := cloneTree(o.Source, unix.AT_RECURSIVE, o.UIDMap, o.GIDMap)
	if err != nil {
		return fmt.Errorf("root file system %s: %w", o.Source, err)
	}
	defer unix.Close(fd)
	return moveMount(fd, o.Target, unix.AT_RECURSIVE, o.ReadOnly)
}

// BindFile mounts the directory or the file that f holds open, with what is mounted below it, at target, with private propagation.
// f is open with O_PATH or for reading. The mount point is made; what is there must be of the same kind. Unmount(target) undoes it.
func BindFile(f *os.File, target string) error {
	fi, err := f.Stat()
	if err != nil {
		return classed(err, "looking at %s", f.Name())
	}
	if fi.IsDir() {
		err = os.Mkdir(target, 0o700)
	} else {
		err = os.WriteFile(target, nil, 0o600)
	}
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return classed(err, "making mount point")
	}
	fd, err := cloneTree(FDPath(f), unix.AT_RECURSIVE, nil, nil)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return moveMount(fd, target, unix.AT_RECURSIVE, false)
}
