package monitored

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// removeCgroups removes the control group path, with those below it, from every hierarchy mounted under root. The empty path and
// the root are left alone.
func removeCgroups(root, path string) error {
	if path = filepath.Clean("/" + path); path == "/" {
		return nil
	}
	hierarchies := []string{root}
	if entries, err := os.ReadDir(root); err == nil && !isCgroup2(root) {
		hierarchies = hierarchies[:0]
		for _, e := range entries {
			if h := filepath.Join(root, e.Name()); isHierarchy(h) {
				hierarchies = append(hierarchies, h)
			}
		}
	}
	for _, h := range hierarchies {
		if err := removeCgroup(filepath.Join(h, path)); err != nil {
			return errdefs.Internal("remove control group: %w", err)
		}
	}
	return nil
}

// isHierarchy reports whether dir is of a mounted hierarchy. Beside these there are links, and mount points of what is not
// mounted, in which some runtimes make directories of the container's name all the same.
func isHierarchy(dir string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && (fs.Type == unix.CGROUP_SUPER_MAGIC || fs.Type == unix.CGROUP2_SUPER_MAGIC)
}

func isCgroup2(dir string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC
}

// removeCgroup removes one directory of a hierarchy from the leaves up. One that is not there is no error.
func removeCgroup(dir string) error {
	err := unix.Rmdir(dir)
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	entries, readErr := os.ReadDir(dir)
	if readErr != nil {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeCgroup(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err = unix.Rmdir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
	}
	return nil
}
