package rootfs

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// Root is a container's root directory held open. Names given to its methods are names in the container: absolute or not,
// they and every link on their way are resolved inside the root by the kernel (openat2(2), RESOLVE_IN_ROOT), also while the
// container's own processes rename and relink what they can.
//
// Its methods may be called concurrently. Errors are classed: ErrNotFound, ErrAlreadyExists, ErrPermissionDenied,
// ErrInvalidArgument for a name that is not of the kind asked for.
type Root struct {
	dir  *os.File
	path string
}

// OpenRoot opens the directory at path of the host, whose own links are followed, as a root.
func OpenRoot(path string) (*Root, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, classed(err, "opening root file system %s", path)
	}
	return &Root{dir: os.NewFile(uintptr(fd), path), path: path}, nil
}

// Close releases the descriptor. Files opened through the root stay open.
func (r *Root) Close() error { return r.dir.Close() }

// Path is the path that the root was opened by, for messages.
func (r *Root) Path() string { return r.path }

// FDPath is a path of the calling process that leads to exactly the file that f holds open, for mount(2) and others that
// take no descriptor. It is valid while f is open.
func FDPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// maxTries bounds the repetitions after a resolution that was disturbed by a rename elsewhere (EAGAIN).
const maxTries = 1 << 10

// Open opens a name with flags of open(2); close-on-exec is added. With O_CREAT the file gets mode 0644.
func (r *Root) Open(name string, flags int) (*os.File, error) { return r.open(name, flags, 0o644) }

func (r *Root) open(name string, flags int, mode uint32) (*os.File, error) {
	if strings.IndexByte(name, 0) >= 0 {
		return nil, errdefs.Invalid("name %q in the container has a NUL byte", name)
	}
	how := unix.OpenHow{
		Flags:   uint64(flags) | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	if flags&unix.O_CREAT != 0 {
		how.Mode = uint64(mode)
	}
	var fd int
	var err error
	for range maxTries {
		fd, err = unix.Openat2(int(r.dir.Fd()), name, &how)
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, classed(err, "opening %s in the container", name)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// Stat describes what name leads to, its last link followed.
func (r *Root) Stat(name string) (unix.Stat_t, error) { return r.stat(name, unix.O_PATH) }

// Lstat describes what is at name, its last link not followed.
func (r *Root) Lstat(name string) (unix.Stat_t, error) {
	return r.stat(name, unix.O_PATH|unix.O_NOFOLLOW)
}

func (r *Root) stat(name string, flags int) (unix.Stat_t, error) {
	var st unix.Stat_t
	f, err := r.Open(name, flags)
	if err != nil {
		return st, err
	}
	defer f.Close()
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return st, classed(err, "reading the attributes of %s in the container", name)
	}
	return st, nil
}

// ReadFile reads a regular file of at most limit bytes. Anything else, such as a FIFO, and a longer file are
// ErrInvalidArgument; nothing blocks.
func (r *Root) ReadFile(name string, limit int64) ([]byte, error) {
	f, err := r.openRegular(name, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, classed(err, "reading %s in the container", name)
	}
	if int64(len(data)) > limit {
		return nil, errdefs.Invalid("%s in the container is longer than %d bytes", name, limit)
	}
	return data, nil
}

// openRegular opens a file without blocking and makes sure that it is one. The check comes after a look at an O_PATH
// descriptor, since opening a device may have an effect; the second check is of what was really opened.
func (r *Root) openRegular(name string, flags int) (*os.File, error) {
	st, err := r.Stat(name)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, errdefs.Invalid("%s in the container is not a regular file", name)
	}
	if err != nil && flags&unix.O_CREAT == 0 {
		return nil, err
	}
	f, err := r.Open(name, flags|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return nil, err
	}
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		f.Close()
		return nil, errdefs.Invalid("%s in the container is not a regular file", name)
	}
	return f, nil
}

