package leak

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// findProcesses returns the processes of the scope, but for this one and those that it descends from.
func findProcesses(s Scope, _ map[string]bool) ([]Leak, error) {
	pids, err := processes()
	if err != nil {
		return nil, err
	}
	own := ancestors()
	var leaks []Leak
	for _, pid := range pids {
		if own[pid] {
			continue
		}
		if why := belongs(s, pid); why != "" {
			cmd := commandLine(pid)
			leaks = append(leaks, Leak{Process, strconv.Itoa(pid), fmt.Sprintf("%s; by its %s", cmd, why)})
		}
	}
	return leaks, nil
}

func processes() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// ancestors are this process and its line of parents: a test and the shell that runs it are no leaks.
func ancestors() map[int]bool {
	own := map[int]bool{}
	for pid := os.Getpid(); pid > 1 && !own[pid]; pid = parent(pid) {
		own[pid] = true
	}
	return own
}

func parent(pid int) int {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name, in parentheses, may hold anything; the state and the parent follow its last parenthesis (proc(5)).
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	ppid, _ := strconv.Atoi(fields[1])
	return ppid
}

// belongs says by what a process is recognized as the scope's, or "".
func belongs(s Scope, pid int) string {
	dir := fmt.Sprintf("/proc/%d/", pid)
	for _, name := range []string{"cmdline", "environ"} {
		if text, err := os.ReadFile(dir + name); err == nil && s.mentions(string(text)) {
			return name
		}
	}
	for _, name := range []string{"cwd", "root", "exe"} {
		if target, err := os.Readlink(dir + name); err == nil && s.mentions(target) {
			return name
		}
	}
	if fds, err := os.ReadDir(dir + "fd"); err == nil {
		for _, fd := range fds {
			if target, err := os.Readlink(filepath.Join(dir, "fd", fd.Name())); err == nil && s.mentions(target) {
				return "open file " + target
			}
		}
	}
	return foreignMounts(s, dir)
}

// foreignMounts recognizes a container's process, which has nothing of ours but the mounts of its own namespace.
func foreignMounts(s Scope, dir string) string {
	theirs, err := os.Readlink(dir + "ns/mnt")
	if err != nil {
		return ""
	}
	ours, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil || ours == theirs {
		return ""
	}
	text, err := os.ReadFile(dir + "mountinfo")
	if err != nil {
		return ""
	}
	for _, line := range strings.Split(string(text), "\n") {
		// A namespace that is a copy of ours, made by anything, shows our mounts; only a root of ours makes a container.
		m, ok := parseMount(line)
		if ok && m.point == "/" && (s.mentions(m.super) || s.mentions(m.root)) {
			return "root mount"
		}
	}
	return ""
}

func commandLine(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(text) == 0 {
		comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		return "[" + strings.TrimSpace(string(comm)) + "]"
	}
	line := strings.TrimSpace(strings.ReplaceAll(string(text), "\x00", " "))
	if len(line) > 200 {
		line = line[:200] + "…"
	}
	return line
}
