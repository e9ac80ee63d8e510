package monitor

import (
	"syscall"

	"github.com/berth-engine/berth/internal/monitor/wire"
)

const (
	// patience is how long a client may take nothing while output waits for it, in nanoseconds.
	patience = 2 * second
	// farewell is how long after the exit clients have to take what is left.
	farewell = 10 * second
	// roomForDropped is the size of a socket's send buffer that lets one more message through a full one. It is within the limit
	// that the kernel sets to those without privileges (net.core.wmem_max), and twice the default, since the kernel doubles it.
	roomForDropped = 212992
)

// client is one connection on the attach socket.
type client struct {
	m         *monitor
	fd        int
	inherited bool   // the one that was there from the start
	greeted   bool   // Hello has come
	flags     byte   // of Hello
	in        *input // where it writes standard input to; nil for nowhere

	position int // the next chunk of the queue, and how much of it has been sent
	offset   int
	blocked  bool  // its socket is full
	since    int64 // when it last took something, while blocked
	told     bool  // of the exit
}

func (c *client) send(kind byte, data []byte) error { return sendPacket(c.fd, kind, data) }

func (c *client) wants(stream int) bool {
	switch {
	case !c.greeted:
		return false
	case stream == stdout:
		return c.flags&wire.FlagStdout != 0
	}
	return c.flags&wire.FlagStderr != 0
}

// listener takes connections.
type listener struct{ m *monitor }

func (l *listener) ready(uint32) {
	for {
		fd, err := accept(l.m.listenFD)
		if err != nil {
			if err != syscall.EAGAIN {
				// Out of descriptors or memory: try again when a second has gone by or a client has left.
				l.m.loop.unwatch(l.m.listenFD)
				l.m.deaf = true
			}
			return
		}
		uid, err := peerUser(fd)
		if err != nil || uid != 0 && uid != uint32(syscall.Geteuid()) {
			syscall.Close(fd)
			continue
		}
		l.m.addClient(fd, false)
	}
}

func (m *monitor) addClient(fd int, inherited bool) *client {
	var c *client
	if n := len(m.spare); n > 0 {
		c, m.spare = m.spare[n-1], m.spare[:n-1]
	} else {
		c = &client{}
	}
	*c = client{m: m, fd: fd, inherited: inherited, position: len(m.queue)}
	m.clients = append(m.clients, c)
	m.loop.watch(fd, eventIn, c)
	return c
}

// ready serves what the client says, and its socket having room again.
func (c *client) ready(events uint32) {
	if events&eventOut != 0 {
		if !c.push() {
			c.m.forget()
			return
		}
		c.m.forget()
	}
	if events&^eventOut != 0 && !c.listen() {
		c.m.forget()
	}
}

// listen reads the client's messages; the end of the connection removes it. It reports whether the client is still there.
func (c *client) listen() bool {
	p := &c.m.packet
	for {
		err := p.receive(c.fd)
		if err == syscall.EAGAIN {
			return true
		}
		if err != nil || p.n == 0 || !c.message(p) {
			c.leave()
			return false
		}
	}
}

// message handles one; false ends the connection.
func (c *client) message(p *packet) bool {
	fd := p.fd
	if fd >= 0 && (p.data[0] != wire.Hello || c.greeted) {
		syscall.Close(fd)
	}
	switch b := p.data[:p.n]; {
	case b[0] == wire.Look:
		c.m.ticker.look()
		return false
	case b[0] == wire.Hello && !c.greeted:
		return c.hello(b, fd)
	case !c.greeted:
		return false
	case b[0] == wire.CloseStdin:
		if c.in != nil {
			c.in.noMore = true
		}
	case b[0] == wire.Resize && len(b) == 5:
		if c.m.terminalFD >= 0 {
			setWindowSize(c.m.terminalFD, uint16(b[1])|uint16(b[2])<<8, uint16(b[3])|uint16(b[4])<<8)
		}
	case b[0] == wire.CleanedUp && c.inherited:
		c.m.cleanedUp = true
	}
	return true
}

