package verb

import (
	"slices"
	"strings"
	"testing"

	"github.com/berth-engine/berth/test/sandbox"
)

func TestPruneRemovesWhatDoesNotRunWhateverDependsOnWhat(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	var idle []string
	add := func(args ...string) string {
		id := s.OK(append([]string{"create"}, args...)...)
		idle = append(idle, id)
		return id
	}
	base := add("--name", "base", bb, "sleep", "1000")
	above := add("--name", "above", "--requires", base, bb, "true")
	add("--requires", above, "-v", "/vol", bb, "true")
	s.OK("run", "-d", "--name", "needed", bb, "true")
	s.OK("run", "-d", "--name", "runs", "--requires", "needed", bb, "sleep", "1000")
	s.OK("wait", "needed")
	s.OK("create", "--name", "kept", "-l", "keep=1", bb, "true")

	gone := strings.Fields(s.OK("container", "prune", "-f", "--filter", "label!=keep"))
	slices.Sort(gone)
	slices.Sort(idle)
	if !slices.Equal(gone, idle) {
		t.Errorf("expected %v to be gone, got %v", idle, gone)
	}
	sandbox.Equal(t, "left", s.OK("ps", "-a", "--sort", "names", "--format", "{{.Names}}"), "kept\nneeded\nruns")
	sandbox.Equal(t, "volumes left", s.OK("volume", "ls", "-q"), "")
}

func TestSystemPruneRemovesWhatNobodyUses(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("volume", "create", "idle")
	s.OK("run", "-d", "--name", "runs", "-v", "used:/v", bb, "sleep", "1000")
	s.OK("run", "--name", "ended", bb, "dd", "if=/dev/zero", "of=/file", "bs=1000", "count=3000")
	out := s.OK("system", "prune", "--force", "--all", "--volumes")
	if !strings.Contains(out, "Deleted Containers\n") || !strings.Contains(out, "Deleted Volumes\nidle\n") || !strings.Contains(out, "Total reclaimed space: 3") {
		t.Errorf("expected a container, the volume idle and 3 MB to be named, got %s", out)
	}
	sandbox.Equal(t, "containers left", s.OK("ps", "-a", "--format", "{{.Names}}"), "runs")
	sandbox.Equal(t, "volumes left", s.OK("volume", "ls", "-q"), "used")
	sandbox.Equal(t, "images left", len(strings.Fields(s.OK("images", "-q"))), 1)
	s.OK("rm", "-f", "-t", "0", "runs")
	s.OK("volume", "rm", "used")
}
