package leak

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// findLocks returns the byte-range locks that somebody holds on files of the run directory, by file, range and holder.
func findLocks(s Scope, _ map[string]bool) ([]Leak, error) {
	text, err := os.ReadFile("/proc/locks")
	if err != nil {
		return nil, err
	}
	files, err := inodes(s.RunRoot)
	if err != nil {
		return nil, err
	}
	var leaks []Leak
	for _, line := range strings.Split(string(text), "\n") {
		// 1: OFDLCK ADVISORY WRITE -1 fd:00:12345 0 EOF (proc(5)); a waiter's line has an arrow in the second field.
		f := strings.Fields(line)
		if len(f) < 8 || f[1] == "->" {
			continue
		}
		if path, ok := files[f[5]]; ok {
			name := fmt.Sprintf("%s %s–%s", path, f[6], f[7])
			leaks = append(leaks, Leak{Lock, name, f[1] + " " + f[3] + holders(f[5])})
		}
	}
	return leaks, nil
}

// inodes maps the kernel's names of regular files (major:minor:inode, as /proc/locks has them) to their paths.
func inodes(top string) (map[string]string, error) {
	files := map[string]string{}
	if top == "" {
		return files, nil
	}
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if gone(err) {
				return nil
			}
			return err
		}
		info, err := d.Info()
		if err != nil || !info.Mode().IsRegular() {
			return nil
		}
		st := info.Sys().(*syscall.Stat_t)
		files[fmt.Sprintf("%02x:%02x:%d", unix.Major(st.Dev), unix.Minor(st.Dev), st.Ino)] = path
		return nil
	})
	return files, err
}

// holders names the processes whose open files hold a lock on the inode: an open-file-description lock has no PID of its own.
func holders(inode string) string {
	var found []string
	infos, _ := filepath.Glob("/proc/[0-9]*/fdinfo/*")
	for _, path := range infos {
		text, err := os.ReadFile(path)
		if err == nil && strings.Contains(string(text), "lock:") && strings.Contains(string(text), inode) {
			found = append(found, strings.Split(path, "/")[2])
		}
	}
	return ", held by process " + strings.Join(found, " ")
}
