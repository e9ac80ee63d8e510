package runtimetest

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/berth-engine/berth/ociruntime"
)

var killTests = []test{
	{"a monitor that is killed is reported lost, and the container can be deleted", func(h *harness) {
		b := h.box("/bin/sleep", "1000").start()
		c := b.attach(all)
		must(h, syscall.Kill(b.process.Monitor.Pid, syscall.SIGKILL))
		if s := listen(c); !errors.Is(s.err, ociruntime.ErrMonitorLost) {
			h.Errorf("error %v; expected ErrMonitorLost", s.err)
		}
		must(h, h.runtime.Kill(h.ctx, b.id, b.process.PID, syscall.SIGKILL, false))
	}},
	{"a runtime that is killed while it creates leaves nothing", func(h *harness) {
		for range 5 {
			b := h.box("/bin/sleep", "1000")
			created := make(chan struct{})
			go killRuntime(b, created)
			p, err := b.tryCreate(h.ctx)
			close(created)
			if err == nil {
				b.process = p // it was too late
			}
			b.mustBeGone()
		}
	}},
	{"a monitor that is killed while it creates leaves nothing", func(h *harness) {
		for range 5 {
			b := h.box("/bin/sleep", "1000")
			created := make(chan struct{})
			go killMonitor(b, created)
			p, err := b.tryCreate(h.ctx)
			close(created)
			if err == nil {
				b.process = p
			} else if !errors.Is(err, ociruntime.ErrMonitorLost) {
				h.Errorf("error %v; expected ErrMonitorLost", err)
			}
			b.mustBeGone()
		}
	}},
}

// killRuntime kills the runtime as soon as it is there, unless the container is created before.
func killRuntime(b *box, created <-chan struct{}) {
	killFirst(created, "--bundle\x00"+b.bundle+"\x00--pid-file")
}

func killMonitor(b *box, created <-chan struct{}) {
	killFirst(created, "--sync-fd\x003\x00", b.run+"\x00")
}

// killFirst kills the first process that is seen with words on its command line.
func killFirst(stop <-chan struct{}, words ...string) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		if pids := processesWith(words...); len(pids) > 0 {
			syscall.Kill(pids[0], syscall.SIGKILL)
			return
		}
	}
}

// processesWith finds processes by what is on their command line.
func processesWith(words ...string) (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		line, _ := os.ReadFile(f)
		all := true
		for _, w := range words {
			all = all && strings.Contains(string(line), w)
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f))); all && err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// withoutPID leaves a container in the host's PID namespace.
func withoutPID(list []specs.LinuxNamespace) (kept []specs.LinuxNamespace) {
	for _, n := range list {
		if n.Type != specs.PIDNamespace {
			kept = append(kept, n)
		}
	}
	return kept
}
