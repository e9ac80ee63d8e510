package monitor

import (
	"syscall"

	"github.com/berth-engine/berth/internal/monitor/wire"
)

// unknownCode is the exit code of a process that was not our child, which no runtime known makes.
const unknownCode = 255

// exit is how and when the first process ended.
type exit struct {
	code, signal int
	sec, nsec    int64
}

// reap collects the children that have ended: the first process, and what it or the runtime left to us as their subreaper.
func (m *monitor) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := wait(-1, &status)
		if pid == m.child.pid && pid > 0 {
			m.exit = exit{code: exitCode(status)}
			if status.Signaled() {
				m.exit.signal = int(status.Signal())
			}
			m.ended()
			return
		}
		if pid > 0 {
			continue
		}
		if m.child.gone && err == syscall.ECHILD {
			m.exit = exit{code: unknownCode}
			m.ended()
		}
		return
	}
}

func (m *monitor) ended() {
	m.oom.ready(0) // first, while the control group is there
	m.exited = true
	m.exit.sec, m.exit.nsec = clock(clockRealtime)
	m.loop.close(m.child.pidfd)
	m.child.pidfd = -1
}

// finish is all that happens after the exit, in this order: the rest of the output is read and logged; the exit is recorded;
// the clients get what is left for them and the record; the monitor makes room for the clean-up command.
func (m *monitor) finish() {
	m.stdin.close()
	m.drain()
	m.log.close()
	m.record = wire.Exit{
		Code: m.exit.code, Signal: m.exit.signal, OOM: m.oom.killed(), Sec: m.exit.sec, Nsec: m.exit.nsec,
	}.Append(nil)
	m.writeRecord()
	m.deliver()
	m.sayGoodbye()
	m.discard()
	if m.cleanedUp || m.creation.quit || len(m.o.cleanup) == 0 {
		return
	}
	m.become(m.o.cleanup)
}

// writeRecord puts the exit record in place as a whole.
func (m *monitor) writeRecord() {
	const temporary = wire.ExitFile + ".new"
	fd, err := syscall.Open(temporary, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_TRUNC|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return
	}
	n, err := write(fd, m.record)
	syscall.Close(fd)
	if err == nil && n == len(m.record) {
		err = syscall.Rename(temporary, wire.ExitFile)
	}
	if err != nil {
		syscall.Unlink(temporary)
	}
}

// sayGoodbye waits until all clients have been told, those who do not listen excepted; and for the inherited client, which has
// promised to clean up, to say that it has, or to go.
func (m *monitor) sayGoodbye() {
	deadline := now() + farewell
	for {
		next := m.dropStuck()
		waiting := m.inherited != nil && !m.cleanedUp
		if left := deadline - now(); left > 0 && m.others() > 0 {
			waiting = true
			next = sooner(next, left)
		}
		if !waiting {
			return
		}
		m.loop.wait(next)
	}
}

// others counts the clients beside the inherited one that have not been told yet.
func (m *monitor) others() int {
	n := 0
	for _, c := range m.clients {
		if c.greeted && !c.inherited {
			n++
		}
	}
	return n
}

// abandon ends a monitor without a process. If the caller is no longer there to clean up, that is left to the command.
func (m *monitor) abandon() int {
	m.discard()
	if m.creation.orphaned && !m.creation.quit && len(m.o.cleanup) > 0 {
		m.become(m.o.cleanup)
	}
	return 1
}

// become replaces this process by a command, which inherits the held descriptors, the environment and /dev/null, and nothing else.
func (m *monitor) become(command []string) {
	unlockCreation()
	for i := 0; i < m.o.hold.n; i++ {
		setCloexec(m.o.hold.first+i, false)
	}
	for i, sig := range ignored {
		restoreSignal(sig, &m.signals[i])
	}
	syscall.Chdir("/")
	syscall.Exec(command[0], command, m.environ)
}
