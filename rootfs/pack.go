package rootfs

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// xattrRecord is what the PAX records of extended attributes begin with, as GNU tar and Docker have it.
const xattrRecord = "SCHILY.xattr."

// packer writes files as entries of a tar archive (pax format of POSIX.1-2001), each from a descriptor. Sockets are left out, which no
// archive can hold. A file that is shortened meanwhile is filled up with zeros, one that grows is cut off.
type packer struct {
	ctx context.Context
	tw  *tar.Writer
	// uidMap and gidMap turn the owners of the host into the container's.
	uidMap, gidMap []IDMap
	// seconds cuts times to seconds, as layers and exports have them.
	seconds bool
	// links is where the first entry of an inode with several names is.
	links map[[2]uint64]string
	buf   []byte
}

// containerID is the ID in the container of one on the host; what is not in the maps is nobody.
func containerID(maps []IDMap, id int64) int {
	if len(maps) == 0 {
		return int(id)
	}
	for _, m := range maps {
		if id >= m.HostID && id < m.HostID+m.Size {
			return int(m.ContainerID + id - m.HostID)
		}
	}
	return 65534
}

// entry writes what n is under a name.
func (p *packer) entry(name string, n *node) error {
	h := &tar.Header{
		Name: name, Mode: int64(n.st.Mode & 0o7777), Format: tar.FormatPAX,
		Uid: containerID(p.uidMap, int64(n.st.Uid)), Gid: containerID(p.gidMap, int64(n.st.Gid)),
		ModTime: time.Unix(n.st.Mtim.Sec, n.st.Mtim.Nsec),
	}
	if p.seconds {
		h.ModTime = h.ModTime.Truncate(time.Second)
	}
	if n.st.Nlink > 1 && !n.isDir() {
		key := [2]uint64{n.st.Dev, n.st.Ino}
		if first, ok := p.links[key]; ok {
			h.Typeflag, h.Linkname = tar.TypeLink, first
			return p.header(h)
		}
		if p.links == nil {
			p.links = map[[2]uint64]string{}
		}
		p.links[key] = name
	}
	if err := packXattrs(h, n); err != nil {
		return classed(err, "reading the extended attributes of %s", name)
	}
	switch n.st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return p.regular(h, n)
	case unix.S_IFDIR:
		h.Typeflag, h.Name = tar.TypeDir, strings.TrimSuffix(name, "/")+"/"
	case unix.S_IFLNK:
		buf := make([]byte, unix.PathMax)
		l, err := unix.Readlinkat(int(n.file.Fd()), "", buf)
		if err != nil {
			return classed(err, "reading link %s", name)
		}
		h.Typeflag, h.Linkname = tar.TypeSymlink, string(buf[:l])
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	case unix.S_IFCHR, unix.S_IFBLK:
		h.Typeflag = tar.TypeBlock
		if n.st.Mode&unix.S_IFMT == unix.S_IFCHR {
			h.Typeflag = tar.TypeChar
		}
		h.Devmajor, h.Devminor = int64(unix.Major(n.st.Rdev)), int64(unix.Minor(n.st.Rdev))
	default:
		return nil
	}
	return p.header(h)
}

func (p *packer) header(h *tar.Header) error {
	if err := p.tw.WriteHeader(h); err != nil {
		return archiveError(err, "writing "+h.Name+" to the archive")
	}
	return nil
}

// regular opens through the descriptor, so that it is the file that was looked at.
func (p *packer) regular(h *tar.Header, n *node) error {
	f, err := os.OpenFile(FDPath(n.file), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return classed(err, "opening %s", h.Name)
	}
	defer f.Close()
	h.Typeflag, h.Size = tar.TypeReg, n.st.Size
	if err := p.header(h); err != nil {
		return err
	}
	if p.buf == nil {
		p.buf = make([]byte, 256<<10)
	}
	for left := h.Size; left > 0; {
		if err := p.ctx.Err(); err != nil {
			return err
		}
		chunk := p.buf[:min(left, int64(len(p.buf)))]
		got, err := io.ReadFull(f, chunk)
		if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return classed(err, "reading %s", h.Name)
		}
		clear(chunk[got:])
		if _, err := p.tw.Write(chunk); err != nil {
			return archiveError(err, "writing "+h.Name+" to the archive")
		}
		left -= int64(len(chunk))
	}
	return nil
}

