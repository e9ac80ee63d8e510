package rootfs

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// stack is one directory of a root file system as its layers have it: their directories of that name, highest first. It is read as
// the kernel's overlay would show it, without a mount, so that it can be read whether or not the layers are mounted somewhere.
type stack []*os.File

// openStack opens the root directories of layers, which are given lowest first as everywhere else.
func openStack(layers []string) (stack, error) {
	var s stack
	for _, dir := range layers {
		f, err := openDirNoFollow(dir)
		if err != nil {
			s.close()
			return nil, err
		}
		s = append(s, f)
	}
	slices.Reverse(s)
	return s, nil
}

func (s stack) close() {
	for _, f := range s {
		f.Close()
	}
}

// node is what a stack has under one name.
type node struct {
	file *os.File // O_PATH
	st   unix.Stat_t
	// level is the layer that it is of, counted from the highest.
	level int
}

func (n *node) isDir() bool { return n.st.Mode&unix.S_IFMT == unix.S_IFDIR }

// whiteout: a name that a layer hides (Documentation/filesystems/overlayfs.rst, whiteouts and opaque directories).
func whiteout(st *unix.Stat_t) bool { return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0 }

// openNode opens what a directory has under a name; nil if there is nothing.
func openNode(dir *os.File, name string) (*node, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, classed(err, "opening %s", name)
	}
	n := &node{file: os.NewFile(uintptr(fd), name)}
	if err := unix.Fstat(fd, &n.st); err != nil {
		n.file.Close()
		return nil, classed(err, "reading the attributes of %s", name)
	}
	return n, nil
}

// lookup finds what the stack has under a name; nil if there is nothing, or if it is hidden.
func (s stack) lookup(name string) (*node, error) {
	for level, dir := range s {
		n, err := openNode(dir, name)
		if err != nil {
			return nil, err
		}
		if n == nil {
			continue
		}
		if whiteout(&n.st) {
			n.file.Close()
			return nil, nil
		}
		n.level = level
		return n, nil
	}
	return nil, nil
}

// sub is the directory of that name. A layer's hides those below it if it is opaque, and anything else does.
func (s stack) sub(name string) (stack, error) {
	var found stack
	for _, dir := range s {
		fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		switch {
		case errors.Is(err, unix.ENOENT):
			continue
		case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
			return found, nil
		case err != nil:
			found.close()
			return nil, classed(err, "opening %s", name)
		}
		f := os.NewFile(uintptr(fd), name)
		found = append(found, f)
		if opaque(f) {
			break
		}
	}
	return found, nil
}

// names are all names in the directory, sorted; those that are hidden are among them.
func (s stack) names() ([]string, error) {
	var all []string
	for _, dir := range s {
		names, err := namesIn(dir)
		if err != nil {
			return nil, err
		}
		all = append(all, names...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// namesIn are the names in one directory, which may have been read before.
func namesIn(dir *os.File) ([]string, error) {
	if _, err := dir.Seek(0, io.SeekStart); err != nil {
		return nil, classed(err, "reading %s", dir.Name())
	}
	names, err := dir.Readdirnames(-1)
	return names, classed(err, "reading %s", dir.Name())
}

// walkStack calls visit for all that is in the stack, directories before what is in them. rel is the name below the root.
func walkStack(ctx context.Context, s stack, rel string, depth int, visit func(name string, n *node) error) error {
	if depth > maxCopyDepth {
		return errdefs.Invalid("%s: more than %d directories deep", rel, maxCopyDepth)
	}
	names, err := s.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := walkNode(ctx, s, name, path.Join(rel, name), depth, visit); err != nil {
			return err
		}
	}
	return nil
}

func walkNode(ctx context.Context, s stack, name, rel string, depth int, visit func(name string, n *node) error) error {
	n, err := s.lookup(name)
	if n == nil || err != nil {
		return err
	}
	defer n.file.Close()
	if err := visit(rel, n); err != nil || !n.isDir() {
		return err
	}
	sub, err := s.sub(name)
	if err != nil {
		return err
	}
	defer sub.close()
	return walkStack(ctx, sub, rel, depth+1, visit)
}
