package monitored

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// cgroupPatience is how long killed processes have to leave their control groups.
const cgroupPatience = 10 * time.Second

// removeCgroups removes the control group path, with those below it, from every hierarchy mounted under root, and kills the
// processes that are left in it. The empty path and the root are left alone.
func removeCgroups(root, path string) error {
	if path = filepath.Clean("/" + path); path == "/" {
		return nil
	}
	hierarchies := []string{root}
	if entries, err := os.ReadDir(root); err == nil && hierarchy(root) == 0 {
		hierarchies = hierarchies[:0]
		for _, e := range entries {
			hierarchies = append(hierarchies, filepath.Join(root, e.Name()))
		}
	}
	deadline := time.Now().Add(cgroupPatience)
	for _, h := range hierarchies {
		dir := filepath.Join(h, path)
		if hierarchy(h) == 0 {
			continue
		}
		err := removeCgroup(dir)
		for ; errors.Is(err, unix.EBUSY) && time.Now().Before(deadline); err = removeCgroup(dir) {
			time.Sleep(2 * time.Millisecond)
		}
		if err != nil {
			return errdefs.Internal("remove control group: %w", err)
		}
	}
	return nil
}

// hierarchy is the type of the file system of a control group, 0 if it is none.
func hierarchy(dir string) int64 {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil || fs.Type != unix.CGROUP_SUPER_MAGIC && fs.Type != unix.CGROUP2_SUPER_MAGIC {
		return 0
	}
	return fs.Type
}

// removeCgroup removes one directory of a hierarchy from the leaves up. One that is not there is no error. EBUSY says that its
// processes have been killed and are still to go.
func removeCgroup(dir string) error {
	err := unix.Rmdir(dir)
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			if err := removeCgroup(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err = unix.Rmdir(dir); err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	killCgroup(dir)
	return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
}

// killCgroup kills the processes of one group. A frozen one of cgroup v1 is let go, since what is frozen does not die.
func killCgroup(dir string) {
	list, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	for _, word := range strings.Fields(string(list)) {
		if pid, err := strconv.Atoi(word); err == nil && pid > 0 {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "freezer.state")); err == nil {
		_ = os.WriteFile(filepath.Join(dir, "freezer.state"), []byte("THAWED"), 0)
	}
}