// archiveError gives what a stream's other side said its class.
func archiveError(err error, doing string) error {
	if !errors.Is(errdefs.Class(err), errdefs.ErrInternal) {
		return err
	}
	return classed(err, "%s", doing)
}

// packXattrs puts the extended attributes into the header that mean the same elsewhere.
func packXattrs(h *tar.Header, n *node) error {
	names, err := xattrNames(FDPath(n.file))
	if err != nil {
		return err
	}
	for _, name := range names {
		if !portable(name) {
			continue
		}
		value, err := xattr(FDPath(n.file), name)
		if errors.Is(err, unix.ENODATA) {
			continue
		}
		if err != nil {
			return err
		}
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[xattrRecord+name] = string(value)
	}
	return nil
}

// portable: overlay's own attributes are not part of a file, and labels are of one machine.
func portable(xattr string) bool {
	return xattr == "security.capability" || strings.HasPrefix(xattr, "system.posix_acl_") ||
		strings.HasPrefix(xattr, "user.") && !strings.HasPrefix(xattr, "user.overlay.")
}

// PackOptions say how files become a tar archive.
type PackOptions struct {
	// UIDMap and GIDMap are the container's, whose IDs the archive has; none for the host's.
	UIDMap, GIDMap []IDMap
	// Into is the directory that the archive is being unpacked to meanwhile, if it is one that might be packed too.
	Into *os.File
}

// Pack writes what f holds open, perhaps with O_PATH, and all below it, as a tar archive to w. name is its name in the archive; "." for
// a directory's contents alone. No link is followed, and of the kernel's file systems (proc, sysfs, cgroup) only the mount points
// are written.
//
// ErrInvalidArgument: a socket, a tree more than 1024 directories deep, or a directory that is packed into itself.
func Pack(ctx context.Context, w io.Writer, f *os.File, name string, o PackOptions) error {
	n := &node{file: f}
	if err := unix.Fstat(int(f.Fd()), &n.st); err != nil {
		return classed(err, "reading the attributes of %s", f.Name())
	}
	if n.st.Mode&unix.S_IFMT == unix.S_IFSOCK {
		return errdefs.Invalid("%s is a socket, which cannot be copied", f.Name())
	}
	p := treePacker{packer: packer{ctx: ctx, tw: tar.NewWriter(w), uidMap: o.UIDMap, gidMap: o.GIDMap}}
	if o.Into != nil {
		if err := unix.Fstat(int(o.Into.Fd()), &p.into); err != nil {
			return classed(err, "reading the attributes of %s", o.Into.Name())
		}
	}
	if err := p.tree(name, n, n.st.Dev, 0); err != nil {
		return err
	}
	return archiveError(p.tw.Close(), "ending the archive")
}

// treePacker packs a tree with what is mounted in it.
type treePacker struct {
	packer
	into unix.Stat_t
}

func (p *treePacker) tree(name string, n *node, dev uint64, depth int) error {
	if depth > maxCopyDepth {
		return errdefs.Invalid("%s: more than %d directories deep", name, maxCopyDepth)
	}
	if n.isDir() && n.st.Dev == p.into.Dev && n.st.Ino == p.into.Ino {
		return errdefs.Invalid("cannot copy a directory into itself: %s is the destination, or has it inside", name)
	}
	if err := p.entry(name, n); err != nil || !n.isDir() {
		return err
	}
	fd, err := unix.Openat(int(n.file.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return classed(err, "opening %s", name)
	}
	dir := os.NewFile(uintptr(fd), name)
	defer dir.Close()
	if depth > 0 && n.st.Dev != dev && kernelFiles(fd) {
		return nil
	}
	names, err := namesIn(dir)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, base := range names {
		if err := p.ctx.Err(); err != nil {
			return err
		}
		if err := p.child(dir, base, path.Join(name, base), n.st.Dev, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (p *treePacker) child(dir *os.File, base, name string, dev uint64, depth int) error {
	n, err := openNode(dir, base)
	if n == nil || err != nil {
		return err // gone meanwhile
	}
	defer n.file.Close()
	return p.tree(name, n, dev, depth)
}

// kernelFiles reports whether a directory is of a file system whose files are made up by the kernel.
func kernelFiles(fd int) bool {
	var st unix.Statfs_t
	if unix.Fstatfs(fd, &st) != nil {
		return false
	}
	switch int64(st.Type) {
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.DEVPTS_SUPER_MAGIC:
		return true
	}
	return false
}