// WriteFile makes the regular file name hold data, creating it if it is missing, in a directory that exists. Mode and owner
// are set in both cases.
func (r *Root) WriteFile(name string, data []byte, mode os.FileMode, uid, gid int) error {
	f, err := r.openRegular(name, unix.O_WRONLY|unix.O_CREAT)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := setOwner(f, uid, gid, mode); err != nil {
		return classed(err, "setting the owner of %s in the container", name)
	}
	if err := f.Truncate(0); err != nil {
		return classed(err, "truncating %s in the container", name)
	}
	if _, err := f.Write(data); err != nil {
		return classed(err, "writing %s in the container", name)
	}
	return nil
}

// Chown gives what name leads to to uid and gid.
func (r *Root) Chown(name string, uid, gid int) error {
	f, err := r.Open(name, unix.O_PATH)
	if err != nil {
		return err
	}
	defer f.Close()
	return Chown(f, uid, gid)
}

// Chown gives the file that f holds, which may be open with O_PATH, to uid and gid.
func Chown(f *os.File, uid, gid int) error {
	if err := unix.Fchownat(int(f.Fd()), "", uid, gid, unix.AT_EMPTY_PATH); err != nil {
		return classed(err, "changing the owner of %s", f.Name())
	}
	return nil
}

// setOwner sets owner, then mode, since a change of owner clears set-id bits. f may be open with O_PATH, so the mode is set
// by way of /proc.
func setOwner(f *os.File, uid, gid int, mode os.FileMode) error {
	if err := unix.Fchownat(int(f.Fd()), "", uid, gid, unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	return unix.Chmod(FDPath(f), unixMode(mode))
}

// unixMode turns the permission and set-id bits of Go's into the kernel's.
func unixMode(m os.FileMode) uint32 {
	bits := uint32(m.Perm())
	for flag, bit := range map[os.FileMode]uint32{
		os.ModeSetuid: unix.S_ISUID, os.ModeSetgid: unix.S_ISGID, os.ModeSticky: unix.S_ISVTX,
	} {
		if m&flag != 0 {
			bits |= bit
		}
	}
	return bits
}

// maxLinks is how many dangling links are followed while creating, as the kernel's own bound on links.
const maxLinks = 40

// MkdirAll makes a directory and those above it that are missing, each with mode, uid and gid; existing ones are left as
// they are. A link whose target is missing is followed, and the target made: /var/run → /run in an image without /run.
func (r *Root) MkdirAll(name string, mode os.FileMode, uid, gid int) error {
	f, err := r.mkdirAll(name, mode, uid, gid, maxLinks)
	if err != nil {
		return err
	}
	return f.Close()
}

// mkdirAll returns the directory, open with O_PATH.
func (r *Root) mkdirAll(name string, mode os.FileMode, uid, gid, links int) (*os.File, error) {
	f, err := r.Open(dirName(name), unix.O_PATH|unix.O_DIRECTORY)
	if err == nil || !errors.Is(err, errdefs.ErrNotFound) {
		return f, err
	}
	parent, base := splitName(name)
	if base == "" || base == "." || base == ".." {
		return nil, err
	}
	dir, err := r.mkdirAll(parent, mode, uid, gid, links)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	f, err = mkdirIn(dir, base, mode, uid, gid)
	if !errors.Is(err, unix.EEXIST) {
		return f, classed(err, "making directory %s in the container", name)
	}
	// Somebody else made it, or it is a link that leads nowhere yet.
	f, err = r.Open(name, unix.O_PATH|unix.O_DIRECTORY)
	if err == nil || !errors.Is(err, errdefs.ErrNotFound) {
		return f, err
	}
	target, err := linkTarget(dir, parent, base, links)
	if err != nil {
		return nil, err
	}
	return r.mkdirAll(target, mode, uid, gid, links-1)
}

// mkdirIn makes one directory in dir and opens it. EEXIST comes bare.
func mkdirIn(dir *os.File, base string, mode os.FileMode, uid, gid int) (*os.File, error) {
	if err := unix.Mkdirat(int(dir.Fd()), base, 0o700); err != nil {
		return nil, err
	}
	fd, err := unix.Openat(int(dir.Fd()), base, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), base)
	if err := setOwner(f, uid, gid, mode); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// linkTarget is where the link base in dir, whose name in the container is parent, leads: a name in the container that is
// resolved there anew.
func linkTarget(dir *os.File, parent, base string, links int) (string, error) {
	name := path.Join(parent, base)
	if links == 0 {
		return "", errdefs.Invalid("%s in the container: too many links", name)
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(dir.Fd()), base, buf)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return dirName(parent) + "/" + base, nil // no link any more: look again
	}
	if err != nil {
		return "", classed(err, "reading link %s in the container", name)
	}
	target := string(buf[:n])
	if strings.HasPrefix(target, "/") {
		return target, nil
	}
	return dirName(parent) + "/" + target, nil
}

