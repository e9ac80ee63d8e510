package verb

import (
	"testing"

	"github.com/berth-engine/berth/test/sandbox"
)

func TestRmNamesAContainerThatRemovesItselfMeanwhile(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	for range 8 {
		s.OK("run", "-d", "--rm", "--name", "a", bb, "sleep", "1000")
		s.OK("run", "-d", "--rm", "--name", "b", bb, "sleep", "1000")
		sandbox.Equal(t, "what rm -f prints", s.OK("rm", "-f", "-t", "0", "a", "b"), "a\nb")
	}
	sandbox.Equal(t, "what rm -f prints of what is not there", s.OK("rm", "-f", "a", "b"), "")
	s.Fails(1, []string{"no such container"}, "rm", "a")
	s.NoLeaks()
}

func TestTwoRemovalsOfOneContainerBothSucceed(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	for range 5 {
		s.OK("run", "-d", "--name", "c", bb, "sleep", "1000")
		results := make(chan sandbox.Result, 2)
		for range cap(results) {
			go func() { results <- s.Berth("rm", "-f", "-t", "1", "c") }()
		}
		for range cap(results) {
			r := <-results
			r.Expect(t, 0)
		}
	}
	s.NoLeaks()
}
