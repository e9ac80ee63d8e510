package monitor

import (
	"bytes"
	"syscall"
	"testing"

	"github.com/berth-engine/berth/internal/monitor/wire"
)

// drained is a monitor whose process has ended and left text in both pipes, and the socket of a client that has read nothing.
func drained(t *testing.T, text []byte) (m *monitor, client int) {
	t.Helper()
	m = &monitor{}
	m.init()
	m.log.fd = -1
	m.exited = true
	m.chunk = mapBuffer(chunkSize)
	if err := m.loop.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(m.loop.epoll) })
	for stream := stdout; stream <= stderr; stream++ {
		var p [2]int
		if err := syscall.Pipe2(p[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
			t.Fatal(err)
		}
		growPipe(p[1], busyPipeSize)
		if n, err := syscall.Write(p[1], text); n != len(text) {
			t.Fatalf("wrote %d bytes, %v; expected %d", n, err, len(text))
		}
		syscall.Close(p[1])
		m.outputs = append(m.outputs, output{m: m, fd: p[0], stream: stream})
	}
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(pair[1]) })
	c := m.addClient(pair[0], false)
	if _, err := syscall.Write(pair[1], []byte{wire.Hello, wire.Version, wire.FlagStdout | wire.FlagStderr}); err != nil {
		t.Fatal(err)
	}
	c.listen()
	return m, pair[1]
}

// The queue once unmapped a chunk that was still in it, when the chunk before it went at the same moment.
func TestWhatIsLeftAtTheExitReachesASlowClientWhole(t *testing.T) {
	text := bytes.Repeat([]byte("0123456789abcde\n"), 900<<10/16)
	m, client := drained(t, text)
	m.drain()
	m.record = []byte("the end")
	m.deliver()
	got := map[byte][]byte{}
	buf := make([]byte, wire.FrameSize+1)
	for len(got[wire.Exited]) == 0 {
		n, err := syscall.Read(client, buf)
		if err == syscall.EAGAIN {
			m.deliver()
			continue
		}
		if n <= 0 || err != nil {
			t.Fatalf("connection ended with %d, %v before the exit", n, err)
		}
		got[buf[0]] = append(got[buf[0]], buf[1:n]...)
	}
	for kind, name := range map[byte]string{wire.Stdout: "stdout", wire.Stderr: "stderr"} {
		if !bytes.Equal(got[kind], text) {
			t.Errorf("%s: got %d bytes; expected the %d that were written", name, len(got[kind]), len(text))
		}
	}
}
