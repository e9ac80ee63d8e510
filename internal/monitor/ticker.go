package monitor

import (
	"runtime"
	"strconv"
	"syscall"

	"github.com/berth-engine/berth/internal/monitor/wire"
)

// ticker runs the periodic command whenever the time in wire.DueFile has come, one at a time: the command, or whoever else, writes the next
// time there. The file is read at the start, when the command has ended, and when a client says wire.Look.
type ticker struct {
	m       *monitor
	due     int64 // on the monotonic clock, in nanoseconds; below 0 for never
	ran     int64 // the time for which the command was run last
	ended   int   // how many commands have
	command process
	busy    bool
}

// collectEvery is after how many commands the memory that starting them has taken is collected, some 2 kB each: nothing else is.
const collectEvery = 64

// look reads when the command is due. A file that is not there, or holds no number above zero, is never, and so
// is a time for which the command has been run.
func (t *ticker) look() {
	t.due = -1
	if len(t.m.o.periodic) == 0 {
		return
	}
	var scratch [32]byte // the shared buffer may be on its way to a client
	text, err := readFile(wire.DueFile, scratch[:])
	for len(text) > 0 && text[len(text)-1] == '\n' {
		text = text[:len(text)-1]
	}
	if n, perr := strconv.ParseInt(string(text), 10, 64); err == nil && perr == nil && n > 0 && n != t.ran {
		t.due = n
	}
}

// wait is how long until the command is due, in nanoseconds, below 0 for ever.
func (t *ticker) wait() int64 {
	if t.busy || t.due < 0 {
		return -1
	}
	return max(t.due-now(), 0)
}

// tick starts the command if it is due.
func (t *ticker) tick() {
	if t.wait() != 0 {
		return
	}
	t.ran, t.due = t.due, -1
	null, err := devNull(syscall.O_RDWR)
	if err != nil {
		return
	}
	pidfd := -1
	pid, err := syscall.ForkExec(t.m.o.periodic[0], t.m.o.periodic, &syscall.ProcAttr{
		Env: t.m.environ, Files: []uintptr{uintptr(null), uintptr(null), 2}, Sys: &syscall.SysProcAttr{PidFD: &pidfd},
	})
	syscall.Close(null)
	if err != nil {
		return // until somebody says when to try again
	}
	t.command, t.busy = process{pid: pid, pidfd: pidfd}, true
	t.m.loop.watch(pidfd, eventIn, t)
}

// ready sees the command end, which may have been collected before, as all children are.
func (t *ticker) ready(uint32) {
	var status syscall.WaitStatus
	if pid, err := wait(t.command.pid, &status); pid != t.command.pid && err != syscall.ECHILD {
		return
	}
	t.m.loop.close(t.command.pidfd)
	t.command.pidfd, t.busy = -1, false
	if t.ended++; t.ended%collectEvery == 0 {
		runtime.GC()
	}
	t.look()
}
