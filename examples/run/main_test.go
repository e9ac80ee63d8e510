package main

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/berth-engine/berth/test/sandbox"
)

func TestMain(m *testing.M) { sandbox.Main(m) }

func TestTheExampleRunsAContainerAndExitsAsItDid(t *testing.T) {
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	program := s.Build("examples/run")
	example := func(args ...string) sandbox.Result {
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir = s.Dir
		// The library finds berth and berth-monitor in PATH.
		cmd.Env = append([]string{"PATH=" + filepath.Dir(s.Program("berth")) + ":/usr/sbin:/usr/bin:/sbin:/bin"}, s.Env[1:]...)
		return s.Finish(t.Context(), cmd)
	}
	r := example(bb, "sh", "-c", "echo out; echo err >&2; exit 7")
	r.Expect(t, 7)
	sandbox.Equal(t, "stdout", r.Stdout, "out\n")
	sandbox.Equal(t, "stderr", r.Stderr, "err\n")
	example(bb, "no-such-command").Expect(t, 125, "no-such-command")
	example("localhost/nothing", "true").Expect(t, 125, "localhost/nothing")
	sandbox.Equal(t, "containers", s.OK("ps", "-aq"), "")
}
