// Package tree removes and measures directory trees that a container wrote, and so may have been made to hurt: deeper than
// any path name, immutable, full of links out of the tree. It holds directories by descriptor, follows no link and never
// crosses into another mount.
//
// It is not for trees of the engine's own making, for which package os will do.
package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

const (
	// maxDepth bounds the directories that are open at a time; what lies deeper is first moved up.
	maxDepth = 64
	// batch is how many entries of a directory are read at a time.
	batch = 512
)

// Remove deletes what is at path, whatever it is. It is nil if there is nothing, so it may be repeated until it succeeds.
// Immutable and append-only flags are cleared on the way. A mount inside the tree is ErrConflict, and nothing of it is
// touched.
func Remove(ctx context.Context, path string) error {
	path = filepath.Clean(path)
	parent, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("removing %s: opening its directory: %w", path, err)
	}
	defer unix.Close(parent)
	r := remover{ctx: ctx, top: -1}
	if err := r.remove(parent, filepath.Base(path), 0); err != nil {
		return fmt.Errorf("removing %s: %w", path, err)
	}
	return nil
}

// remover is the state of one Remove.
type remover struct {
	ctx context.Context
	// top is the outermost directory of the tree, to which directories too deep to walk are moved.
	top   int
	moved int
}

func (r *remover) remove(parent int, name string, depth int) error {
	err := unix.Unlinkat(parent, name, 0)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	var st unix.Stat_t
	switch err := unix.Fstatat(parent, name, &st, unix.AT_SYMLINK_NOFOLLOW); {
	case errors.Is(err, unix.ENOENT):
		return nil
	case err != nil:
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return r.removeDir(parent, name, depth)
	}
	return r.forceUnlink(parent, name, 0)
}

// removeDir empties and removes one directory. Empty ones, the most frequent, take one call.
func (r *remover) removeDir(parent int, name string, depth int) error {
	err := unix.Unlinkat(parent, name, unix.AT_REMOVEDIR)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	if depth >= maxDepth {
		return r.moveUp(parent, name)
	}
	fd, err := unix.Openat2(parent, name, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
	})
	if errors.Is(err, unix.EXDEV) {
		return errdefs.Conflict("%s is a mount point: unmount it first", name)
	}
	if errors.Is(err, unix.ENOENT) {
		return nil // somebody else removes it too
	}
	if err != nil {
		return fmt.Errorf("opening %s: %w", name, err)
	}
	dir := os.NewFile(uintptr(fd), name)
	defer dir.Close()
	if depth == 0 {
		r.top = fd
	}
	for {
		if err := r.empty(dir, depth); err != nil {
			return err
		}
		err := r.forceUnlink(parent, name, unix.AT_REMOVEDIR)
		if !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
			return err
		}
		// Directories were moved up to here, or the kernel's listing moved under the deletions.
		if _, err := dir.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
}

func (r *remover) empty(dir *os.File, depth int) error {
	fd := int(dir.Fd())
	for {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		entries, err := dir.ReadDir(batch)
		for _, e := range entries {
			if e.IsDir() {
				err = r.removeDir(fd, e.Name(), depth+1)
			} else if err = unix.Unlinkat(fd, e.Name(), 0); err != nil {
				err = r.forceUnlink(fd, e.Name(), 0)
			}
			if err != nil {
				return err
			}
		}
		if err == io.EOF || len(entries) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// moveUp takes a directory that lies too deep to the top of the tree, where the loop over the top finds it again.
func (r *remover) moveUp(parent int, name string) error {
	for {
		r.moved++
		err := unix.Renameat2(parent, name, r.top, fmt.Sprintf(".deep-%d", r.moved), unix.RENAME_NOREPLACE)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EEXIST):
			continue
		case errors.Is(err, unix.EPERM) && mayChange(parent, name):
			continue
		default:
			return fmt.Errorf("moving %s up: %w", name, err)
		}
	}
}

// forceUnlink removes an entry, after clearing what forbids it if that is a flag of the entry's or the directory's.
func (r *remover) forceUnlink(parent int, name string, flags int) error {
	err := unix.Unlinkat(parent, name, flags)
	if errors.Is(err, unix.EPERM) && mayChange(parent, name) {
		err = unix.Unlinkat(parent, name, flags)
	}
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil
	case errors.Is(err, unix.EBUSY):
		return errdefs.New(errdefs.ErrConflict, "%s is a mount point: unmount it first: %w", name, err)
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// mayChange clears the immutable and append-only flags of an entry and its directory, and reports whether any was set.
func mayChange(parent int, name string) bool {
	changed := clearFlags(parent, ".")
	return clearFlags(parent, name) || changed
}

func clearFlags(parent int, name string) bool {
	// What is not a file or a directory has no flags, and opening it could block or have an effect.
	var st unix.Stat_t
	if err := unix.Fstatat(parent, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false
	}
	if t := st.Mode & unix.S_IFMT; t != unix.S_IFREG && t != unix.S_IFDIR {
		return false
	}
	fd, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	const fixed = unix.STATX_ATTR_IMMUTABLE | unix.STATX_ATTR_APPEND // the same bits as FS_IMMUTABLE_FL and FS_APPEND_FL
	flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	if err != nil || flags&fixed == 0 {
		return false
	}
	return unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(flags&^fixed)) == nil
}

// Size is the sum of the lengths, in bytes, of the files of the tree at path, each inode counted once; 0 if there is nothing.
// Other mounts are not counted. Entries that vanish meanwhile are not either.
func Size(ctx context.Context, path string) (int64, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("measuring %s: %w", path, err)
	}
	m := measure{ctx: ctx, seen: map[[2]uint64]bool{}}
	if err := m.dir(os.NewFile(uintptr(fd), path)); err != nil {
		return 0, fmt.Errorf("measuring %s: %w", path, err)
	}
	return m.total, nil
}

type measure struct {
	ctx   context.Context
	seen  map[[2]uint64]bool
	total int64
}

// dir adds what is in dir, and closes it.
func (m *measure) dir(dir *os.File) error {
	defer dir.Close()
	var deeper []string
	for {
		if err := m.ctx.Err(); err != nil {
			return err
		}
		entries, err := dir.ReadDir(batch)
		for _, e := range entries {
			switch {
			case e.IsDir():
				deeper = append(deeper, e.Name())
			case e.Type().IsRegular():
				m.file(int(dir.Fd()), e.Name())
			}
		}
		if err == io.EOF || len(entries) == 0 {
			break
		}
		if err != nil {
			return err
		}
	}
	for _, name := range deeper {
		fd, err := unix.Openat2(int(dir.Fd()), name, &unix.OpenHow{
			Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV,
		})
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EXDEV) || errors.Is(err, unix.ENOTDIR) {
			continue
		}
		if err != nil {
			return err
		}
		if err := m.dir(os.NewFile(uintptr(fd), name)); err != nil {
			return err
		}
	}
	return nil
}

func (m *measure) file(dir int, name string) {
	var st unix.Stat_t
	if unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return
	}
	if st.Nlink > 1 {
		key := [2]uint64{st.Dev, st.Ino}
		if m.seen[key] {
			return
		}
		m.seen[key] = true
	}
	m.total += st.Size
}
