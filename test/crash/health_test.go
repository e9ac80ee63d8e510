package crash

import (
	"strings"
	"testing"

	"github.com/berth-engine/berth/test/sandbox"
)

// The next check is scheduled by the one before: a first one that comes to nothing is the last.
func TestAHealthCheckThatIsDueBeforeTheStartIsRecordedWaitsForIt(t *testing.T) {
	t.Parallel()
	s := sandbox.NewWithFailpoints(t)
	bb := s.LoadBusybox()
	resume := startStopped(t, s, "start:record:before", "run", "-d", "--name", "web", "--health-cmd", "true", "--health-interval", "1h", bb, "sleep", "1000")
	id := s.OK("inspect", "-f", "{{.Id}}", "web")
	checked := make(chan sandbox.Result, 1)
	go func() { checked <- s.Berth("healthcheck", "run", "--run", "1", id) }()
	s.Eventually("the check to wait for the start, or to end", func() bool {
		return len(checked) > 0 || strings.Contains(s.OK("system", "locks"), "waiting")
	})
	resume().Expect(t, 0)
	r := <-checked
	r.Expect(t, 0)
	sandbox.Equal(t, "health", s.OK("inspect", "-f", "{{.State.Health.Status}}", "web"), "healthy")
	s.OK("rm", "-f", "-t", "0", "web")
}
