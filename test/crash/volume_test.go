package crash

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berth-engine/berth/test/sandbox"
)

// startStopped starts berth with a failpoint at which it stops, and returns when it has. resume lets it go on to its end.
func startStopped(t *testing.T, s *sandbox.Sandbox, point string, args ...string) (resume func() sandbox.Result) {
	t.Helper()
	cmd := s.Command(t.Context(), args...)
	cmd.Env = append(cmd.Env[:len(cmd.Env):len(cmd.Env)], "BERTH_FAILPOINT="+point+"=stop")
	result := make(chan sandbox.Result, 1)
	go func() { result <- s.Finish(t.Context(), cmd) }()
	var pid int
	s.Eventually("berth to stop at "+point, func() bool {
		for _, p := range s.Processes()["berth"] {
			stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p), "stat"))
			if err == nil && strings.Contains(string(stat), ") T ") {
				pid = p
			}
		}
		return pid != 0
	})
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	return func() sandbox.Result {
		_ = syscall.Kill(pid, syscall.SIGCONT)
		return <-result
	}
}

func TestWhatIsWrittenToAVolumeOfTheSameNameIsNotRemovedWithTheOneBefore(t *testing.T) {
	t.Parallel()
	s := sandbox.NewWithFailpoints(t)
	bb := s.LoadBusybox()
	s.OK("volume", "create", "v")
	resume := startStopped(t, s, "volume-rm:record:after", "volume", "rm", "v")
	written := make(chan sandbox.Result, 1)
	go func() { written <- s.Berth("run", "--rm", "-v", "v:/data", bb, "sh", "-c", "echo kept > /data/f") }()
	var writer *sandbox.Result
	select {
	case r := <-written:
		writer = &r
	case <-time.After(2 * time.Second): // it waits for the removal
	}
	resume().Expect(t, 0)
	if writer == nil {
		r := <-written
		writer = &r
	}
	writer.Expect(t, 0)
	sandbox.Equal(t, "the file", s.OK("run", "--rm", "-v", "v:/data", bb, "cat", "/data/f"), "kept")
	s.OK("volume", "rm", "v")
}

func TestARemovalOfAVolumeThatWasKilledIsFinishedOrWasNone(t *testing.T) {
	t.Parallel()
	s := sandbox.NewWithFailpoints(t)
	bb := s.LoadBusybox()
	put := []string{"run", "--rm", "-v", "v:/data", bb, "sh", "-c", "echo old > /data/f"}
	s.OK(put...)
	var points []string
	for _, line := range strings.Split(withFailpoint(t, s, "list", []string{"volume", "rm", "v"}).Stderr, "\n") {
		if p, ok := strings.CutPrefix(line, "failpoint "); ok {
			points = append(points, p)
		}
	}
	if len(points) < 4 {
		t.Fatalf("expected volume rm to pass named steps, got %v", points)
	}
	next := map[string]func() string{
		"volume create": func() string {
			s.Berth("volume", "create", "v")
			return s.OK("run", "--rm", "-v", "v:/data", bb, "ls", "/data")
		},
		"run": func() string { return s.OK("run", "--rm", "-v", "v:/data", bb, "ls", "/data") },
		"another run": func() string {
			s.OK("run", "--rm", bb, "true")
			return strings.TrimSpace(strings.Join(names(t, filepath.Join(s.Root, "volumes", "v", "_data")), " "))
		},
	}
	for _, point := range instants(points) {
		for what, after := range next {
			s.OK(put...)
			withFailpoint(t, s, point+"=kill", []string{"volume", "rm", "v"}).Expect(t, 137)
			recorded := s.OK("volume", "ls", "-q") == "v"
			expected := ""
			if recorded {
				expected = "f"
			}
			sandbox.Equal(t, "files after "+point+" and "+what, after(), expected)
			if recorded || what != "another run" {
				s.OK("volume", "rm", "v")
			}
			s.NoLeaks()
			if t.Failed() {
				return
			}
		}
	}
}

func TestTheFirstUsesOfAVolumeByTwoContainersFillItOnce(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	results := make(chan sandbox.Result, 8)
	for range cap(results) {
		go func() { results <- s.Berth("run", "--rm", "-v", "v:/bin", bb, "sh", "-c", "ls /bin | wc -l") }()
	}
	first := <-results
	first.Expect(t, 0)
	for range cap(results) - 1 {
		r := <-results
		r.Expect(t, 0)
		sandbox.Equal(t, "files that a container sees", r.Stdout, first.Stdout)
	}
	s.OK("volume", "rm", "v")
}
