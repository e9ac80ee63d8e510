package verb

import (
	"strings"
	"testing"

	"github.com/berth-engine/berth/test/leak"
	"github.com/berth-engine/berth/test/sandbox"
)

func TestAnExecLeavesNothing(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", bb, "sleep", "1000")
	before := names(s.LeftNow())
	for _, args := range [][]string{
		{"exec", "c", "true"}, {"exec", "c", "no-such-command"}, {"exec", "-t", "c", "true"}, {"exec", "-d", "c", "true"},
		{"exec", "-u", "nobody-here", "c", "true"}, {"exec", "-w", "/no/such/dir", "c", "true"},
	} {
		s.Berth(args...)
		s.Eventually("what "+strings.Join(args, " ")+" left to go away", func() bool {
			return names(s.LeftNow()) == before
		})
	}
}

// names are the leaks of one moment, in a form to be compared.
func names(leaks []leak.Leak) string {
	var all []string
	for _, l := range leaks {
		all = append(all, string(l.Kind)+" "+l.Name)
	}
	return strings.Join(all, "\n")
}

func TestADetachedExecGoesOn(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", bb, "sleep", "1000")
	s.OK("exec", "-d", "c", "sh", "-c", "sleep 0.2; echo done > /made")
	s.Eventually("the file that it makes", func() bool { return s.Berth("exec", "c", "cat", "/made").Stdout == "done\n" })
}

func TestAContainersEndEndsItsExecSessions(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", bb, "sleep", "1000")
	result := make(chan sandbox.Result)
	go func() { result <- s.Berth("exec", "c", "sh", "-c", "echo ready > /ready; sleep 1000") }()
	s.Eventually("the session", func() bool { return s.Berth("exec", "c", "test", "-e", "/ready").Code == 0 })
	s.OK("kill", "c")
	r := <-result
	r.Expect(t, 137)
	s.OK("rm", "c")
	s.NoLeaks()
}

func TestManyExecsAtATime(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", bb, "sleep", "1000")
	results := make(chan sandbox.Result, 16)
	for range cap(results) {
		go func() { results <- s.Berth("exec", "c", "echo", "x") }()
	}
	for range cap(results) {
		r := <-results
		r.Expect(t, 0)
		sandbox.Equal(t, "output", r.Stdout, "x\n")
	}
}
