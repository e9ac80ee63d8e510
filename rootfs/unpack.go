package rootfs

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/internal/tree"
)

// UnpackOptions say what an archive may do where it is unpacked.
type UnpackOptions struct {
	// Owner, if not nil, gives everything this owner, of the host. Else the archive's owners are kept, mapped by UIDMap and GIDMap.
	Owner          *[2]int
	UIDMap, GIDMap []IDMap
	// Plain drops what gives rights beyond the owner's: set-id bits, file capabilities, and access to devices for others.
	Plain bool
	// Strict follows no link on the way to an entry. Else links are followed inside the root.
	Strict bool
	// Overwrite replaces a directory by something else and something else by a directory.
	Overwrite bool
	// MaxBytes and MaxEntries bound what the archive may hold, holes included; 0 for no bound.
	MaxBytes, MaxEntries int64
}

// Unpack unpacks a tar archive, not compressed, into the directory name. Every entry is made by a descriptor of the directory that it lies
// in, which the kernel has resolved inside the root; a regular file appears under its name when it is whole. Blocks of zeros become holes.
//
// ErrInvalidArgument: no tar archive, one beyond the bounds, or an entry that leads out; ErrConflict: a directory in the way of something else, or the other
// way round, without Overwrite. What was unpacked before an error stays.
func (r *Root) Unpack(ctx context.Context, name string, archive io.Reader, o UnpackOptions) error {
	top, err := r.Open(dirName(name), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer top.Close()
	u := &unpacker{ctx: ctx, root: r, name: dirName(name), top: top, o: o, tr: tar.NewReader(archive)}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := u.tr.Next()
		if err == io.EOF {
			return u.finish()
		}
		if err != nil {
			return notArchive(err)
		}
		if err := u.count(h); err != nil {
			return err
		}
		if err := u.entry(h); err != nil {
			return err
		}
	}
}

// count refuses an entry by its header alone, before anything of it is read.
func (u *unpacker) count(h *tar.Header) error {
	u.entries++
	switch {
	case u.o.MaxBytes > 0 && h.Size > u.o.MaxBytes-u.bytes:
		return errdefs.Invalid("the archive has more than %d bytes in its files: if that is meant, raise BERTH_MAX_LAYER_BYTES", u.o.MaxBytes)
	case u.o.MaxEntries > 0 && u.entries > u.o.MaxEntries:
		return errdefs.Invalid("the archive has more than %d entries: if that is meant, raise BERTH_MAX_LAYER_ENTRIES", u.o.MaxEntries)
	}
	u.bytes += h.Size
	return nil
}

// notArchive: an error of reading that is nobody else's is the archive's.
func notArchive(err error) error {
	if !errors.Is(errdefs.Class(err), errdefs.ErrInternal) || errors.Is(err, context.Canceled) {
		return err
	}
	return errdefs.Invalid("reading the tar archive: %w", err)
}

type unpacker struct {
	ctx  context.Context
	root *Root
	name string
	top  *os.File
	o    UnpackOptions
	tr   *tar.Reader
	// dirs are the directories whose times are set last, since what is made in one changes them.
	dirs []dirTime
	buf  []byte

	bytes, entries int64 // so far
}

type dirTime struct {
	name string
	time time.Time
}

// entryName is the name of an entry without a slash at its ends; empty for the directory itself.
func entryName(name string) (string, error) {
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", errdefs.Invalid("the archive has an entry that leads out of it: %q", name)
		}
	}
	if strings.IndexByte(name, 0) >= 0 {
		return "", errdefs.Invalid("the archive has an entry with a NUL byte in its name: %q", name)
	}
	return strings.TrimPrefix(path.Clean("/"+name), "/"), nil
}

// parent opens the directory that an entry lies in, making it if it is missing.
func (u *unpacker) parent(name string) (dir *os.File, base string, err error) {
	above, base := path.Split(name)
	if u.o.Strict {
		dir, err = u.beneath(above)
	} else {
		dir, err = u.root.mkdirAll(u.name+"/"+above, 0o755, u.uid(0), u.gid(0), maxLinks)
	}
	return dir, base, err
}

// beneath opens a directory below the top without following any link, making what is missing.
func (u *unpacker) beneath(name string) (*os.File, error) {
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	}
	fd, err := unix.Openat2(int(u.top.Fd()), path.Clean("./"+name), &how)
	if err == nil {
		return os.NewFile(uintptr(fd), name), nil
	}
	if !errors.Is(err, unix.ENOENT) || path.Clean(name) == "." {
		return nil, classed(err, "opening %s, in which no link is followed", path.Join(u.name, name))
	}
	parent, base := path.Split(strings.TrimSuffix(name, "/"))
	dir, err := u.beneath(parent)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	f, err := mkdirIn(dir, base, 0o755, u.uid(0), u.gid(0))
	return f, classed(err, "making directory %s", name)
}

func (u *unpacker) uid(id int) int {
	if u.o.Owner != nil {
		return u.o.Owner[0]
	}
	return hostID(u.o.UIDMap, int64(id))
}

