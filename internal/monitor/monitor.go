package monitor

import (
	"errors"
	"strconv"
	"syscall"

	"github.com/berth-engine/berth/internal/monitor/wire"
)

// monitor is the one object of the process.
type monitor struct {
	o       options
	environ []string // for the runtime and the clean-up command
	loop    loop
	packet  packet

	log      log
	chunk    []byte // mapped; the shared buffer for output
	queue    []chunk
	outputs  []output
	stalled  bool // a slow client holds the output back
	stdin    stdin
	clients  []*client
	spare    []*client // to be used again, since nothing is collected
	listener listener
	listenFD int
	deaf     bool // out of descriptors: not listening for now

	inherited  *client
	cleanedUp  bool // the inherited client has said so
	terminalFD int  // the pty's master; -1 for none

	creation creation
	child    process
	oom      oomCounter
	ticker   ticker
	exited   bool // the first process has ended
	exit     exit
	record   []byte // the exit record, once written
	signals  [4]sigaction

	// room is for the first few of what there may be more of.
	room struct {
		outputs [2]output
		clients [4]*client
		queue   [4]chunk
	}
}

var ignored = [4]syscall.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM}

// the is the program's monitor. It is not on the heap, where each size of object takes two pages of its own.
var the monitor

// Main is the program: args is the command line without the program's name, environ its environment. It returns the exit code.
func Main(args, environ []string) int {
	m := &the
	if err := m.o.parse(args); err != nil {
		return complain(2, err)
	}
	m.environ = own(environ)
	m.init()
	m.sealDescriptors()
	for i, sig := range ignored {
		m.signals[i] = ignoreSignal(sig)
	}
	if err := m.prepare(); err != nil {
		m.discard()
		sendPacket(m.o.syncFD, wire.MonitorIs, []byte(err.Error()))
		return 1
	}
	if !m.create() {
		return m.abandon()
	}
	m.hold()
	m.finish()
	return 0
}

// init makes an empty monitor of one that has its options.
func (m *monitor) init() {
	m.listenFD, m.terminalFD, m.oom.fd = -1, -1, -1
	m.stdin.m, m.stdin.fd, m.stdin.due = m, -1, m.o.stdin
	m.listener.m = m
	m.ticker.m = m
	m.outputs = m.room.outputs[:0]
	m.clients = m.room.clients[:0]
	m.queue = m.room.queue[:0]
}

func complain(code int, err error) int {
	syscall.Write(2, []byte("berth-monitor: "+err.Error()+"\n"))
	return code
}

// own leaves out, in place, what the starter set for this process alone.
func own(environ []string) []string {
	kept := environ[:0]
	for _, e := range environ {
		switch name, _, _ := cut(e, '='); name {
		case "GOMAXPROCS", "GOGC", "GOMEMLIMIT":
		default:
			kept = append(kept, e)
		}
	}
	return kept
}

// sealDescriptors closes what nobody meant for us and keeps the rest from whatever is started.
func (m *monitor) sealDescriptors() {
	last := m.o.highestFD()
	closeFrom(last + 1)
	for fd := 3; fd <= last; fd++ {
		setCloexec(fd, true)
	}
}

// prepare makes what must be there before the process can run: the log, the socket, the inherited client.
func (m *monitor) prepare() (err error) {
	if err = becomeSubreaper(); err != nil {
		return errors.New("cannot become a subreaper: " + err.Error())
	}
	if err = syscall.Chdir(m.o.run); err != nil {
		return errors.New("cannot enter the run directory " + m.o.run + ": " + err.Error())
	}
	if err = m.loop.open(); err != nil {
		return errors.New("cannot make an epoll descriptor: " + err.Error())
	}
	if err = m.log.open(&m.o); err != nil {
		return err
	}
	if m.chunk = mapBuffer(chunkSize); m.chunk == nil {
		return errors.New("no memory for a buffer")
	}
	if m.listenFD, err = listenSocket(syscall.SOCK_SEQPACKET, wire.AttachSocket); err != nil {
		return errors.New("cannot listen in the run directory " + m.o.run + ": " + err.Error())
	}
	m.loop.watch(m.listenFD, eventIn, &m.listener)
	return nil
}

// welcome takes the inherited client in, whose Hello is already there.
func (m *monitor) welcome() {
	if m.o.attachFD < 0 {
		return
	}
	m.inherited = m.addClient(m.o.attachFD, true)
	m.inherited.listen()
}

// hold is the monitor's long life: it serves whatever comes until the process has ended. When nothing has happened for a second it
// rests, and then sleeps until something does.
func (m *monitor) hold() {
	quiet := false
	m.ticker.look()
	for !m.exited {
		next := int64(-1)
		if !quiet {
			next = second
		}
		next = sooner(sooner(next, m.dropStuck()), m.log.flushBegun())
		idle := next == second
		happened := m.loop.wait(sooner(next, m.ticker.wait()))
		m.reap()
		m.ticker.tick()
		if quiet = idle && !happened; quiet {
			m.rest()
		}
	}
}

// sooner is the smaller of two times to wait; one below 0 is for ever.
func sooner(a, b int64) int64 {
	if a < 0 || b >= 0 && b < a {
		return b
	}
	return a
}

// rest gives back what a busy time has taken. After it the loop sleeps until something happens.
func (m *monitor) rest() {
	if len(m.queue) == 0 {
		releasePages(m.chunk)
	}
	releasePages(m.log.mapped)
	if len(m.stdin.pending) == 0 {
		releasePages(m.stdin.buf)
	}
	if m.deaf && m.listenFD >= 0 {
		m.deaf = false
		m.loop.watch(m.listenFD, eventIn, &m.listener)
	}
}

// discard takes back what prepare made in the file system.
func (m *monitor) discard() {
	syscall.Unlink(wire.AttachSocket)
	syscall.Unlink(consoleSocket)
}

func itoa(n int) string { return strconv.Itoa(n) }
