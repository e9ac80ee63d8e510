package verb

import (
	"testing"

	"github.com/berth-engine/berth/test/sandbox"
)

// A container that is to remove itself, and whose namespace another joins, cannot go when it ends: it stays, whole, until the other
// has gone, and then it goes.
func TestAContainerThatRemovesItselfStaysWholeAsLongAsAnotherDependsOnIt(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	all := func() string { return s.OK("ps", "-a", "--sort", "names", "--format", "{{.Names}} {{.State}}") }
	for _, stop := range [][]string{{"stop", "-t", "0", "a"}, {"exec", "a", "sh", "-c", "kill -9 1; kill $(cat /pid)"}} {
		s.OK("run", "-d", "--rm", "--name", "a", "-v", "/vol", bb, "sh", "-c", "echo kept > /file; sleep 1000 & echo $! > /pid; wait")
		s.OK("run", "-d", "--name", "b", "--network", "container:a", bb, "sleep", "1000")
		s.Berth(stop...)
		s.Eventually("a to have ended", func() bool { return all() == "a exited\nb running" })
		s.OK("run", "--rm", bb, "true") // which sweeps
		sandbox.Equal(t, "containers", all(), "a exited\nb running")
		sandbox.Equal(t, "anonymous volumes", len(s.OK("volume", "ls", "-q")), 64)
		s.OK("start", "a")
		sandbox.Equal(t, "its files", s.OK("exec", "a", "cat", "/file"), "kept")
		s.OK("stop", "-t", "0", "a")
		s.Fails(2, []string{"depend"}, "rm", "a")
		s.OK("rm", "-f", "-t", "0", "b")
		sandbox.Equal(t, "containers after the other's removal", all(), "")
		s.NoLeaks()
	}
}

func TestAContainerThatRemovesItselfGoesWithTheLastThatDependsOnIt(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--rm", "--name", "a", bb, "sleep", "1000")
	s.OK("run", "-d", "--rm", "--name", "b", "--network", "container:a", bb, "sleep", "1000")
	s.OK("stop", "-t", "0", "a")
	s.OK("stop", "-t", "0", "b")
	s.Eventually("both to be gone", func() bool { return s.OK("ps", "-aq") == "" })
	s.NoLeaks()
}
