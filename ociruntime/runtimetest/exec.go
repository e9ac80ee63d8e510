package runtimetest

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/berth-engine/berth/ociruntime"
)

var execTests = []test{
	{"the process runs in the container, with its own code and streams", func(h *harness) {
		b := h.idle()
		s := b.exec(func(p *specs.Process) { p.Args = []string{"/bin/sh", "-c", "hostname; echo err >&2; exit 9"} }).hear()
		h.expectText("stdout", s.stdout.String(), "box\n")
		h.expectText("stderr", s.stderr.String(), "err\n")
		h.expectExit(s.exit, 9, 0, false)
	}},
	{"a short process loses nothing", func(h *harness) {
		b := h.idle()
		for range 10 {
			s := b.exec(func(p *specs.Process) { p.Args = []string{"/bin/echo", "short"} }).hear()
			h.expectText("stdout", s.stdout.String(), "short\n")
			h.expectExit(s.exit, 0, 0, false)
		}
	}},
	{"a signal is told", func(h *harness) {
		b := h.idle()
		x := b.exec(func(p *specs.Process) { p.Args = []string{"/bin/sleep", "1000"} })
		must(h, h.runtime.Kill(h.ctx, b.id, x.process.PID, syscall.SIGTERM, false))
		h.expectExit(x.hear().exit, 143, 15, false)
	}},
	{"a terminal", func(h *harness) {
		b := h.idle()
		x := b.exec(func(p *specs.Process) {
			// crun 1.8 does not take the size from the process document, so that it comes a moment later.
			p.Args, p.Terminal = []string{"/bin/sh", "-c", "until [ \"$(stty size 2>/dev/null)\" ]; do :; done; stty size"}, true
		})
		s := x.hear()
		h.expectText("terminal", s.stdout.String(), "24 80\r\n")
		h.expectExit(s.exit, 0, 0, false)
	}},
	{"what it leaves in the background does not hold it up", func(h *harness) {
		b := h.idle()
		s := b.exec(func(p *specs.Process) { p.Args = []string{"/bin/sh", "-c", "sleep 1000 & echo done"} }).hear()
		h.expectText("stdout", s.stdout.String(), "done\n")
	}},
	{"the end of the container ends it", func(h *harness) {
		b := h.idle()
		x := b.exec(func(p *specs.Process) { p.Args = []string{"/bin/sleep", "1000"} })
		must(h, h.runtime.Kill(h.ctx, b.id, b.process.PID, syscall.SIGKILL, false))
		h.expectExit(x.hear().exit, 137, 9, false)
	}},
	{"nothing is left of it", func(h *harness) {
		b := h.idle()
		x := b.exec(func(p *specs.Process) { p.Args = []string{"/bin/true"} })
		x.hear()
		h.eventually("its monitor ends", func() bool { return !running(x.process.Monitor) })
		pids, err := h.runtime.Processes(h.ctx, b.id)
		must(h, err)
		if len(pids) != 1 {
			h.Errorf("processes %v; expected the first alone", pids)
		}
		left, _ := os.ReadDir(x.run)
		for _, f := range left {
			if name := f.Name(); name != "exit" && name != "pid" && name != "runtime.log" {
				h.Errorf("%s is left in the run directory", name)
			}
		}
	}},
	{"nothing but the asked-for descriptors reach it", func(h *harness) {
		b := h.idle()
		s := b.exec(func(p *specs.Process) { p.Args = []string{"/bin/sh", "-c", "ls /proc/self/fd | tr '\\n' ' '"} }).hear()
		h.expectText("descriptors", s.stdout.String(), "0 1 2 3 ")
	}},
	{"without input it has an end, and no file of the host", func(h *harness) {
		b := h.idle()
		s := b.exec(func(p *specs.Process) {
			p.Args = []string{"/bin/sh", "-c", "chmod 600 /proc/self/fd/0; readlink /proc/self/fd/0 | cut -c1-5; cat"}
		}).hear()
		h.expectText("stdout", s.stdout.String(), "pipe:\n")
	}},
	{"a command that is not there is not found", func(h *harness) {
		for _, args := range [][]string{{"no-such-command"}, {"/no/such/command"}} {
			h.expectExecError(ociruntime.ErrCommandNotFound, args...)
		}
	}},
	{"a command that cannot be run cannot be invoked", func(h *harness) {
		for _, args := range [][]string{{"/bin/not-executable"}, {"/bin/directory"}} {
			h.expectExecError(ociruntime.ErrCannotInvoke, args...)
		}
	}},
	{"a command of no known format cannot be invoked, or fails and says why", func(h *harness) {
		x, err := h.idle().tryExec(func(p *specs.Process) { p.Args = []string{"/bin/bad-format"} })
		if errors.Is(err, ociruntime.ErrCannotInvoke) {
			return // crun; runc finds out when it has let go of the process
		}
		must(h, err)
		if s := x.hear(); s.exit.Code == 0 || !strings.Contains(s.stderr.String(), "xec format error") {
			h.Errorf("exit code %d and %q; expected a failure that says why", s.exit.Code, s.stderr.String())
		}
	}},
	{"a working directory that is not there is an error", func(h *harness) {
		b := h.idle()
		_, err := b.tryExec(func(p *specs.Process) { p.Args, p.Cwd = []string{"/bin/true"}, "/no/such/directory" })
		if !errors.Is(err, ociruntime.ErrCannotInvoke) {
			h.Errorf("error %v; expected ErrCannotInvoke", err)
		}
	}},
}

// idle is a running container in which to run more.
func (h *harness) idle() *box { return h.box("/bin/sleep", "1000").start() }

// session is one exec session.
type session struct {
	*harness
	run     string
	process *ociruntime.Process
}

func (b *box) exec(change func(*specs.Process)) *session {
	b.Helper()
	x, err := b.tryExec(change)
	if err != nil {
		b.Fatalf("exec: %v", err)
	}
	return x
}

func (b *box) tryExec(change func(*specs.Process)) (*session, error) {
	b.Helper()
	p := *b.spec.Process
	change(&p)
	document, err := json.Marshal(p)
	must(b, err)
	x := &session{harness: b.harness, run: filepath.Join(b.root, "exec", filepath.Base(b.TempDir()))}
	must(b, os.MkdirAll(x.run, 0o700))
	x.process, err = b.runtime.Exec(b.ctx, ociruntime.ExecRequest{
		ID: "session", Container: b.id, Process: document, Run: x.run, ContainerPID: b.process.PID,
		Stdio:    ociruntime.Stdio{Terminal: p.Terminal, Width: 80, Height: 24},
		Attached: &all,
	})
	return x, err
}

func (x *session) hear() *said {
	x.Helper()
	s := x.harness.hear(x.process.Conn)
	x.process.Conn.Close()
	return s
}

func (h *harness) expectExecError(want error, args ...string) {
	h.Helper()
	b := h.idle()
	x, err := b.tryExec(func(p *specs.Process) { p.Args = args })
	if !errors.Is(err, want) {
		h.Errorf("%q: error %v; expected %v", args, err, want)
	}
	if err == nil {
		s := listen(x.process.Conn)
		h.Errorf("it said %q, %q, %+v", s.stdout.String(), s.stderr.String(), s.exit)
	}
	pids, err := h.runtime.Processes(h.ctx, b.id)
	must(h, err)
	if len(pids) != 1 {
		h.Errorf("processes %v; expected the first alone", pids)
	}
}
