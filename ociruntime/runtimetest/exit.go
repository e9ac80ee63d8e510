package runtimetest

import (
	"errors"
	"syscall"

	"github.com/berth-engine/berth/errdefs"
)

var exitTests = []test{
	{"code is the process's own", func(h *harness) {
		b := h.sh("exit 42")
		h.expectExit(b.finish().exit, 42, 0, false)
		b.delete()
	}},
	{"code 0", func(h *harness) {
		h.expectExit(h.box("/bin/true").finish().exit, 0, 0, false)
	}},
	{"signal gives 128+n", func(h *harness) {
		b := h.box("/bin/sleep", "1000").start()
		c := b.attach(waitOnly)
		must(h, h.runtime.Kill(h.ctx, b.id, b.process.PID, syscall.SIGKILL, false))
		h.expectExit(h.hear(c).exit, 137, 9, false)
	}},
	{"signal reaches a handler", func(h *harness) {
		b := h.sh("trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done")
		b.request.Attached = &all
		b.create().start()
		if _, err := b.process.Conn.Next(); err != nil {
			h.Fatal(err)
		}
		must(h, h.runtime.Kill(h.ctx, b.id, b.process.PID, syscall.SIGTERM, false))
		h.expectExit(h.hear(b.process.Conn).exit, 7, 0, false)
	}},
	{"kill of all ends every process", func(h *harness) {
		b := h.sh("sleep 1000 & sleep 1000; true").start()
		c := b.attach(waitOnly)
		h.eventually("two more processes run", func() bool {
			pids, err := h.runtime.Processes(h.ctx, b.id)
			must(h, err)
			return len(pids) == 3
		})
		must(h, h.runtime.Kill(h.ctx, b.id, b.process.PID, syscall.SIGKILL, true))
		h.expectExit(h.hear(c).exit, 137, 9, false)
	}},
	{"kill after the exit is a conflict", func(h *harness) {
		b := h.box("/bin/true")
		b.finish()
		err := h.runtime.Kill(h.ctx, b.id, b.process.PID, syscall.SIGTERM, false)
		if !errors.Is(err, errdefs.ErrConflict) {
			h.Errorf("error %v; expected a conflict", err)
		}
	}},
	{"kill of another process with the number is refused", func(h *harness) {
		b := h.box("/bin/sleep", "1000").start()
		pid := b.process.PID
		pid.Start++
		if err := h.runtime.Kill(h.ctx, b.id, pid, syscall.SIGKILL, false); !errors.Is(err, errdefs.ErrConflict) {
			h.Errorf("error %v; expected a conflict", err)
		}
		if !running(b.process.PID) {
			h.Error("the process has been killed")
		}
	}},
	{"running out of memory is seen", func(h *harness) {
		b := h.sh("x=x; while :; do x=$x$x; done")
		limit := int64(16 << 20)
		b.spec.Linux.Resources = memoryLimit(limit)
		s := b.finish()
		h.expectExit(s.exit, 137, 9, true)
	}},
	{"pause holds the process and resume lets it go on", func(h *harness) {
		b := h.sh("sleep 0.1; exit 3").start()
		c := b.attach(waitOnly)
		must(h, h.runtime.Pause(h.ctx, b.id))
		must(h, h.runtime.Resume(h.ctx, b.id))
		h.expectExit(h.hear(c).exit, 3, 0, false)
	}},
	{"delete of what is not there is no error", func(h *harness) {
		must(h, h.runtime.Delete(h.ctx, "no-such-container", false))
		must(h, h.runtime.Delete(h.ctx, "no-such-container", true))
	}},
}
