package engine

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/image"
	"github.com/berth-engine/berth/rootfs"
)

// Place is one end of a copy: a path in a container or on the host, or a stream that holds a tar archive.
type Place struct {
	// Container is a reference; empty for the host.
	Container string
	// Path is a path in the container, taken from its root, or an absolute one on the host. What ends in "/." is a directory's contents.
	Path string
	// Reader is the source instead: a tar archive, perhaps compressed by gzip, for the directory that the destination is.
	Reader io.Reader
	// Writer is the destination instead, and gets a tar archive.
	Writer io.Writer
}

// CopyOptions say how files are copied.
type CopyOptions struct {
	// Archive keeps owners. Else what comes into a container is its root's, and what comes to the host the caller's, and there without
	// set-id bits and file capabilities.
	Archive bool
	// FollowLink copies what the source leads to if it is a link.
	FollowLink bool
	// Overwrite replaces a directory by something else, and something else by a directory.
	Overwrite bool
}

// Copy copies files between a container and the host, another container or a stream, by the rules of docker cp. A container that runs, or
// is paused, is seen as its first process sees it, with volumes and tmpfs; one that does not run with its volumes and bind mounts, and
// nothing can start it meanwhile. Every name in a container is resolved inside it by the kernel, and on the host no link is followed below
// the destination.
//
// ErrNotFound: no such container, source or directory for the destination; ErrConflict: a directory in the way of something else, or the
// other way round; ErrInvalidArgument: a directory onto a file, or into itself, or a stream that is no archive. What was copied before
// an error stays; a file is there wholly or not at all.
func (s *Containers) Copy(ctx context.Context, from, to Place, o CopyOptions) error {
	c := &copying{e: s.e, o: o}
	defer c.close()
	if err := c.open(ctx, from, to); err != nil {
		return err
	}
	switch {
	case from.Reader != nil:
		return c.unpackStream(ctx, from.Reader, to)
	case to.Writer != nil:
		return c.packStream(ctx, from, to.Writer)
	}
	return c.between(ctx, from, to)
}

// copying is a copy under way.
type copying struct {
	e        *Engine
	o        CopyOptions
	from, to *view // nil for a stream
	views    []*view
}

func (c *copying) close() {
	for _, v := range c.views {
		v.close()
	}
}

// open opens both ends, those in containers by ID, which is the order of locks.
func (c *copying) open(ctx context.Context, from, to Place) error {
	ends := []struct {
		place Place
		view  **view
	}{{from, &c.from}, {to, &c.to}}
	var ids [2]string
	for i, end := range ends {
		if end.place.Container == "" {
			continue
		}
		found, err := c.e.lookup(ctx, end.place.Container)
		if err != nil {
			return err
		}
		ids[i] = found.Config.ID
	}
	if ids[0] > ids[1] {
		ends[0], ends[1], ids[0], ids[1] = ends[1], ends[0], ids[1], ids[0]
	}
	for i, end := range ends {
		if end.place.Reader != nil || end.place.Writer != nil {
			continue
		}
		if i == 1 && ids[1] != "" && ids[0] == ids[1] {
			*end.view = *ends[0].view
			continue
		}
		v, err := c.e.openView(ctx, ids[i])
		if err != nil {
			return err
		}
		c.views = append(c.views, v)
		*end.view = v
	}
	return nil
}

// source is what is copied, open with O_PATH.
type source struct {
	file *os.File
	st   unix.Stat_t
	// name is what it is called at the destination; "." for a directory's contents.
	name string
}

func (s *source) isDir() bool { return s.st.Mode&unix.S_IFMT == unix.S_IFDIR }

func (c *copying) source(p Place) (*source, error) {
	flags := unix.O_PATH
	if !c.o.FollowLink {
		flags |= unix.O_NOFOLLOW
	}
	f, err := c.from.root.Open(inRoot(p.Path), flags)
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil, errdefs.NotFound("%q could not be found %s", p.Path, c.from.where)
	}
	if err != nil {
		return nil, err
	}
	s := &source{file: f, name: path.Base(path.Clean("/" + p.Path))}
	if err := unix.Fstat(int(f.Fd()), &s.st); err != nil {
		f.Close()
		return nil, errdefs.Internal("looking at %s: %w", p.Path, err)
	}
	if last := p.Path[strings.LastIndexByte(p.Path, '/')+1:]; s.isDir() && (last == "." || last == ".." || s.name == "/") {
		s.name = "."
	}
	return s, nil
}

// inRoot is a path of a user's for the kernel.
func inRoot(name string) string {
	if name == "" {
		return "/"
	}
	return name
}

func (c *copying) packOptions(into *os.File) rootfs.PackOptions {
	o := rootfs.PackOptions{Into: into}
	if c.from.cfg != nil {
		o.UIDMap, o.GIDMap = rootfsMap(c.from.cfg.Namespaces.UIDMap), rootfsMap(c.from.cfg.Namespaces.GIDMap)
	}
	return o
}

