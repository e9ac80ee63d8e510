package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// CgroupFiles returns the paths of the files, and what each should hold, of a running container's control groups. Each entry
// gives, for hierarchies of version 1, CONTROLLER:FILE=VALUE and, for version 2, FILE=VALUE; an empty one is left out.
func (s *Sandbox) CgroupFiles(name string, entries map[string][2]string) map[string]string {
	s.t.Helper()
	pid := s.OK("inspect", "--format", "{{.State.Pid}}", name)
	text, err := os.ReadFile("/proc/" + pid + "/cgroup")
	if err != nil {
		s.t.Fatal(err)
	}
	groups := map[string]string{} // by controller; v2's is ""
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		f := strings.SplitN(line, ":", 3)
		for _, controller := range strings.Split(f[1], ",") {
			groups[controller] = f[2]
		}
	}
	files := map[string]string{}
	for what, e := range entries {
		controller, rest, _ := strings.Cut(e[0], ":")
		file, value, _ := strings.Cut(rest, "=")
		dir := filepath.Join("/sys/fs/cgroup", controller, groups[controller])
		if _, isV1 := groups[controller]; !isV1 {
			if e[1] == "" {
				continue
			}
			file, value, _ = strings.Cut(e[1], "=")
			dir = filepath.Join("/sys/fs/cgroup", groups[""])
		}
		if file == "" {
			s.t.Fatal(fmt.Errorf("%s: no file", what))
		}
		files[filepath.Join(dir, file)] = value
	}
	return files
}