func (u *unpacker) gid(id int) int {
	if u.o.Owner != nil {
		return u.o.Owner[1]
	}
	return hostID(u.o.GIDMap, int64(id))
}

func (u *unpacker) entry(h *tar.Header) error {
	name, err := entryName(h.Name)
	if err != nil || name == "" || h.Typeflag == tar.TypeXGlobalHeader {
		return err
	}
	dir, base, err := u.parent(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	if h.Typeflag == tar.TypeReg || h.Typeflag == tar.TypeGNUSparse {
		return u.regular(dir, base, name, h)
	}
	there, err := u.makeRoom(dir, base, h.Typeflag == tar.TypeDir)
	if err != nil {
		return err
	}
	if err := u.node(dir, base, name, h, there); err != nil || h.Typeflag == tar.TypeLink {
		return err
	}
	f, err := openNode(dir, base)
	if f == nil || err != nil {
		return err // removed meanwhile
	}
	defer f.file.Close()
	if h.Typeflag == tar.TypeDir && f.isDir() {
		u.dirs = append(u.dirs, dirTime{name, h.ModTime})
	}
	return u.attributes(f.file, name, h)
}

// makeRoom removes what is in the way of an entry, and reports whether it is a directory to be kept for a directory.
func (u *unpacker) makeRoom(dir *os.File, base string, isDir bool) (there bool, err error) {
	old, err := openNode(dir, base)
	if old == nil || err != nil {
		return false, err
	}
	old.file.Close()
	switch {
	case old.isDir() && isDir:
		return true, nil
	case old.isDir() != isDir && !u.o.Overwrite:
		if isDir {
			return false, errdefs.Conflict("cannot overwrite non-directory %s with a directory: remove it first, or use --overwrite", base)
		}
		return false, errdefs.Conflict("cannot overwrite directory %s with a non-directory: remove it first, or use --overwrite", base)
	case old.isDir():
		return false, tree.Remove(u.ctx, FDPath(dir)+"/"+base)
	}
	err = unix.Unlinkat(int(dir.Fd()), base, 0)
	if errors.Is(err, unix.ENOENT) {
		err = nil
	}
	return false, classed(err, "replacing %s", base)
}

// node makes anything but a regular file.
func (u *unpacker) node(dir *os.File, base, name string, h *tar.Header, there bool) error {
	fd := int(dir.Fd())
	var err error
	switch h.Typeflag {
	case tar.TypeDir:
		if !there {
			err = unix.Mkdirat(fd, base, 0o700)
		}
	case tar.TypeSymlink:
		err = unix.Symlinkat(h.Linkname, fd, base)
	case tar.TypeLink:
		return u.link(dir, base, h)
	case tar.TypeFifo:
		err = unix.Mknodat(fd, base, unix.S_IFIFO|0o600, 0)
	case tar.TypeChar, tar.TypeBlock:
		kind := uint32(unix.S_IFBLK)
		if h.Typeflag == tar.TypeChar {
			kind = unix.S_IFCHR
		}
		if h.Devmajor == 0 && h.Devminor == 0 {
			return errdefs.Invalid("the archive has a device 0:0, which means a deleted file to overlay: %s", name)
		}
		err = unix.Mknodat(fd, base, kind|0o600, int(unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))))
	default:
		return errdefs.Invalid("the archive has an entry of an unknown type %q: %s", h.Typeflag, name)
	}
	return classed(err, "making %s", name)
}

// link makes a hard link to an entry unpacked before.
func (u *unpacker) link(dir *os.File, base string, h *tar.Header) error {
	target, err := entryName(h.Linkname)
	if err != nil {
		return err
	}
	from, first, err := u.parent(target)
	if err != nil {
		return err
	}
	defer from.Close()
	return classed(unix.Linkat(int(from.Fd()), first, int(dir.Fd()), base, 0), "linking %s to %s", h.Name, h.Linkname)
}

