package monitor

import (
	"strconv"
	"syscall"

	"github.com/berth-engine/berth/internal/monitor/wire"
)

const (
	consoleSocket = "console"
	errorSize     = 4 << 10
)

// creation is the time in which the runtime makes the process.
type creation struct {
	m         *monitor
	runtime   process
	ended     bool
	status    syscall.WaitStatus
	consoleFD int  // listens for the terminal; -1 for none
	errorFD   int  // what the runtime writes to standard error: the process's own stream, or a pipe of ours
	callerFD  int  // the sync socket; -1 once the caller has gone
	orphaned  bool // the caller has gone, or given up, before it saw the process
	quit      bool // it gave up, and will clean up itself
}

// create has the runtime create the process and tells the caller. It reports false when there is no process.
func (m *monitor) create() bool {
	c := &m.creation
	c.m, c.consoleFD, c.errorFD, c.callerFD = m, -1, -1, m.o.syncFD
	syscall.SetNonblock(c.callerFD, true)
	m.loop.watch(c.callerFD, eventIn, c)
	err := c.start()
	if err == nil {
		m.welcome()
		for !c.ended {
			m.loop.wait(-1)
		}
		err = c.result()
	}
	if err == nil {
		return true
	}
	if f, ok := err.(*failure); ok {
		c.tell(wire.Failed, []byte(itoa(f.status)+"\n"+f.text))
	} else {
		c.tell(wire.MonitorIs, []byte(err.Error()))
	}
	return false
}

// failure is the runtime's.
type failure struct {
	status int
	text   string
}

func (f *failure) Error() string { return f.text }

// start starts the runtime with the process's streams.
func (c *creation) start() error {
	files, err := c.streams()
	if err != nil {
		return err
	}
	for i := 0; i < c.m.o.extra.n; i++ {
		files = append(files, uintptr(c.m.o.extra.first+i))
	}
	env := c.m.environ
	if len(c.m.o.env) > 0 {
		env = append(env[:len(env):len(env)], c.m.o.env...)
	}
	// If this process is killed the runtime goes with it, so that whoever cleans up finds nothing that still grows.
	pidfd := -1
	pid, err := syscall.ForkExec(c.m.o.runtime, c.arguments(), &syscall.ProcAttr{
		Env: env, Files: files, Sys: &syscall.SysProcAttr{PidFD: &pidfd, Pdeathsig: syscall.SIGKILL},
	})
	for _, fd := range files {
		if int(fd) != c.errorFD {
			syscall.Close(int(fd))
		}
	}
	if err != nil {
		return &sysError{"cannot run " + c.m.o.runtime, err}
	}
	if pidfd < 0 {
		return &sysError{"no pidfd for the runtime", syscall.ENOSYS}
	}
	c.runtime = process{pid: pid, pidfd: pidfd}
	c.m.loop.watch(pidfd, eventIn, (*runtimeEnd)(c))
	return nil
}

type sysError struct {
	what string
	err  error
}

func (e *sysError) Error() string { return e.what + ": " + e.err.Error() }

// streams makes the process's standard streams and keeps our ends. The files are the runtime's.
func (c *creation) streams() ([]uintptr, error) {
	m := c.m
	if m.o.stdio.passthrough() {
		first := m.o.stdio.first
		return []uintptr{uintptr(first), uintptr(first + 1), uintptr(first + 2)}, nil
	}
	if m.o.terminal {
		return c.terminalStreams()
	}
	in, err := c.inputStream()
	if err != nil {
		return nil, err
	}
	out, err := c.outputStream(stdout)
	if err != nil {
		return nil, err
	}
	errs, err := c.outputStream(stderr)
	if err != nil {
		return nil, err
	}
	c.errorFD = m.outputs[1].fd
	return []uintptr{uintptr(in), uintptr(out), uintptr(errs)}, nil
}

