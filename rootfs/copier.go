package rootfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/internal/tree"
)

// maxCopyDepth bounds how deep a tree may be that is copied; each level holds two descriptors.
const maxCopyDepth = 1024

// copier copies a tree by descriptors: no link is ever followed, in the source or in the destination. Owners, modes, times,
// extended attributes, hard links within the tree and holes come out the same. Sockets are left out: they are nothing without
// their process.
type copier struct {
	ctx context.Context
	// top is the destination's outermost directory; links are made from names relative to it.
	top *os.File
	// links is where the first copy of an inode with several names went.
	links map[[2]uint64]string
	// whiteouts makes this a merge of an overlay's layer: what it hides is removed first.
	whiteouts bool
	buf       []byte
}

// dir copies src's entries into dst, whose name under top is rel, and then gives dst src's attributes.
func (c *copier) dir(src, dst *os.File, rel string, depth int) error {
	if depth > maxCopyDepth {
		return errdefs.Invalid("copying %s: more than %d directories deep", rel, maxCopyDepth)
	}
	if c.whiteouts && opaque(src) {
		if err := emptyDir(c.ctx, dst); err != nil {
			return err
		}
	}
	for {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		entries, err := src.ReadDir(512)
		for _, e := range entries {
			if err := c.entry(src, dst, e.Name(), path.Join(rel, e.Name()), depth); err != nil {
				return err
			}
		}
		if err == io.EOF || len(entries) == 0 {
			break
		}
		if err != nil {
			return classed(err, "reading %s", rel)
		}
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(src.Fd()), &st); err != nil {
		return classed(err, "reading %s", rel)
	}
	return c.attributes(src, dst, rel, &st)
}

func (c *copier) entry(src, dst *os.File, name, rel string, depth int) error {
	fd, err := unix.Openat(int(src.Fd()), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil // gone meanwhile
	}
	if err != nil {
		return classed(err, "opening %s", rel)
	}
	in := os.NewFile(uintptr(fd), rel)
	defer in.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return classed(err, "reading the attributes of %s", rel)
	}
	if c.whiteouts {
		done, err := c.replace(dst, name, &st)
		if done || err != nil {
			return err
		}
	}
	if done, err := c.link(dst, name, rel, &st); done || err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return c.subdir(in, dst, name, rel, depth)
	case unix.S_IFREG:
		return c.regular(in, dst, name, rel, &st)
	case unix.S_IFLNK:
		return c.symlink(in, dst, name, rel, &st)
	case unix.S_IFSOCK:
		return nil
	}
	if err := unix.Mknodat(int(dst.Fd()), name, st.Mode&unix.S_IFMT|0o600, int(st.Rdev)); err != nil {
		return classed(err, "making node %s", rel)
	}
	return c.finish(in, dst, name, rel, &st)
}

// link makes name a hard link if the inode has been copied before.
func (c *copier) link(dst *os.File, name, rel string, st *unix.Stat_t) (bool, error) {
	if st.Nlink < 2 || st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return false, nil
	}
	key := [2]uint64{st.Dev, st.Ino}
	first, ok := c.links[key]
	if !ok {
		if c.links == nil {
			c.links = map[[2]uint64]string{}
		}
		c.links[key] = rel
		return false, nil
	}
	err := unix.Linkat(int(c.top.Fd()), first, int(dst.Fd()), name, 0)
	return true, classed(err, "linking %s to %s", rel, first)
}

func (c *copier) subdir(in, dst *os.File, name, rel string, depth int) error {
	err := unix.Mkdirat(int(dst.Fd()), name, 0o700)
	if err != nil && !(c.whiteouts && errors.Is(err, unix.EEXIST)) {
		return classed(err, "making directory %s", rel)
	}
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	infd, err := unix.Openat(int(in.Fd()), ".", flags, 0)
	if err != nil {
		return classed(err, "opening %s", rel)
	}
	from := os.NewFile(uintptr(infd), rel)
	defer from.Close()
	outfd, err := unix.Openat(int(dst.Fd()), name, flags, 0)
	if err != nil {
		return classed(err, "opening the copy of %s", rel)
	}
	to := os.NewFile(uintptr(outfd), rel)
	defer to.Close()
	return c.dir(from, to, rel, depth+1)
}

