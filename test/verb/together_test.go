package verb

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/berth-engine/berth/test/sandbox"
)

// states are all containers as "name state".
func states(s *sandbox.Sandbox) string {
	return s.OK("ps", "-a", "--format", "{{.Names}} {{.State}}")
}

func TestARestartOfAContainerThatRemovesItselfKeepsIt(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--rm", "--name", "c", bb, "sleep", "1000")
	for range 8 {
		s.OK("restart", "-t", "0", "c")
		sandbox.Equal(t, "containers after a restart", states(s), "c running")
	}
	s.OK("stop", "-t", "0", "c")
	s.Eventually("the container to be gone", func() bool { return states(s) == "" })
}

func TestARemovalByForceThatIsRefusedLeavesTheContainerRunning(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "a", bb, "sleep", "1000")
	s.OK("create", "--name", "b", "--network", "container:a", bb, "true")
	s.Fails(2, []string{"container a", "depend"}, "rm", "-f", "-t", "0", "a")
	sandbox.Equal(t, "what was refused to be removed", s.OK("inspect", "-f", "{{.State.Status}}", "a"), "running")
	s.OK("rm", "b")
}

func TestARestartByPolicyThatFailsEndsAsExited(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	source := s.Write("source", "")
	s.OK("run", "-d", "--restart", "always", "--name", "c", "-v", source+":/f", bb, "sleep", "0.5")
	if err := os.Remove(source); err != nil {
		t.Fatal(err)
	}
	s.Eventually("the failure to be recorded", func() bool { return s.OK("inspect", "-f", "{{.State.Error}}", "c") != "" })
	sandbox.Equal(t, "status", s.OK("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "c"), "exited 125")
}

func TestAPausedContainerThatIsKilledDies(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", bb, "sleep", "1000")
	s.OK("pause", "c")
	s.OK("kill", "c")
	sandbox.Equal(t, "exit code", s.OK("wait", "c"), "137")
}

func TestReplacesAtOnceAllSucceedAndOneRemains(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if r := s.Berth("create", "--replace", "--name", "c", bb, "true"); r.Code != 0 {
				t.Errorf("expected each to replace what is there, got %s", r)
			}
		})
	}
	wg.Wait()
	sandbox.Equal(t, "containers", states(s), "c created")
}

func TestAReplacementThatCannotBeLeavesWhatIsThere(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", bb, "sleep", "1000")
	s.Fails(125, []string{"nope"}, "create", "--replace", "--name", "c", "--network", "container:nope", bb, "true")
	sandbox.Equal(t, "containers", states(s), "c running")
}

func TestStopsOfAContainerThatRemovesItselfSucceedTogether(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	for i := range 4 {
		name := fmt.Sprintf("c%d", i)
		s.OK("run", "-d", "--rm", "--name", name, bb, "sleep", "1000")
		var wg sync.WaitGroup
		for _, verb := range [][]string{{"stop", "-t", "0", name}, {"rm", "-f", "-t", "0", name}, {"stop", "-t", "0", "--ignore", name}} {
			wg.Go(func() {
				if r := s.Berth(verb...); r.Code != 0 && r.Code != 1 && (verb[0] != "stop" || r.Code != 125) {
					t.Errorf("expected success, or that it is not there, got %s", r)
				}
			})
		}
		wg.Wait()
		s.Eventually("the container to be gone", func() bool { return states(s) == "" })
	}
}

func TestSeveralContainersAreRemovedWhateverDependsOnWhatAmongThem(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	for range 4 {
		s.OK("create", "--name", "base", bb, "true")
		s.OK("create", "--name", "mid", "--network", "container:base", bb, "true")
		s.OK("create", "--name", "top", "--network", "container:mid", bb, "true")
		s.OK("rm", "-f", "base", "mid", "top")
		sandbox.Equal(t, "containers", s.OK("ps", "-aq"), "")
	}
}
