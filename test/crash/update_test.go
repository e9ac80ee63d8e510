package crash

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-engine/berth/test/sandbox"
)

func TestAKilledUpdateLeavesTheLimitsThatTheRecordHasOnceAnotherVerbHasRun(t *testing.T) {
	t.Parallel()
	s := sandbox.NewWithFailpoints(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", "--pids-limit", "50", bb, "sleep", "1000")
	path := s.OK("inspect", "-f", "{{.State.CgroupPath}}", "c")
	inForce := func() string {
		for _, dir := range []string{"pids", "."} {
			if text, err := os.ReadFile(filepath.Join("/sys/fs/cgroup", dir, path, "pids.max")); err == nil {
				return strings.TrimSpace(string(text))
			}
		}
		t.Fatalf("no pids.max in control group %s", path)
		return ""
	}
	sc := scenario{"update", nil, []string{"update", "--pids-limit", "60", "c"}}
	var points []string
	for _, line := range strings.Split(withFailpoint(t, s, "list", sc.verb).Stderr, "\n") {
		if p, ok := strings.CutPrefix(line, "failpoint "); ok {
			points = append(points, p)
		}
	}
	if len(points) < 4 {
		t.Fatalf("expected update to pass named steps, got %v", points)
	}
	for _, point := range instants(points) {
		s.OK("update", "--pids-limit", "50", "c")
		withFailpoint(t, s, point+"=kill", sc.verb).Expect(t, 137)
		s.OK("pause", "c")
		s.OK("unpause", "c")
		recorded := s.OK("inspect", "-f", "{{.HostConfig.PidsLimit}}", "c")
		sandbox.Equal(t, "killed "+point+": the limit in force", inForce(), recorded)

		s.OK("update", "--pids-limit", "50", "c")
		withFailpoint(t, s, point+"=error", sc.verb).Expect(t, 125, point)
		recorded = s.OK("inspect", "-f", "{{.HostConfig.PidsLimit}}", "c")
		sandbox.Equal(t, "failed "+point+": the limit in force", inForce(), recorded)
	}
}
