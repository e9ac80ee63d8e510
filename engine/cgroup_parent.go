package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/lock"
)

// An OCI runtime makes the control group that --cgroup-parent names if it is missing, and leaves it. So what is missing is noted in the
// run directory before the runtime is asked, and what is noted and empty is removed after a container's end. Those who start hold the
// lock of the note together; whoever removes has it alone, or leaves the removal to them.

const cgroupRoot = "/sys/fs/cgroup"

// hasCgroupParent reports whether the container's control group has a parent that was asked for and is no slice of systemd's, which
// systemd looks after.
func (e *Engine) hasCgroupParent(c *container.Container) bool {
	return strings.Trim(c.Config.Resources.CgroupParent, "/") != "" && !e.systemdCgroups()
}

// holdCgroupParent notes what is missing of the container's cgroup parent, and keeps it from being removed until release.
func (e *Engine) holdCgroupParent(ctx context.Context, c *container.Container) (release func(), err error) {
	if !e.hasCgroupParent(c) {
		return func() {}, nil
	}
	if release, err = e.locks.RLock(ctx, lock.Name(cgroupParentsLock)); err != nil {
		return nil, err
	}
	var missing strings.Builder
	for _, h := range cgroupHierarchies() {
		dir := h
		for name := range strings.SplitSeq(strings.Trim(filepath.Clean(c.Config.Resources.CgroupParent), "/"), "/") {
			dir = filepath.Join(dir, name)
			if _, err := os.Lstat(dir); errors.Is(err, os.ErrNotExist) {
				missing.WriteString(dir + "\n")
			}
		}
	}
	if err := e.noteCgroups(missing.String()); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// cgroupHierarchies are where control groups are: the v2 tree, and those of v1 below a tmpfs.
func cgroupHierarchies() []string {
	if isCgroup(cgroupRoot) {
		return []string{cgroupRoot}
	}
	entries, _ := os.ReadDir(cgroupRoot) // none without control groups
	var list []string
	for _, entry := range entries {
		if dir := filepath.Join(cgroupRoot, entry.Name()); entry.IsDir() && isCgroup(dir) {
			list = append(list, dir)
		}
	}
	return list
}

func isCgroup(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && (st.Type == unix.CGROUP_SUPER_MAGIC || st.Type == unix.CGROUP2_SUPER_MAGIC)
}

func (e *Engine) noteCgroups(lines string) error {
	if lines == "" {
		return nil
	}
	f, err := os.OpenFile(e.paths.cgroupParents(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err == nil {
		_, err = f.WriteString(lines)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return errdefs.Internal("noting a control group: %w", err)
	}
	return nil
}

// removeCgroupParents removes the control groups that were made for --cgroup-parent and are empty.
func (e *Engine) removeCgroupParents(c *container.Container) error {
	if !e.hasCgroupParent(c) {
		return nil
	}
	unlock, ok, err := e.locks.TryLock(lock.Name(cgroupParentsLock))
	if err != nil || !ok {
		return err
	}
	defer unlock()
	text, err := os.ReadFile(e.paths.cgroupParents())
	if err != nil {
		return nil // none was made
	}
	dirs := strings.Fields(string(text))
	slices.SortFunc(dirs, func(a, b string) int { return len(b) - len(a) }) // those below first
	left := slices.DeleteFunc(slices.Compact(dirs), func(dir string) bool {
		err := unix.Rmdir(dir)
		return err == nil || errors.Is(err, unix.ENOENT)
	})
	if len(left) > 0 {
		err = os.WriteFile(e.paths.cgroupParents(), []byte(strings.Join(left, "\n")+"\n"), 0o600)
	} else {
		err = os.Remove(e.paths.cgroupParents())
	}
	if err != nil {
		return errdefs.Internal("noting a control group: %w", err)
	}
	return nil
}