func (c *creation) inputStream() (int, error) {
	if !c.m.o.stdin && c.m.o.container == "" {
		return devNull(syscall.O_RDONLY) // which the runtime replaces by the container's own
	}
	var p [2]int
	if err := syscall.Pipe2(p[:], syscall.O_CLOEXEC); err != nil {
		return -1, &sysError{"cannot make a pipe", err}
	}
	if !c.m.o.stdin {
		// A pipe at its end reads like /dev/null, and is not a file of the host that the process could change.
		syscall.Close(p[1])
		return p[0], nil
	}
	syscall.SetNonblock(p[1], true)
	c.m.stdin.open(c.m, p[1])
	return p[0], nil
}

func (c *creation) outputStream(stream int) (int, error) {
	var p [2]int
	if err := syscall.Pipe2(p[:], syscall.O_CLOEXEC); err != nil {
		return -1, &sysError{"cannot make a pipe", err}
	}
	syscall.SetNonblock(p[0], true)
	c.m.outputs = append(c.m.outputs, output{m: c.m, fd: p[0], stream: stream})
	return p[1], nil
}

// terminalStreams are the runtime's own streams when the process gets a terminal: the runtime makes it and sends its master
// over the console socket.
func (c *creation) terminalStreams() ([]uintptr, error) {
	fd, err := listenSocket(syscall.SOCK_STREAM, consoleSocket)
	if err != nil {
		return nil, &sysError{"cannot listen for the terminal", err}
	}
	c.consoleFD = fd
	c.m.loop.watch(fd, eventIn, (*consoleListener)(c))
	null, err := devNull(syscall.O_RDWR)
	if err != nil {
		return nil, err
	}
	var p [2]int
	if err := syscall.Pipe2(p[:], syscall.O_CLOEXEC); err != nil {
		return nil, &sysError{"cannot make a pipe", err}
	}
	syscall.SetNonblock(p[0], true)
	c.errorFD = p[0]
	return []uintptr{uintptr(null), uintptr(p[1]), uintptr(p[1])}, nil
}

func devNull(mode int) (int, error) {
	fd, err := syscall.Open("/dev/null", mode|syscall.O_CLOEXEC, 0)
	if err != nil {
		return -1, &sysError{"cannot open /dev/null", err}
	}
	return fd, nil
}

// arguments is the runtime's command line.
func (c *creation) arguments() []string {
	o := &c.m.o
	args := append(make([]string, 0, 24), o.runtime, "--root", o.stateRoot)
	switch {
	case o.noCgroup:
		args = append(args, "--cgroup-manager", "disabled")
	case o.systemd:
		args = append(args, "--systemd-cgroup")
	}
	args = append(args, "--log", logArgument(o.runtime, o.run+"/"+wire.RuntimeLog), "--log-format", "json")
	id := o.id
	if o.container == "" {
		args = append(args, "create", "--bundle", o.bundle)
	} else {
		args = append(args, "exec", "--detach", "--process", o.process)
		id = o.container
	}
	args = append(args, "--pid-file", o.run+"/"+wire.PIDFile)
	if o.terminal && !o.stdio.passthrough() {
		// By way of our working directory, since a socket's path is at most 107 bytes long.
		args = append(args, "--console-socket", "/proc/"+itoa(syscall.Getpid())+"/cwd/"+consoleSocket)
	}
	if o.extra.n > 0 {
		args = append(args, "--preserve-fds", itoa(o.extra.n))
	}
	return append(args, id)
}

// runtimeEnd sees the runtime end.
type runtimeEnd creation

func (r *runtimeEnd) ready(uint32) {
	var status syscall.WaitStatus
	if pid, err := wait(r.runtime.pid, &status); pid == r.runtime.pid || err == syscall.ECHILD {
		r.m.loop.close(r.runtime.pidfd)
		r.ended, r.status = true, status
	}
}

// ready hears from the caller.
func (c *creation) ready(uint32) {
	p := &c.m.packet
	err := p.receive(c.callerFD)
	switch {
	case err == syscall.EAGAIN:
		return
	case err != nil || p.n == 0:
	case p.data[0] == wire.Seen:
		c.hangUp()
		unlockCreation()
		return
	case p.data[0] == wire.Quit:
		c.quit = true
	}
	c.orphaned = true
	c.hangUp()
	if c.ended {
		c.m.child.kill()
	} else {
		c.runtime.kill()
	}
}