func (c *copier) symlink(in, dst *os.File, name, rel string, st *unix.Stat_t) error {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(in.Fd()), "", buf)
	if err != nil {
		return classed(err, "reading link %s", rel)
	}
	if err := unix.Symlinkat(string(buf[:n]), int(dst.Fd()), name); err != nil {
		return classed(err, "making link %s", rel)
	}
	return c.finish(in, dst, name, rel, st)
}

func (c *copier) regular(in, dst *os.File, name, rel string, st *unix.Stat_t) error {
	// Through the descriptor, so that it is the file that was looked at.
	from, err := os.OpenFile(FDPath(in), os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return classed(err, "opening %s", rel)
	}
	defer from.Close()
	const flags = unix.O_CREAT | unix.O_EXCL | unix.O_WRONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(int(dst.Fd()), name, flags, 0o600)
	if err != nil {
		return classed(err, "making %s", rel)
	}
	to := os.NewFile(uintptr(fd), rel)
	defer to.Close()
	if err := c.contents(from, to, st.Size); err != nil {
		return classed(err, "copying %s", rel)
	}
	return c.attributes(in, to, rel, st)
}

// contents shares the blocks if the file system can, else copies what is not a hole.
func (c *copier) contents(from, to *os.File, size int64) error {
	if size == 0 {
		return nil
	}
	if unix.IoctlFileClone(int(to.Fd()), int(from.Fd())) == nil {
		return nil
	}
	if err := to.Truncate(size); err != nil {
		return err
	}
	for off := int64(0); off < size; {
		data, err := unix.Seek(int(from.Fd()), off, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil // a hole to the end
		}
		if err != nil {
			data = off // no map of holes: all is data
		}
		hole, err := unix.Seek(int(from.Fd()), data, unix.SEEK_HOLE)
		if err != nil || hole > size {
			hole = size
		}
		if err := c.extent(from, to, data, hole); err != nil {
			return err
		}
		off = max(hole, data+1)
	}
	return nil
}

func (c *copier) extent(from, to *os.File, off, end int64) error {
	for off < end {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		in, out := off, off
		n, err := unix.CopyFileRange(int(from.Fd()), &in, int(to.Fd()), &out, int(min(end-off, 1<<26)), 0)
		if err != nil || n == 0 {
			return c.readWrite(from, to, off, end)
		}
		off += int64(n)
	}
	return nil
}

func (c *copier) readWrite(from, to *os.File, off, end int64) error {
	if c.buf == nil {
		c.buf = make([]byte, 256<<10)
	}
	for off < end {
		n, err := from.ReadAt(c.buf[:min(end-off, int64(len(c.buf)))], off)
		if n == 0 {
			if err == io.EOF {
				return nil // it was shortened meanwhile
			}
			return err
		}
		if _, err := to.WriteAt(c.buf[:n], off); err != nil {
			return err
		}
		off += int64(n)
	}
	return c.ctx.Err()
}

// finish opens what was just made at name and gives it the source's attributes.
func (c *copier) finish(in, dst *os.File, name, rel string, st *unix.Stat_t) error {
	fd, err := unix.Openat(int(dst.Fd()), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return classed(err, "opening the copy of %s", rel)
	}
	to := os.NewFile(uintptr(fd), rel)
	defer to.Close()
	return c.attributes(in, to, rel, st)
}