// MountPoint returns what a mount at name goes onto, open with O_PATH, and makes it if it is missing: a directory, or an
// empty file, of root with mode 0755 or 0644, and directories above it. What is there but of the other kind is
// ErrInvalidArgument. No node of a device is ever made or opened.
func (r *Root) MountPoint(name string, dir bool) (*os.File, error) {
	if dir {
		f, err := r.mkdirAll(name, 0o755, 0, 0, maxLinks)
		if err != nil {
			return nil, fmt.Errorf("mount point: %w", err)
		}
		return f, nil
	}
	f, err := r.touch(name)
	if err != nil {
		return nil, fmt.Errorf("mount point: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Mode&unix.S_IFMT == unix.S_IFDIR {
		f.Close()
		return nil, errdefs.Invalid("mount point %s in the container is a directory, and what is mounted there is not", name)
	}
	return f, nil
}

// touch opens what is at name with O_PATH, after making it an empty file if it was missing.
func (r *Root) touch(name string) (*os.File, error) {
	for links := maxLinks; ; links-- {
		f, err := r.Open(name, unix.O_PATH)
		if err == nil || !errors.Is(err, errdefs.ErrNotFound) {
			return f, err
		}
		parent, base := splitName(name)
		if base == "" || base == "." || base == ".." {
			return nil, err
		}
		dir, err := r.mkdirAll(parent, 0o755, 0, 0, links)
		if err != nil {
			return nil, err
		}
		const flags = unix.O_CREAT | unix.O_EXCL | unix.O_WRONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC
		fd, err := unix.Openat(int(dir.Fd()), base, flags, 0o644)
		if err == nil {
			dir.Close()
			f := os.NewFile(uintptr(fd), name)
			if err := setOwner(f, 0, 0, 0o644); err != nil {
				f.Close()
				return nil, classed(err, "making %s in the container", name)
			}
			return f, nil
		}
		if !errors.Is(err, unix.EEXIST) {
			dir.Close()
			return nil, classed(err, "making %s in the container", name)
		}
		name, err = linkTarget(dir, parent, base, links)
		dir.Close()
		if err != nil {
			return nil, err
		}
	}
}

// splitName cuts the last element off a name without making the rest lexically clean, since ".." after a link is for the
// kernel to resolve.
func splitName(name string) (parent, base string) {
	name = strings.TrimRight(name, "/")
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return ".", name
	}
	return name[:i+1], name[i+1:]
}

func dirName(name string) string {
	if name == "" {
		return "."
	}
	return name
}

// classed gives a system call's error its class and words; nil stays nil.
func classed(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf(format+": %w", append(args, err)...)
	switch {
	case errors.Is(err, unix.ENOENT):
		return errdefs.With(errdefs.ErrNotFound, err)
	case errors.Is(err, unix.EEXIST):
		return errdefs.With(errdefs.ErrAlreadyExists, err)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM), errors.Is(err, unix.EROFS):
		return errdefs.With(errdefs.ErrPermissionDenied, err)
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.EISDIR), errors.Is(err, unix.ELOOP),
		errors.Is(err, unix.ENAMETOOLONG), errors.Is(err, unix.EXDEV), errors.Is(err, unix.ENXIO):
		return errdefs.With(errdefs.ErrInvalidArgument, err)
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT), errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE),
		errors.Is(err, unix.EAGAIN):
		return errdefs.With(errdefs.ErrUnavailable, err)
	case errors.Is(err, unix.ENOSYS):
		return errdefs.With(errdefs.ErrNotImplemented, err)
	}
	return errdefs.With(errdefs.ErrInternal, err)
}
