package verb

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/berth-engine/berth/test/sandbox"
)

func TestAnInterruptedExecLeavesNoProcess(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", bb, "sleep", "1000")
	cmd := s.Command(t.Context(), "exec", "c", "sleep", "500")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	running := func() bool { return strings.Contains(s.OK("top", "c", "args"), "sleep 500") }
	s.Eventually("the command to run", running)
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	sandbox.Equal(t, "exit code of the interrupted exec", fmt.Sprint(cmd.ProcessState.ExitCode()), "130")
	if running() {
		t.Error("expected the command to have ended with its exec, it runs on")
	}
	sandbox.Equal(t, "exec sessions left", s.OK("inspect", "-f", "{{.ExecIDs}}", "c"), "[]")
	s.OK("rm", "-f", "-t", "0", "c")
	s.NoLeaks()
}
