package verb

import (
	"fmt"
	"strings"
	"testing"

	"github.com/berth-engine/berth/test/sandbox"
)

// environment is a file of variables that have so many bytes in all, each with its name and a NUL behind it.
func environment(t *testing.T, s *sandbox.Sandbox, name string, size int) string {
	t.Helper()
	var b strings.Builder
	for i := 0; size > 0; i++ {
		line := fmt.Sprintf("V%03d=%s", i, strings.Repeat("x", min(size, 100_000)))
		size -= len(line) + 1
		b.WriteString(line + "\n")
	}
	return s.Write(name, b.String())
}

func TestAnEnvironmentLargerThanTheKernelTakesCannotBeInvoked(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	large, fits := environment(t, s, "large", 8<<20), environment(t, s, "fits", 1<<20)
	s.OK("run", "-d", "--name", "c", bb, "sleep", "1000")
	for _, args := range [][]string{
		{"run", "--rm", "--env-file", large, bb, "true"},
		{"run", "--rm", "--init", "--env-file", large, bb, "true"},
		{"run", "-d", "--rm", "--env-file", large, bb, "true"},
		{"exec", "--env-file", large, "c", "true"},
		{"exec", "-d", "--env-file", large, "c", "true"},
		// A smaller stack leaves less room.
		{"run", "--rm", "--ulimit", "stack=1048576", "--env-file", fits, bb, "true"},
	} {
		s.Fails(126, []string{"the kernel takes", "bytes"}, args...)
	}
	s.OK("run", "--rm", "--env-file", fits, bb, "true")
	s.OK("exec", "--env-file", fits, "c", "true")
	s.OK("rm", "-f", "-t", "0", "c")
	sandbox.Equal(t, "containers", s.OK("ps", "-aq"), "")
}
