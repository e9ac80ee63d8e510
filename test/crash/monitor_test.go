package crash

import (
	"strings"
	"testing"
	"time"

	"github.com/berth-engine/berth/test/sandbox"
)

func TestAContainerThatHasLostItsMonitorIsStoppedWaitedForAndRemoved(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	for _, verbs := range [][][]string{
		{{"stop", "-t", "0", "c"}, {"rm", "c"}},
		{{"kill", "c"}, {"wait", "c"}, {"rm", "c"}},
		{{"restart", "-t", "0", "c"}, {"exec", "c", "true"}, {"rm", "-f", "-t", "0", "c"}},
		{{"rm", "-f", "-t", "0", "c"}},
	} {
		s.OK("run", "-d", "--name", "c", bb, "sleep", "1000")
		s.Kill(s.Monitor("c"))
		sandbox.Equal(t, "status without a monitor", s.OK("inspect", "-f", "{{.State.Running}}", "c"), "true")
		for _, verb := range verbs {
			s.OK(verb...)
		}
		s.NoLeaks()
		if t.Failed() {
			t.Fatalf("^ %v", verbs)
		}
	}
}

func TestAWaitDoesNotHangWhenTheMonitorDies(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", bb, "sh", "-c", "sleep 1; exit 3")
	result := make(chan sandbox.Result)
	go func() { result <- s.Berth("wait", "c") }()
	time.Sleep(200 * time.Millisecond) // until it waits
	s.Kill(s.Monitor("c"))
	r := <-result
	// Nobody saw the exit code; the exit itself is seen.
	if r.Code != 0 || strings.TrimSpace(r.Stdout) != "-1" {
		t.Errorf("expected -1 for an exit code that nobody saw, got %s", r)
	}
}

func TestAnAttachedClientEndsWhenTheMonitorDies(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	result := make(chan sandbox.Result)
	go func() { result <- s.Berth("run", "--name", "c", bb, "sleep", "1000") }()
	s.Eventually("the container to run", func() bool { return s.Berth("inspect", "-f", "{{.State.Running}}", "c").Stdout == "true\n" })
	s.Kill(s.Monitor("c"))
	select {
	case r := <-result:
		r.Expect(t, 125, "monitor")
	case <-time.After(30 * time.Second):
		s.OK("rm", "-f", "-t", "0", "c")
		t.Fatalf("expected the client to end with its monitor; it ended only with its container: %s", <-result)
	}
}