// hello begins the conversation: from its answer on the client misses nothing.
func (c *client) hello(b []byte, pipe int) bool {
	refusal := ""
	switch {
	case len(b) != 3 || b[1] != wire.Version:
		refusal = "the monitor speaks another version of the protocol"
	case b[2]&(wire.FlagStdin|wire.FlagStdout|wire.FlagStderr) != 0 && c.m.o.stdio.passthrough():
		refusal = "the streams are passed through and cannot be attached to"
	}
	if refusal != "" {
		if pipe >= 0 {
			syscall.Close(pipe)
		}
		c.send(wire.Refused, []byte(refusal))
		return false
	}
	c.greeted, c.flags = true, b[2]
	c.position = len(c.m.queue)
	if c.m.record == nil {
		c.m.stdin.join(c, pipe)
	} else if pipe >= 0 {
		syscall.Close(pipe)
	}
	var flags byte
	if c.m.o.terminal {
		flags = wire.FlagTerminal
	}
	if c.send(wire.Attached, []byte{flags}) != nil {
		return false
	}
	return c.record()
}

// push sends what is queued until the socket is full. It reports whether the client is still there.
func (c *client) push() bool {
	for c.position < len(c.m.queue) {
		chunk := &c.m.queue[c.position]
		if c.offset == len(chunk.data) || !c.wants(chunk.stream) {
			c.position, c.offset = c.position+1, 0
			continue
		}
		end := min(c.offset+wire.FrameSize, len(chunk.data))
		if err := c.send(kind(chunk.stream), chunk.data[c.offset:end]); err != nil {
			return c.failed(err)
		}
		c.offset = end
		c.progress()
	}
	if !c.record() {
		c.leave()
		return false
	}
	return true
}

// record tells of the exit, once there is one and nothing else is left to be told. It reports false when the client is done with.
func (c *client) record() bool {
	if c.m.record == nil || c.told || !c.greeted || c.position < len(c.m.queue) {
		c.unblock()
		return true
	}
	switch err := c.send(wire.Exited, c.m.record); err {
	case nil:
		c.told = true
		c.unblock()
		return c.inherited
	case syscall.EAGAIN:
		c.block()
		return true
	}
	return false
}

// failed handles an error of sending output: a full socket is waited for.
func (c *client) failed(err error) bool {
	if err == syscall.EAGAIN {
		c.block()
		return true
	}
	c.leave()
	return false
}

func (c *client) block() {
	if !c.blocked {
		c.blocked, c.since = true, now()
		c.m.loop.watch(c.fd, eventIn|eventOut, c)
	}
}

func (c *client) unblock() {
	if c.blocked {
		c.blocked = false
		c.m.loop.watch(c.fd, eventIn, c)
	}
}

func (c *client) progress() {
	if c.blocked {
		c.since = now()
	}
}

// drop ends the connection of a client that took nothing for too long, and tells it so through a widened socket.
func (c *client) drop() {
	syscall.SetsockoptInt(c.fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, roomForDropped)
	c.send(wire.Dropped, []byte("dropped: output was not read for 2 seconds"))
	c.leave()
}

// leave ends the connection. The caller calls forget when it is not called from deliver.
func (c *client) leave() {
	m := c.m
	if c.in != nil {
		c.in.client, c.in = nil, nil
	}
	m.loop.close(c.fd)
	c.fd = -1
	for i, x := range m.clients {
		if x == c {
			m.clients = m.clients[:i+copy(m.clients[i:], m.clients[i+1:])]
			m.spare = append(m.spare, c)
			break
		}
	}
	if c.inherited {
		m.inherited = nil
	}
	if m.deaf && m.listenFD >= 0 {
		m.deaf = false
		m.loop.watch(m.listenFD, eventIn, &m.listener)
	}
}

// dropStuck drops the clients that have been blocked for too long and returns how long it is to the next such time, in
// nanoseconds; -1 when there is none.
func (m *monitor) dropStuck() int64 {
	next, t := int64(-1), int64(0)
	for i := 0; i < len(m.clients); i++ {
		c := m.clients[i]
		if !c.blocked || c.inherited {
			continue
		}
		if t == 0 {
			t = now()
		}
		left := c.since + patience - t
		if left <= 0 {
			c.drop()
			i--
			continue
		}
		if next < 0 || left < next {
			next = left
		}
	}
	if t != 0 {
		m.forget()
	}
	return next
}
