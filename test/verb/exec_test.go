package verb

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-engine/berth/test/leak"
	"github.com/berth-engine/berth/test/sandbox"
)

func TestAnExecLeavesNothing(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", bb, "sleep", "1000")
	s.Eventually("the process to be itself", func() bool { return strings.Contains(s.OK("top", "c"), "sleep 1000") }) // and not the OCI runtime's
	before := map[leak.Leak]bool{}
	for _, l := range s.LeftNow() {
		before[l] = true
	}
	for _, args := range [][]string{
		{"exec", "c", "true"}, {"exec", "c", "no-such-command"}, {"exec", "-t", "c", "true"},
		{"exec", "-u", "nobody-here", "c", "true"}, {"exec", "-w", "/no/such/dir", "c", "true"},
	} {
		s.Berth(args...)
		var left []leak.Leak
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			left = slices.DeleteFunc(s.LeftNow(), func(l leak.Leak) bool { return before[l] })
			if len(left) == 0 {
				break
			}
		}
		if len(left) > 0 {
			t.Errorf("%s: expected nothing left, got\n%s", strings.Join(args, " "), leak.List(left))
		}
		for _, l := range left {
			before[l] = true
		}
	}
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