func (c *copying) unpackOptions() rootfs.UnpackOptions {
	o := rootfs.UnpackOptions{Overwrite: c.o.Overwrite}
	if c.to.cfg == nil {
		o.Strict = true
		if !c.o.Archive {
			o.Owner, o.Plain = &[2]int{os.Getuid(), os.Getgid()}, true
		}
		return o
	}
	o.UIDMap, o.GIDMap = rootfsMap(c.to.cfg.Namespaces.UIDMap), rootfsMap(c.to.cfg.Namespaces.GIDMap)
	if !c.o.Archive {
		uid, gid := hostIDs(c.to.cfg, 0, 0)
		o.Owner = &[2]int{uid, gid}
	}
	return o
}

func (c *copying) packStream(ctx context.Context, from Place, w io.Writer) error {
	src, err := c.source(from)
	if err != nil {
		return err
	}
	defer src.file.Close()
	return rootfs.Pack(ctx, w, src.file, src.name, c.packOptions(nil))
}

// unpackStream unpacks an archive as it comes, decompressed by this process.
func (c *copying) unpackStream(ctx context.Context, r io.Reader, to Place) error {
	dir, err := c.destination(to.Path)
	if err != nil {
		return err
	}
	if dir == nil {
		return errdefs.NotFound("%q could not be found %s: an archive needs a directory that is there", to.Path, c.to.where)
	}
	defer dir.Close()
	if !isDir(dir) {
		return errdefs.Invalid("%q is not a directory: an archive needs one", to.Path)
	}
	plain, err := decompressed(r)
	if err != nil {
		return err
	}
	o := c.unpackOptions()
	if o.MaxBytes, o.MaxEntries, err = image.Limits(); err != nil {
		return err
	}
	return c.to.root.Unpack(ctx, inRoot(to.Path), plain, o)
}

func decompressed(r io.Reader) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 1<<20)
	magic, _ := b.Peek(2) // too short for an archive: the reader of archives says so
	if string(magic) != "\x1f\x8b" {
		return b, nil
	}
	z, err := gzip.NewReader(b)
	if err != nil {
		return nil, errdefs.Invalid("reading the archive: %w", err)
	}
	return z, nil
}

// between copies from one path to another, by way of an archive that is packed and unpacked at the same time.
func (c *copying) between(ctx context.Context, from, to Place) error {
	src, err := c.source(from)
	if err != nil {
		return err
	}
	defer src.file.Close()
	dir, name, err := c.target(src, to.Path)
	if err != nil {
		return err
	}
	into, err := c.to.root.Open(dir, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer into.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, w := io.Pipe()
	packed := make(chan error, 1)
	go func() {
		b := bufio.NewWriterSize(w, 1<<20)
		err := rootfs.Pack(ctx, b, src.file, name, c.packOptions(into))
		if err == nil {
			err = b.Flush()
		}
		w.CloseWithError(err)
		packed <- err
	}()
	err = c.to.root.Unpack(ctx, dir, r, c.unpackOptions())
	if err == nil {
		_, err = io.Copy(io.Discard, r)
	}
	r.CloseWithError(err)
	if perr := <-packed; err == nil {
		err = perr
	}
	return err
}

// target is the directory that the source goes into, and the name that it gets there.
func (c *copying) target(src *source, written string) (dir, name string, err error) {
	there, err := c.destination(written)
	if err != nil {
		return "", "", err
	}
	if there != nil {
		defer there.Close()
	}
	wantsDir := strings.HasSuffix(written, "/") || strings.HasSuffix(written, "/.") || written == "."
	switch {
	case there != nil && isDir(there):
		return inRoot(written), src.name, nil
	case there != nil && wantsDir:
		return "", "", errdefs.Invalid("%q is not a directory", written)
	case there != nil && src.isDir() && !c.o.Overwrite:
		return "", "", errdefs.Invalid("cannot copy a directory to the file %q", written)
	case there == nil && wantsDir && !src.isDir():
		return "", "", errdefs.NotFound("the directory %q must exist %s", written, c.to.where)
	}
	real, err := c.to.root.Follow(strings.TrimRight(strings.TrimSuffix(inRoot(written), "/."), "/"))
	if err != nil {
		return "", "", err
	}
	dir, name = path.Split(real)
	if name == "" || name == "." || name == ".." {
		return "", "", errdefs.Invalid("%q is no name for a copy", written)
	}
	if st, err := c.to.root.Stat(inRoot(dir)); err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return "", "", errdefs.NotFound("the directory of %q must exist %s", written, c.to.where)
	}
	return inRoot(dir), name, nil
}

// destination opens what is at a path of the destination, links followed; nil if there is nothing.
func (c *copying) destination(name string) (*os.File, error) {
	f, err := c.to.root.Open(strings.TrimSuffix(inRoot(name), "/."), unix.O_PATH)
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil, nil
	}
	if errors.Is(err, unix.ENOTDIR) && strings.HasSuffix(name, "/") {
		return nil, errdefs.Invalid("%q is not a directory", name)
	}
	return f, err
}

func isDir(f *os.File) bool {
	fi, err := f.Stat()
	return err == nil && fi.IsDir()
}

// onContainer says where something is, for messages.
func onContainer(name string) string { return fmt.Sprintf("on container %s", name) }
