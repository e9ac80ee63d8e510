package rootfs

import (
	"context"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// notToBeGiven are directories of the host that no container's user may own, whatever a mount option says.
var notToBeGiven = map[string]bool{
	"/": true, "/bin": true, "/boot": true, "/dev": true, "/etc": true, "/home": true, "/lib": true, "/lib64": true, "/opt": true,
	"/proc": true, "/root": true, "/run": true, "/sbin": true, "/srv": true, "/sys": true, "/tmp": true, "/usr": true, "/var": true,
	"/var/lib": true, "/var/log": true, "/var/run": true, "/var/tmp": true,
}

// ChownTree gives a directory of the host and all below it to uid and gid, as the mount option U asks. It goes by descriptors and
// follows no link, so that nothing outside is changed, and stays on the file system of the directory.
//
// ErrInvalidArgument for a directory of the system, such as / or /etc.
func ChownTree(ctx context.Context, path string, uid, gid int) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return classed(err, "changing the owner of %s", path)
	}
	if notToBeGiven[real] {
		return errdefs.Invalid("the owner of %s is not changed for a container: mount another directory, or leave the option U out", real)
	}
	f, err := os.OpenFile(real, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return classed(err, "changing the owner of %s", path)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return classed(err, "changing the owner of %s", path)
	}
	return chownTree(ctx, f, st.Dev, uid, gid)
}

func chownTree(ctx context.Context, f *os.File, dev uint64, uid, gid int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := unix.Fchown(int(f.Fd()), uid, gid); err != nil {
		return classed(err, "changing the owner of %s", f.Name())
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return classed(err, "changing the owner of %s", f.Name())
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return nil
	}
	names, err := f.Readdirnames(-1)
	if err != nil {
		return classed(err, "changing the owner of %s", f.Name())
	}
	for _, name := range names {
		if err := chownEntry(ctx, f, name, dev, uid, gid); err != nil {
			return err
		}
	}
	return nil
}

func chownEntry(ctx context.Context, dir *os.File, name string, dev uint64, uid, gid int) error {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	switch err {
	case nil:
	case unix.ENOENT:
		return nil
	case unix.ENOTDIR, unix.ELOOP:
		return classed(unix.Fchownat(int(dir.Fd()), name, uid, gid, unix.AT_SYMLINK_NOFOLLOW), "changing the owner of %s/%s", dir.Name(), name)
	default:
		return classed(err, "changing the owner of %s/%s", dir.Name(), name)
	}
	f := os.NewFile(uintptr(fd), filepath.Join(dir.Name(), name))
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Dev != dev {
		return classed(err, "changing the owner of %s", f.Name())
	}
	return chownTree(ctx, f, dev, uid, gid)
}
