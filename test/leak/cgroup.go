package leak

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var anID = regexp.MustCompile(`[0-9a-f]{64}`)

// findCgroups returns the control groups, in every hierarchy that is mounted, whose path holds one of the IDs, and what the OCI
// runtimes still hold of these IDs in their own default directories.
func findCgroups(_ Scope, ids map[string]bool) ([]Leak, error) {
	all, err := mounts()
	if err != nil {
		return nil, err
	}
	var leaks []Leak
	for _, m := range all {
		if m.fstype != "cgroup" && m.fstype != "cgroup2" {
			continue
		}
		found, err := under(m.point, ids)
		if err != nil {
			return nil, err
		}
		for _, path := range found {
			leaks = append(leaks, Leak{Cgroup, path, members(path)})
		}
	}
	for _, dir := range []string{"/run/runc", "/run/crun"} {
		found, err := under(dir, ids)
		if err != nil {
			return nil, err
		}
		for _, path := range found {
			leaks = append(leaks, Leak{File, path, "the OCI runtime's state"})
		}
	}
	return leaks, nil
}

// under returns the directories below top whose name holds one of the IDs.
func under(top string, ids map[string]bool) ([]string, error) {
	var found []string
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if gone(err) {
				return nil
			}
			return err
		}
		if d.IsDir() && ids[anID.FindString(d.Name())] {
			found = append(found, path)
		}
		return nil
	})
	return found, err
}

func members(cgroup string) string {
	text, err := os.ReadFile(filepath.Join(cgroup, "cgroup.procs"))
	if err != nil {
		return ""
	}
	pids := strings.Fields(string(text))
	if len(pids) == 0 {
		return "empty"
	}
	return "processes " + strings.Join(pids, " ")
}
