package monitor

import (
	"syscall"

	"github.com/berth-engine/berth/internal/monitor/wire"
)

const stdinBufferSize = 64 << 10

// stdin carries what clients write to the process. While the process does not read, what was read last waits here and nothing
// more is read from clients: their pipes fill, and nothing else is held up.
type stdin struct {
	m        *monitor
	fd       int  // the pipe's writing end, or the terminal; -1 when closed or not open yet
	due      bool // it will be opened: a terminal comes late
	terminal bool
	once     bool
	buf      []byte // mapped when first needed
	pending  []byte // the part of buf that the process has not taken
	ending   bool   // close when pending is gone
	lastByte byte
	inputs   []*input
}

func (s *stdin) open(m *monitor, fd int) {
	s.fd, s.terminal, s.once = fd, m.o.terminal, m.o.stdinOnce
	s.due = false
	s.resume()
}

// watch is edge-triggered on a terminal, since one that nobody has open is hung up for as long as it pleases.
func (s *stdin) watch(events uint32) {
	if s.terminal {
		events |= eventEdge
	}
	s.m.loop.watch(s.fd, events, s)
}

// input is the pipe that a client writes standard input into. It outlives the client until it has run dry.
type input struct {
	s      *stdin
	fd     int
	client *client // nil once the client has left
	noMore bool    // the client has asked to close standard input at the end of the pipe
}

// join takes the pipe of a client that asked for standard input.
func (s *stdin) join(c *client, pipe int) {
	if pipe < 0 {
		return
	}
	if s.fd < 0 && !s.due || s.ending || c.flags&wire.FlagStdin == 0 {
		syscall.Close(pipe)
		return
	}
	syscall.SetNonblock(pipe, true)
	c.in = &input{s: s, fd: pipe, client: c}
	s.inputs = append(s.inputs, c.in)
	if s.fd >= 0 && len(s.pending) == 0 {
		s.m.loop.watch(pipe, eventIn, c.in)
	}
}

// ready: a client has written something, or has closed its pipe.
func (in *input) ready(uint32) {
	s := in.s
	if len(s.pending) > 0 {
		return
	}
	if s.buf == nil {
		s.buf = mapBuffer(stdinBufferSize)
	}
	n, err := read(in.fd, s.buf)
	switch {
	case n > 0:
		s.put(s.buf[:n])
	case err == syscall.EAGAIN:
	default:
		in.ended()
	}
}

// ended: the client writes no more. CloseStdin comes over the socket before the pipe is closed, so it is looked for there first.
func (in *input) ended() {
	if c := in.client; c != nil && !c.listen() {
		c.m.forget()
	}
	s := in.s
	s.remove(in)
	if in.noMore || s.once {
		s.end()
	}
}

func (s *stdin) remove(in *input) {
	s.m.loop.close(in.fd)
	if in.client != nil {
		in.client.in = nil
	}
	for i, x := range s.inputs {
		if x == in {
			s.inputs = append(s.inputs[:i], s.inputs[i+1:]...)
			return
		}
	}
}

// put writes to the process, keeping what it does not take now.
func (s *stdin) put(p []byte) {
	if len(p) > 0 {
		s.lastByte = p[len(p)-1]
	}
	for len(p) > 0 && s.fd >= 0 {
		n, err := write(s.fd, p)
		switch {
		case n > 0:
			p = p[n:]
		case err == nil || err == syscall.EAGAIN:
			s.pause(p)
			return
		default:
			s.close()
			return
		}
	}
}

func (s *stdin) pause(p []byte) {
	if len(s.pending) == 0 {
		for _, in := range s.inputs {
			s.m.loop.unwatch(in.fd)
		}
		s.watch(eventOut)
	}
	s.pending = p
}

// ready: the process has read something, or has closed its standard input.
func (s *stdin) ready(events uint32) {
	if events&eventErr != 0 {
		s.close()
		return
	}
	if len(s.pending) == 0 {
		return
	}
	p := s.pending
	n, err := write(s.fd, p)
	switch {
	case n == len(p):
		s.resume()
	case n > 0:
		s.pending = p[n:]
	case err != nil && err != syscall.EAGAIN:
		s.close()
	}
}

// resume reads on from the clients.
func (s *stdin) resume() {
	s.pending = nil
	if s.ending {
		s.end()
		return
	}
	s.watch(0) // to see the process close its end
	for _, in := range s.inputs {
		s.m.loop.watch(in.fd, eventIn, in)
	}
}

// end ends the process's input once it has taken what is pending. A terminal cannot be closed: in canonical mode its end-of-file
// key is typed (twice in the middle of a line), in any other there is no such thing.
func (s *stdin) end() {
	if s.fd < 0 {
		return
	}
	if len(s.pending) > 0 {
		s.ending = true
		return
	}
	if s.terminal {
		s.ending = false
		if key, canonical := endOfFileKey(s.fd); canonical {
			eof := []byte{key, key}
			if s.lastByte == '\n' || s.lastByte == '\r' || s.lastByte == 0 {
				eof = eof[:1]
			}
			write(s.fd, eof)
		}
		return
	}
	s.close()
}

// close closes the process's standard input, and the clients' pipes, so that they see it.
func (s *stdin) close() {
	s.m.loop.close(s.fd)
	s.fd, s.due = -1, false
	s.pending = nil
	for len(s.inputs) > 0 {
		s.remove(s.inputs[0])
	}
	unmap(s.buf)
	s.buf = nil
}