// regular writes a file without a name and gives it its name when it is whole, so that nobody ever sees half of it.
func (u *unpacker) regular(dir *os.File, base, name string, h *tar.Header) error {
	fd, err := unix.Openat(int(dir.Fd()), ".", unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return u.named(dir, base, name, h)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if err := u.fill(f, name, h); err != nil {
		return err
	}
	if _, err := u.makeRoom(dir, base, false); err != nil {
		if errors.Is(err, unix.EBUSY) {
			return u.intoMounted(f, dir, base, name)
		}
		return err
	}
	err = unix.Linkat(fd, "", int(dir.Fd()), base, unix.AT_EMPTY_PATH)
	return classed(err, "making %s", name)
}

// named writes a file under its name where the file system knows none without one.
func (u *unpacker) named(dir *os.File, base, name string, h *tar.Header) error {
	if _, err := u.makeRoom(dir, base, false); err != nil {
		return err
	}
	const flags = unix.O_CREAT | unix.O_EXCL | unix.O_WRONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(int(dir.Fd()), base, flags, 0o600)
	if err != nil {
		return classed(err, "making %s", name)
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if err := u.fill(f, name, h); err != nil {
		_ = unix.Unlinkat(int(dir.Fd()), base, 0)
		return err
	}
	return nil
}

// intoMounted copies a file into one that something is mounted on, such as /etc/hosts, and that can therefore not be replaced.
func (u *unpacker) intoMounted(f, dir *os.File, base, name string) error {
	in, err := os.Open(FDPath(f))
	if err != nil {
		return classed(err, "reading %s", name)
	}
	defer in.Close()
	fd, err := unix.Openat(int(dir.Fd()), base, unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return classed(err, "writing %s", name)
	}
	out := os.NewFile(uintptr(fd), name)
	defer out.Close()
	if fi, err := out.Stat(); err != nil || !fi.Mode().IsRegular() {
		return errdefs.Invalid("%s is mounted in the container, and no regular file", name)
	}
	if err := out.Truncate(0); err != nil {
		return classed(err, "writing %s", name)
	}
	_, err = io.Copy(out, in)
	return classed(err, "writing %s", name)
}

// hole is how many zeros in a row, at a multiple of it, are not written.
const hole = 4096

// fill writes the contents of the current entry, and gives the file its attributes.
func (u *unpacker) fill(f *os.File, name string, h *tar.Header) error {
	if u.buf == nil {
		u.buf = make([]byte, 64*hole)
	}
	var off int64
	for {
		if err := u.ctx.Err(); err != nil {
			return err
		}
		n, err := io.ReadFull(u.tr, u.buf)
		if werr := writeSparse(f, u.buf[:n], off); werr != nil {
			return classed(werr, "writing %s", name)
		}
		off += int64(n)
		if err == io.EOF || err == io.ErrUnexpectedEOF && off == h.Size {
			break
		}
		if err != nil {
			return notArchive(err)
		}
	}
	if err := f.Truncate(off); err != nil {
		return classed(err, "writing %s", name)
	}
	return u.attributes(f, name, h)
}

var zeros [hole]byte

func writeSparse(f *os.File, data []byte, off int64) error {
	for len(data) > 0 {
		n := 0 // length of what is not a hole
		for n < len(data) && !bytes.Equal(data[n:min(n+hole, len(data))], zeros[:min(hole, len(data)-n)]) {
			n = min(n+hole, len(data))
		}
		if _, err := f.WriteAt(data[:n], off); err != nil {
			return err
		}
		skip := min(n+hole, len(data))
		data, off = data[skip:], off+int64(skip)
	}
	return nil
}

// attributes sets owner, mode, extended attributes and time, in the order in which none undoes another.
func (u *unpacker) attributes(f *os.File, name string, h *tar.Header) error {
	fd := int(f.Fd())
	if err := unix.Fchownat(fd, "", u.uid(h.Uid), u.gid(h.Gid), unix.AT_EMPTY_PATH); err != nil {
		return classed(err, "setting the owner of %s", name)
	}
	if h.Typeflag != tar.TypeSymlink {
		if err := unix.Chmod(FDPath(f), u.mode(h)); err != nil {
			return classed(err, "setting the mode of %s", name)
		}
	}
	for record, value := range h.PAXRecords {
		attr, ok := strings.CutPrefix(record, xattrRecord)
		if !ok || !portable(attr) || u.o.Plain && !strings.HasPrefix(attr, "user.") {
			continue
		}
		err := unix.Setxattr(FDPath(f), attr, []byte(value), 0)
		if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
			return classed(err, "setting the extended attribute %s of %s", attr, name)
		}
	}
	return classed(setTime(fd, h.ModTime), "setting the time of %s", name)
}

func (u *unpacker) mode(h *tar.Header) uint32 {
	mode := uint32(h.Mode) & 0o7777
	if !u.o.Plain {
		return mode
	}
	switch h.Typeflag {
	case tar.TypeChar, tar.TypeBlock:
		return mode & 0o600
	case tar.TypeDir:
		return mode &^ (unix.S_ISUID | unix.S_ISGID)
	}
	return mode &^ (unix.S_ISUID | unix.S_ISGID | unix.S_ISVTX)
}

func setTime(fd int, t time.Time) error {
	ts := unix.NsecToTimespec(t.UnixNano())
	return unix.UtimesNanoAt(fd, "", []unix.Timespec{ts, ts}, unix.AT_EMPTY_PATH)
}

// finish sets the times of directories. One that has been renamed meanwhile keeps its own.
func (u *unpacker) finish() error {
	for _, d := range u.dirs {
		dir, base, err := u.parent(d.name)
		if err != nil {
			continue
		}
		n, err := openNode(dir, base)
		if err == nil && n != nil {
			if n.isDir() {
				err = setTime(int(n.file.Fd()), d.time)
			}
			n.file.Close()
		}
		dir.Close()
		if err != nil {
			return classed(err, "setting the time of %s", d.name)
		}
	}
	return nil
}
