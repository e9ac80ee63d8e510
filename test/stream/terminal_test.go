package stream

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berth-engine/berth/test/sandbox"
)

func TestAShellOnATerminalIsUsedAndLeft(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	tty := s.Terminal("run", "--rm", "-it", bb, "sh")
	tty.Expect("# ")
	if !tty.Raw() {
		t.Error("expected the terminal to be in raw mode while the container has it")
	}
	tty.Type("tty; echo $((6*7))\n")
	tty.Expect("/dev/pts/0")
	tty.Expect("42")
	tty.Type("exit 3\n")
	sandbox.Equal(t, "exit code", tty.Wait(), 3)
	sandbox.Equal(t, "containers", s.OK("ps", "-aq"), "")
}

func TestCtrlCReachesTheProcessOnTheTerminal(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	tty := s.Terminal("run", "--rm", "-it", bb, "sh")
	tty.Expect("# ")
	tty.Type("sleep 1000\n")
	tty.Expect("sleep 1000")
	time.Sleep(200 * time.Millisecond) // until the shell has started it; nothing tells
	tty.Type("\x03")
	tty.Expect("# ")
	tty.Type("echo code $?\n")
	tty.Expect("code 130")
	tty.Type("\x04") // end of input ends the shell
	sandbox.Equal(t, "exit code", tty.Wait(), 0)
}

func TestCtrlCWithoutATerminalOfItsOwnIsASignalToTheContainer(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	tty := s.Terminal("run", "--rm", bb, "sh", "-c", `trap "echo interrupted; exit 42" INT; echo ready; while :; do sleep 0.05; done`)
	tty.Expect("ready")
	tty.Type("\x03")
	tty.Expect("interrupted")
	sandbox.Equal(t, "exit code", tty.Wait(), 42)
}

func TestSignalsAreProxied(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	script := `trap "exit 41" HUP; trap "exit 42" USR1; trap "exit 43" TERM; trap "exit 44" USR2; echo ready; while :; do sleep 0.05; done`
	for i, tc := range []struct {
		signal syscall.Signal
		code   int
	}{{syscall.SIGHUP, 41}, {syscall.SIGUSR1, 42}, {syscall.SIGTERM, 43}, {syscall.SIGUSR2, 44}} {
		name := fmt.Sprintf("c%d", i)
		ctx, cancel := context.WithTimeout(t.Context(), sandbox.Patience)
		defer cancel()
		cmd := s.Command(ctx, "run", "--rm", "--name", name, bb, "sh", "-c", script)
		go func() {
			s.Eventually("the script to be ready", func() bool { return strings.Contains(s.Berth("logs", name).Stdout, "ready") })
			_ = cmd.Process.Signal(tc.signal)
		}()
		if r := s.Finish(ctx, cmd); r.Code != tc.code {
			t.Errorf("%v: expected exit code %d, got %s", tc.signal, tc.code, r)
		}
	}
}

func TestWithoutSignalProxyTheContainerGoesOn(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	ctx, cancel := context.WithTimeout(t.Context(), sandbox.Patience)
	defer cancel()
	cmd := s.Command(ctx, "run", "--sig-proxy=false", "--name", "c", bb, "sh", "-c", `trap "exit 43" TERM; echo ready; while :; do sleep 0.05; done`)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.Eventually("the script to be ready", func() bool { return strings.Contains(s.Berth("logs", "c").Stdout, "ready") })
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = cmd.Wait()
	sandbox.Equal(t, "status after the client's end", s.OK("inspect", "--format", "{{.State.Status}}", "c"), "running")
}

func TestTheWindowSizeIsFollowed(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", bb, "sleep", "1000")
	for _, args := range [][]string{
		{"run", "--rm", "-it", bb, "sh"},
		{"exec", "-it", "c", "sh"},
	} {
		tty := s.Terminal(args...)
		tty.Expect("# ")
		tty.Type("stty size\n")
		tty.Expect("24 80")
		tty.Resize(100, 30)
		s.Eventually("the new size", func() bool {
			tty.Type("stty size\n")
			time.Sleep(50 * time.Millisecond)
			return strings.Contains(tty.Output(), "30 100")
		})
		tty.Type("exit\n")
		sandbox.Equal(t, "exit code", tty.Wait(), 0)
	}
}

