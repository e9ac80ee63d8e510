package runtimetest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

var handoverTests = []test{
	{"the clean-up command follows the exit", func(h *harness) {
		b := h.sh("exit 6")
		done := b.cleanup(`cat "$1/exit"`)
		b.start()
		if got := b.waitFor(done); !strings.HasPrefix(got, "code=6 ") {
			h.Errorf("the clean-up found %q; expected the exit record", got)
		}
	}},
	{"the clean-up command is the same process as the monitor was, with its environment and nothing else open", func(h *harness) {
		b := h.box("/bin/true")
		gate := filepath.Join(h.root, "gate")
		done := b.cleanup("while [ ! -e " + gate + ` ]; do sleep 0.02; done; echo $$ "$PATH" "[$GOMAXPROCS$GOGC$GOMEMLIMIT]" $(grep SigIgn /proc/$$/status)`)
		held, err := os.Create(filepath.Join(h.root, "held"))
		must(h, err)
		defer held.Close()
		b.request.Hold = []*os.File{held}
		b.start()
		h.eventually("the clean-up runs", func() bool { return commandOf(b.process.Monitor.Pid) == "sh" })
		var open []string
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", b.process.Monitor.Pid))
		must(h, err)
		for _, f := range files {
			if to, err := os.Readlink(f); err == nil && !strings.HasPrefix(to, "pipe:") { // a pipe is the shell's own
				open = append(open, filepath.Base(to))
			}
		}
		h.expectText("open files", strings.Join(open, " "), "null null runtime.log held")
		must(h, os.WriteFile(gate, nil, 0o600))
		// What this process ignores is inherited by all: make, for one, has its commands ignore signal 32.
		want := fmt.Sprintf("%d %s [] SigIgn: %s", b.process.Monitor.Pid, os.Getenv("PATH"), ignoredSignals(h))
		h.expectText("clean-up", b.waitFor(done), want)
	}},
	{"held locks are held until the clean-up is over", func(h *harness) {
		b := h.sh("exit 0")
		gate := filepath.Join(h.root, "gate")
		done := b.cleanup(fmt.Sprintf("while [ ! -e %s ]; do sleep 0.02; done", gate))
		name := filepath.Join(h.root, "lock")
		held, err := os.Create(name)
		must(h, err)
		must(h, lock(held))
		b.request.Hold = []*os.File{held}
		b.create()
		held.Close()
		again, err := os.OpenFile(name, os.O_RDWR, 0)
		must(h, err)
		defer again.Close()
		if lock(again) == nil {
			h.Fatal("the lock is free while the container is created; expected it held by the monitor")
		}
		c := b.attach(waitOnly)
		must(h, h.runtime.Start(h.ctx, b.id))
		h.hear(c)
		h.eventually("the clean-up runs", func() bool { return commandOf(b.process.Monitor.Pid) == "sh" })
		if lock(again) == nil {
			h.Fatal("the lock is free while the clean-up runs; expected it held")
		}
		must(h, os.WriteFile(gate, nil, 0o600))
		b.waitFor(done)
		h.eventually("the lock is free", func() bool { return lock(again) == nil })
	}},
	{"a client from the start that has cleaned up replaces the command", func(h *harness) {
		b := h.box("/bin/true")
		done := b.cleanup("true")
		b.finish()
		h.eventually("the monitor ends", func() bool { return !running(b.process.Monitor) })
		if _, err := os.Stat(done); err == nil {
			h.Error("the clean-up command has run; expected the client's word to be taken")
		}
	}},
	{"a client from the start that goes without a word is replaced by the command", func(h *harness) {
		b := h.box("/bin/true")
		done := b.cleanup("true")
		b.request.Attached = &all
		b.start()
		h.hear(b.process.Conn)
		time.Sleep(50 * time.Millisecond)
		if _, err := os.Stat(done); err == nil {
			h.Error("the clean-up command has run while the client is connected")
		}
		b.process.Conn.Close()
		b.waitFor(done)
	}},
	{"a client from the start that goes early is replaced by the command", func(h *harness) {
		b := h.sh("sleep 0.1")
		done := b.cleanup("true")
		b.request.Attached = &all
		b.start()
		b.process.Conn.Close()
		b.waitFor(done)
	}},
	{"clients are told before the command runs", func(h *harness) {
		b := h.sh("echo hello; exit 8").create()
		c := b.attach(all)
		b.start()
		s := h.hear(c)
		h.expectText("stdout", s.stdout.String(), "hello\n")
		h.expectExit(s.exit, 8, 0, false)
	}},
	{"the monitor outlives the session's signals", func(h *harness) {
		b := h.sh("sleep 0.3; exit 3").start()
		for _, sig := range []unix.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT, unix.SIGPIPE, unix.SIGUSR1} {
			must(h, unix.Kill(b.process.Monitor.Pid, sig))
		}
		h.expectExit(h.hear(b.attach(waitOnly)).exit, 3, 0, false)
	}},
	{"orphans of a container in the host's PID namespace leave no zombies", func(h *harness) {
		b := h.sh("for i in 1 2 3; do (sleep 0.1 & ); done; sleep 1000")
		b.spec.Linux.Namespaces = withoutPID(b.spec.Linux.Namespaces)
		b.start()
		h.eventually("the monitor has one child", func() bool {
			pid := b.process.Monitor.Pid
			children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
			must(h, err)
			return strings.Join(strings.Fields(string(children)), " ") == fmt.Sprint(b.process.PID.Pid)
		})
	}},
}

// cleanup gives the container a clean-up command, whose output will be in the file returned once it is over. $1 is the run directory.
func (b *box) cleanup(script string) (done string) {
	done = filepath.Join(b.root, b.id+".cleaned")
	b.request.Cleanup = []string{"/bin/sh", "-c", "out=$( " + script + "\n) && printf '%s' \"$out\" > " + done + ".tmp && mv " + done + ".tmp " + done, "sh", b.run}
	return done
}

func (b *box) waitFor(file string) string {
	b.Helper()
	var text []byte
	b.eventually("the clean-up command has run", func() (ok bool) {
		var err error
		text, err = os.ReadFile(file)
		return err == nil
	})
	return string(text)
}

// lock takes an open-file-description lock, which belongs to the description and so goes with a passed descriptor.
func lock(f *os.File) error {
	return unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
}

// commandOf is the name of the program that a process runs.
func commandOf(pid int) string {
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(name))
}

// ignoredSignals is the mask of the signals that this process ignores (proc(5), status, SigIgn).
func ignoredSignals(h *harness) string {
	status, err := os.ReadFile("/proc/self/status")
	must(h, err)
	for line := range strings.Lines(string(status)) {
		if mask, ok := strings.CutPrefix(line, "SigIgn:"); ok {
			return strings.TrimSpace(mask)
		}
	}
	h.Fatal("/proc/self/status says nothing of SigIgn")
	return ""
}