func (c *creation) hangUp() {
	c.m.loop.close(c.callerFD)
	c.callerFD = -1
}

// tell sends the caller one message, if it is there.
func (c *creation) tell(kind byte, text []byte) {
	if c.callerFD >= 0 && sendPacket(c.callerFD, kind, text) != nil {
		c.orphaned = true
		c.hangUp()
	}
}

// result looks at what the runtime has made.
func (c *creation) result() error {
	m := c.m
	c.awaitTerminal()
	m.loop.close(c.consoleFD)
	syscall.Unlink(consoleSocket)
	if c.status.ExitStatus() != 0 {
		f := &failure{exitCode(c.status), c.runtimeErrors()}
		killChildren(m.chunk)
		return f
	}
	err := m.child.find(wire.PIDFile, m.chunk)
	if err == nil && m.o.terminal && m.terminalFD < 0 && !m.o.stdio.passthrough() {
		err = &sysError{"the runtime sent no terminal", syscall.EBADF}
	}
	if err != nil {
		killChildren(m.chunk)
		return err
	}
	if m.o.terminal {
		syscall.Close(c.errorFD)
	}
	m.loop.watch(m.child.pidfd, eventIn, &m.child)
	m.oom.open(&m.loop, m.child.pid, m.chunk)
	for i := range m.outputs {
		m.outputs[i].watch()
	}
	c.tell(wire.Process, []byte(itoa(m.child.pid)+" "+strconv.FormatUint(m.child.start, 10)))
	if c.orphaned {
		m.child.kill()
	}
	return nil
}

// awaitTerminal takes what the runtime sent before it ended and we have not looked at yet.
func (c *creation) awaitTerminal() {
	if c.consoleFD < 0 || c.status.ExitStatus() != 0 {
		return
	}
	for c.m.terminalFD < 0 && c.m.loop.wait(second) {
	}
}

// runtimeErrors reads what the runtime has written to standard error.
func (c *creation) runtimeErrors() string {
	if c.errorFD < 0 {
		return ""
	}
	b := c.m.chunk[:errorSize]
	n := 0
	for n < len(b) {
		k, err := read(c.errorFD, b[n:])
		if k <= 0 || err != nil {
			break
		}
		n += k
	}
	return string(b[:n])
}

// consoleListener waits for the runtime to connect, console for the terminal to come.
type consoleListener creation

func (l *consoleListener) ready(uint32) {
	if fd, err := accept(l.consoleFD); err == nil {
		l.m.loop.watch(fd, eventIn, &console{l.m, fd})
	}
}

type console struct {
	m  *monitor
	fd int
}

func (s *console) ready(uint32) {
	p := &s.m.packet
	err := p.receive(s.fd)
	if err == syscall.EAGAIN {
		return
	}
	if err == nil && p.fd >= 0 {
		s.m.openTerminal(p.fd)
	}
	if err != nil || p.n == 0 || p.fd >= 0 {
		s.m.loop.close(s.fd)
	}
}

// openTerminal takes the pty's master. Standard input gets a descriptor of its own, since one cannot be watched twice.
func (m *monitor) openTerminal(master int) {
	if m.terminalFD >= 0 {
		syscall.Close(master)
		return
	}
	m.terminalFD = master
	syscall.SetNonblock(master, true)
	if m.o.width != 0 && m.o.height != 0 {
		setWindowSize(master, m.o.width, m.o.height)
	}
	m.outputs = append(m.outputs, output{m: m, fd: master, stream: stdout, terminal: true})
	if m.o.stdin {
		if fd, err := dupCloexec(master); err == nil {
			m.stdin.open(m, fd)
		}
	}
}

// logArgument is what a runtime is told of its log. crun takes the part before a colon for the kind of log, and so has to be told
// the kind of a path that has one.
func logArgument(runtime, path string) string {
	base := runtime[lastIndex(runtime, '/')+1:]
	if len(base) >= 4 && base[:4] == "crun" && lastIndex(path, ':') >= 0 {
		return "file:" + path
	}
	return path
}

func lastIndex(s string, c byte) int {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == c {
			return i
		}
	}
	return -1
}