func TestTheFirstProgramSeesTheWindowSizeAtOnce(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	for range 5 {
		tty := s.Terminal("run", "--rm", "-it", bb, "stty", "size")
		sandbox.Equal(t, "exit code", tty.Wait(), 0)
		tty.Expect("24 80")
	}
}

func TestDetachAndAttachAgain(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	tty := s.Terminal("run", "-it", "--name", "c", bb, "sh")
	tty.Expect("# ")
	tty.Type("before=1\n")
	tty.Type("\x10\x11") // ctrl-p ctrl-q
	sandbox.Equal(t, "exit code after detaching", tty.Wait(), 0)
	sandbox.Equal(t, "status", s.OK("inspect", "--format", "{{.State.Status}}", "c"), "running")

	tty = s.Terminal("attach", "--detach-keys", "ctrl-x,x", "c")
	tty.Type("echo again $before\n")
	tty.Expect("again 1")
	tty.Type("\x18x")
	sandbox.Equal(t, "exit code after detaching with other keys", tty.Wait(), 0)

	tty = s.Terminal("attach", "c")
	tty.Type("exit 5\n")
	sandbox.Equal(t, "exit code of the container, attached", tty.Wait(), 5)
	sandbox.Equal(t, "exit code of the container, inspected", s.OK("inspect", "--format", "{{.State.ExitCode}}", "c"), "5")
}

func TestTheBeginningOfTheDetachKeysAloneIsInput(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	tty := s.Terminal("run", "--rm", "-it", bb, "sh", "-c", "stty raw -echo; echo ready; head -c 2 | od -An -tx1")
	tty.Expect("ready")
	tty.Type("\x10a")
	tty.Expect("10 61")
	sandbox.Equal(t, "exit code", tty.Wait(), 0)
}

func TestTheTerminalIsRestoredWhateverEndsTheContainer(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		end  func(s *sandbox.Sandbox, tty *sandbox.Terminal)
		code int // -1 for any
	}{
		{"a kill of the container", func(s *sandbox.Sandbox, _ *sandbox.Terminal) { s.OK("kill", "c") }, 137},
		{"its removal", func(s *sandbox.Sandbox, _ *sandbox.Terminal) { s.OK("rm", "-f", "-t", "0", "c") }, 137},
		{"a kill of its monitor", func(s *sandbox.Sandbox, _ *sandbox.Terminal) { s.Kill(s.Monitor("c")) }, -1},
		// With a terminal signals are not passed on, as in Docker and podman: what a person types goes another way.
		{"the client's own termination", func(_ *sandbox.Sandbox, tty *sandbox.Terminal) { _ = syscall.Kill(tty.Pid(), syscall.SIGTERM) }, 143},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := sandbox.New(t)
			bb := s.LoadBusybox()
			tty := s.Terminal("run", "-it", "--name", "c", bb, "sh")
			tty.Expect("# ")
			if !tty.Raw() {
				t.Error("expected raw mode")
			}
			tc.end(s, tty)
			if code := tty.Wait(); tc.code >= 0 && code != tc.code {
				t.Errorf("expected exit code %d, got %d; on the terminal: %q", tc.code, code, tty.Output())
			}
		})
	}
}

func TestATerminalAskedForWithoutOneIsAnErrorOrIgnoredAsInDocker(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	// Output of -t goes anywhere; as from a terminal, newlines are two characters.
	r := s.Berth("run", "--rm", "-t", bb, "echo", "x")
	r.Expect(t, 0)
	sandbox.Equal(t, "output", r.Stdout, "x\r\n")
}

func TestStandardErrorOfATerminalIsItsOutput(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	r := s.Berth("run", "--rm", "-t", bb, "sh", "-c", "echo a >&2")
	sandbox.Equal(t, "stdout", r.Stdout, "a\r\n")
	sandbox.Equal(t, "stderr", r.Stderr, "")
}
