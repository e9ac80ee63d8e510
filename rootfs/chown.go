package rootfs

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// notOurs are directories of the host whose contents are never given away, with what lies in some of them.
var (
	notOurs = []string{
		"/", "/boot", "/dev", "/home", "/media", "/mnt", "/opt", "/proc", "/root", "/run", "/srv", "/sys", "/tmp", "/var",
		"/var/cache", "/var/lib", "/var/log", "/var/run", "/var/spool", "/var/tmp",
	}
	notBelow = []string{"/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sbin", "/sys", "/usr"}
)

// ChownTree gives what is at path of the host, and all below it, to uid and gid. Links are changed themselves and never
// followed, but for path; other mounts below are left alone. ErrInvalidArgument: a directory of the system, such as / or
// anything in /etc, which no container may be given.
func ChownTree(ctx context.Context, path string, uid, gid int) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return classed(err, "changing owners")
	}
	top := os.NewFile(uintptr(fd), path)
	defer top.Close()
	real, err := os.Readlink(FDPath(top))
	if err != nil {
		return classed(err, "changing owners")
	}
	if slices.Contains(notOurs, real) || slices.ContainsFunc(notBelow, func(d string) bool {
		return real == d || strings.HasPrefix(real, d+"/")
	}) {
		return errdefs.Invalid("%s belongs to the system: its owner is not changed (option U)", real)
	}
	if err := Chown(top, uid, gid); err != nil {
		return err
	}
	c := chowner{ctx: ctx, uid: uid, gid: gid}
	return c.below(fd, ".", path)
}

type chowner struct {
	ctx      context.Context
	uid, gid int
}

// below changes what is in the directory name of parent; what is no directory has nothing below.
func (c chowner) below(parent int, name, path string) error {
	fd, err := unix.Openat2(parent, name, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	})
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.EXDEV) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ELOOP) {
		return nil
	}
	if err != nil {
		return classed(err, "opening %s", path)
	}
	dir := os.NewFile(uintptr(fd), path)
	defer dir.Close()
	for {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		entries, err := dir.ReadDir(512)
		for _, e := range entries {
			if err := c.entry(fd, e, path+"/"+e.Name()); err != nil {
				return err
			}
		}
		if err == io.EOF || len(entries) == 0 {
			return nil
		}
		if err != nil {
			return classed(err, "reading %s", path)
		}
	}
}

func (c chowner) entry(dir int, e os.DirEntry, path string) error {
	var st unix.Statx_t
	const flags = unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT
	err := unix.Statx(dir, e.Name(), flags, unix.STATX_UID|unix.STATX_GID, &st)
	if err == nil && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		return nil
	}
	// Only what has another owner: a change clears set-id bits and copies a file up.
	if err == nil && (int(st.Uid) != c.uid || int(st.Gid) != c.gid) {
		err = unix.Fchownat(dir, e.Name(), c.uid, c.gid, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return classed(err, "changing the owner of %s", path)
	}
	if e.IsDir() {
		return c.below(dir, e.Name(), path)
	}
	return nil
}
