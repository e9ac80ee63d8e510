package monitored

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// lastExpected is when ExpectProcess was last called to an effect, in nanoseconds since 1970.
var lastExpected atomic.Int64

// ExpectProcess tells the kernel that an OCI runtime is about to put a process into a container's control groups. The first move
// between control groups in a while waits for an RCU grace period, 10 ms and more (the kernel's cgroup_threadgroup_rwsem, a
// per-CPU semaphore), and those that soon follow do not. So this process is moved to where it is, which changes nothing but
// has that time pass while the caller prepares the rest.
//
// It returns at once, and may be called at any time and as often as one likes. Where it does not work the runtime waits itself.
func ExpectProcess() {
	const fresh = 5 * time.Millisecond // how long a call stands for the next
	now := time.Now().UnixNano()
	last := lastExpected.Load()
	if now-last < int64(fresh) || !lastExpected.CompareAndSwap(last, now) {
		return
	}
	go moveNowhere("/proc/self/cgroup", "/sys/fs/cgroup")
}

// moveNowhere moves this process into the control group that it is in, of the first hierarchy that allows it. list is its
// /proc/PID/cgroup (cgroups(7)), root where the hierarchies are mounted.
func moveNowhere(list, root string) error {
	text, err := os.ReadFile(list)
	if err != nil {
		return err
	}
	err = errors.New("in no control group")
	for line := range strings.Lines(string(text)) {
		for _, dir := range cgroupDirs(strings.TrimSuffix(line, "\n"), root) {
			if hierarchy(dir) == 0 {
				continue
			}
			if err = joinCgroup(dir); err == nil {
				return nil
			}
		}
	}
	return err
}

func joinCgroup(dir string) error {
	f, err := os.OpenFile(filepath.Join(dir, "cgroup.procs"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString("0")
	return err
}

// cgroupDirs are the directories where the control group of a line of /proc/PID/cgroup may be found.
func cgroupDirs(line, root string) []string {
	_, line, _ = strings.Cut(line, ":")
	controllers, path, ok := strings.Cut(line, ":")
	if !ok || strings.HasPrefix(path, "/..") { // outside of our cgroup namespace
		return nil
	}
	if controllers == "" {
		return []string{filepath.Join(root, path), filepath.Join(root, "unified", path)}
	}
	return []string{filepath.Join(root, strings.TrimPrefix(controllers, "name="), path)}
}
