package monitor

import (
	"syscall"

	"github.com/berth-engine/berth/internal/monitor/wire"
)

const (
	chunkSize = 128 << 10
	// busyRead is a read after which a pipe is made larger: it was as full as a pipe is by default.
	busyRead     = 64 << 10
	busyPipeSize = 1 << 20
)

// output is one stream that the process writes to: a pipe's reading end, or the terminal.
type output struct {
	m        *monitor
	fd       int // -1 when it has ended
	stream   int
	terminal bool
	grown    bool
	hungUp   bool // a terminal that nobody had open when we looked
}

// chunk is a piece of output on its way to the clients.
type chunk struct {
	data   []byte
	stream int
	mapped []byte // the memory to unmap; nil for the shared buffer
}

func (c chunk) release() { unmap(c.mapped) }

func (o *output) watch() {
	if o.fd >= 0 {
		o.m.loop.watch(o.fd, eventIn, o)
	}
}

func (o *output) ready(uint32) {
	if len(o.m.queue) > 0 {
		return
	}
	o.readInto(o.m.chunk)
}

// readInto reads one chunk, passes it on and returns its size: 0 when there is nothing now, or when there will be nothing more.
func (o *output) readInto(buf []byte) int {
	n, err := read(o.fd, buf)
	switch {
	case n > 0:
		if n >= busyRead && !o.grown && !o.terminal {
			o.grown = true
			growPipe(o.fd, busyPipeSize)
		}
		if o.hungUp {
			o.hungUp = false
			o.watch()
		}
		o.m.take(o, buf[:n])
		return n
	case err == syscall.EAGAIN:
		return 0
	case o.terminal && !o.m.exited && err == syscall.EIO:
		// Nobody has the terminal open just now. Somebody may open it again, which an edge tells.
		if !o.hungUp {
			o.hungUp = true
			o.m.loop.watch(o.fd, eventIn|eventEdge, o)
		}
		return 0
	}
	o.end()
	return 0
}

func (o *output) end() {
	if o.terminal {
		o.m.terminalFD = -1
	}
	o.m.loop.close(o.fd)
	o.fd = -1
}

// take logs a chunk and hands it to the clients. It owns data, which is in the shared buffer, or, after the exit, in mapped
// memory of its own.
func (m *monitor) take(o *output, data []byte) {
	m.log.write(o.stream, data)
	c := chunk{data: data, stream: o.stream}
	if &data[0] != &m.chunk[0] {
		c.mapped = data[:cap(data)]
	}
	if !m.wanted(o.stream) {
		c.release()
		return
	}
	m.queue = append(m.queue, c)
	m.deliver()
	if len(m.queue) > 0 && !m.exited {
		for i := range m.outputs {
			m.loop.unwatch(m.outputs[i].fd)
		}
		m.stalled = true
	}
}

// wanted reports whether any client gets the stream.
func (m *monitor) wanted(stream int) bool {
	for _, c := range m.clients {
		if c.wants(stream) {
			return true
		}
	}
	return false
}

// deliver gives each client what it can take, forgets what all have taken, and reads on if there is nothing left.
func (m *monitor) deliver() {
	for i := 0; i < len(m.clients); i++ {
		if c := m.clients[i]; !c.push() {
			i-- // it has gone, and another is in its place
		}
	}
	m.forget()
}

func (m *monitor) forget() {
	done := len(m.queue)
	for _, c := range m.clients {
		done = min(done, c.position)
	}
	if done > 0 {
		for _, c := range m.queue[:done] {
			c.release()
		}
		m.queue = m.queue[:copy(m.queue, m.queue[done:])]
		for _, c := range m.clients {
			c.position -= done
		}
	}
	if len(m.queue) == 0 && m.stalled {
		m.stalled = false
		for i := range m.outputs {
			m.outputs[i].watch()
		}
	}
}

// drain reads what the process has left behind, without waiting for anything. Other processes may hold a pipe open; what they
// write after the first process has ended is not waited for. It may run ahead of slow clients, by what fits into the pipes.
func (m *monitor) drain() {
	for i := range m.outputs {
		o := &m.outputs[i]
		for left := pipeSize(o.fd); o.fd >= 0 && left > 0; {
			n := m.readAhead(o)
			if n == 0 {
				break
			}
			left -= n
		}
		if o.fd >= 0 {
			o.end()
		}
	}
}

// readAhead reads one chunk, into memory of its own if the shared buffer is in use, and returns its size.
func (m *monitor) readAhead(o *output) int {
	if len(m.queue) == 0 {
		return o.readInto(m.chunk)
	}
	buf := mapBuffer(chunkSize)
	if buf == nil {
		return 0
	}
	n := o.readInto(buf)
	if n == 0 {
		unmap(buf)
	}
	return n
}

// kind is a stream's on the attach socket.
func kind(stream int) byte {
	if stream == stderr {
		return wire.Stderr
	}
	return wire.Stdout
}