// attributes gives to the owner, mode, extended attributes and times of in, in the order in which none undoes another.
func (c *copier) attributes(in, to *os.File, rel string, st *unix.Stat_t) error {
	fd := int(to.Fd())
	if err := unix.Fchownat(fd, "", int(st.Uid), int(st.Gid), unix.AT_EMPTY_PATH); err != nil {
		return classed(err, "setting the owner of %s", rel)
	}
	isLink := st.Mode&unix.S_IFMT == unix.S_IFLNK
	if !isLink {
		if err := unix.Chmod(FDPath(to), st.Mode&0o7777); err != nil {
			return classed(err, "setting the mode of %s", rel)
		}
	}
	if err := copyXattrs(in, to); err != nil {
		return classed(err, "copying the extended attributes of %s", rel)
	}
	// AT_EMPTY_PATH needs 5.8 here, and is the only way for a link.
	err := unix.UtimesNanoAt(fd, "", []unix.Timespec{st.Atim, st.Mtim}, unix.AT_EMPTY_PATH)
	return classed(err, "setting the times of %s", rel)
}

// copyXattrs copies what can be set where the copy lies; the overlay's own attributes are not part of a file.
func copyXattrs(in, to *os.File) error {
	names, err := xattrNames(FDPath(in))
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, "trusted.overlay.") || strings.HasPrefix(name, "user.overlay.") ||
			name == "security.selinux" {
			continue
		}
		value, err := xattr(FDPath(in), name)
		if errors.Is(err, unix.ENODATA) {
			continue
		}
		if err == nil {
			err = unix.Setxattr(FDPath(to), name, value, 0)
		}
		if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// xattrNames lists through /proc, since a descriptor with O_PATH cannot be asked; the link there leads to the very inode,
// also of a symbolic link.
func xattrNames(path string) ([]string, error) {
	buf := make([]byte, 1024)
	for {
		n, err := unix.Listxattr(path, buf)
		if errors.Is(err, unix.ERANGE) && len(buf) < 1<<20 {
			buf = make([]byte, 4*len(buf))
			continue
		}
		if errors.Is(err, unix.EOPNOTSUPP) {
			return nil, nil
		}
		if err != nil || n == 0 {
			return nil, err
		}
		return strings.Split(string(bytes.TrimSuffix(buf[:n], []byte{0})), "\x00"), nil
	}
}

func xattr(path, name string) ([]byte, error) {
	buf := make([]byte, 1024)
	for {
		n, err := unix.Getxattr(path, name, buf)
		if errors.Is(err, unix.ERANGE) && len(buf) < 1<<20 {
			buf = make([]byte, 4*len(buf))
			continue
		}
		if err != nil {
			return nil, err
		}
		return buf[:n], nil
	}
}

// opaque: the directory hides what lies below it (Documentation/filesystems/overlayfs.rst, whiteouts and opaque directories).
func opaque(dir *os.File) bool {
	v, err := xattr(FDPath(dir), "trusted.overlay.opaque")
	return err == nil && string(v) == "y"
}

// replace makes room for an entry of a higher layer, and reports whether the entry was but a whiteout.
func (c *copier) replace(dst *os.File, name string, st *unix.Stat_t) (bool, error) {
	isWhiteout := st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0
	if !isWhiteout && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		var old unix.Stat_t
		err := unix.Fstatat(int(dst.Fd()), name, &old, unix.AT_SYMLINK_NOFOLLOW)
		if errors.Is(err, unix.ENOENT) || err == nil && old.Mode&unix.S_IFMT == unix.S_IFDIR {
			return false, nil
		}
	}
	return isWhiteout, tree.Remove(c.ctx, FDPath(dst)+"/"+name)
}

// emptyDir empties a directory.
func emptyDir(ctx context.Context, dir *os.File) error {
	names, err := os.ReadDir(FDPath(dir))
	if err != nil {
		return classed(err, "emptying a directory")
	}
	for _, e := range names {
		if err := tree.Remove(ctx, FDPath(dir)+"/"+e.Name()); err != nil {
			return err
		}
	}
	return nil
}
