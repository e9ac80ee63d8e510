package verb

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berth-engine/berth/test/sandbox"
)

// hangingRuntime is an OCI runtime that says in the file "hangs" that it was asked for this, and never answers.
func hangingRuntime(t *testing.T, s *sandbox.Sandbox, verb string) string {
	t.Helper()
	path := s.Write("hanging", `#!/bin/sh
for word; do
	if [ "$word" = `+verb+` ]; then touch `+s.Dir+`/hangs; exec sleep 1000; fi
done
exec `+sandbox.Runtime()+` "$@"
`)
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAStartThatHangsInTheRuntimeEndsBySignalAndIsUndone(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		verb string
		sig  syscall.Signal
		args []string
	}{
		{"create", syscall.SIGTERM, []string{"run", "--rm"}},
		{"create", syscall.SIGINT, []string{"run"}},
		{"create", syscall.SIGTERM, []string{"run", "-i", "-t"}},
		{"create", syscall.SIGHUP, []string{"run", "-d"}},
		{"start", syscall.SIGINT, []string{"run", "--rm"}},
		{"start", syscall.SIGTERM, []string{"run", "-d"}},
	} {
		t.Run(tc.verb+" "+tc.sig.String()+" "+strings.Join(tc.args, " "), func(t *testing.T) {
			t.Parallel()
			s := sandbox.New(t)
			bb := s.LoadBusybox()
			line := append([]string{"--runtime", hangingRuntime(t, s, tc.verb)}, tc.args...)
			interruptHanging(t, s, s.Command(t.Context(), append(line, "--name", "c", bb, "sleep", "1000")...), tc.sig)
			expected := "c created"
			if slices.Contains(tc.args, "--rm") {
				expected = ""
			}
			sandbox.Equal(t, "containers", s.OK("ps", "-a", "--format", "{{.Names}} {{.State}}"), expected)
			s.OK("rm", "-f", "-a")
			s.NoLeaks()
		})
	}
}

func TestAnExecThatHangsInTheRuntimeEndsBySignal(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("--runtime", hangingRuntime(t, s, "exec"), "run", "-d", "--name", "c", bb, "sleep", "1000")
	for _, args := range [][]string{{"exec", "c", "true"}, {"exec", "-d", "c", "true"}} {
		_ = os.Remove(s.Dir + "/hangs")
		interruptHanging(t, s, s.Command(t.Context(), args...), syscall.SIGTERM)
		sandbox.Equal(t, "sessions left", s.OK("inspect", "-f", "{{.ExecIDs}}", "c"), "[]")
	}
	s.OK("rm", "-f", "-t", "0", "c")
	s.NoLeaks()
}

// interruptHanging starts the command, waits until the runtime hangs, sends the signal and expects the command to end by it.
func interruptHanging(t *testing.T, s *sandbox.Sandbox, cmd *exec.Cmd, sig syscall.Signal) {
	t.Helper()
	result := make(chan sandbox.Result, 1)
	go func() { result <- s.Finish(t.Context(), cmd) }()
	s.Eventually("the runtime to hang", func() bool { return s.Exists(s.Dir + "/hangs") })
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	select {
	case r := <-result:
		r.Expect(t, 128+int(sig))
	case <-time.After(20 * time.Second):
		_ = cmd.Process.Kill()
		t.Errorf("expected the command to end by %s within 20 s: %s", sig, <-result)
	}
}
