package monitored

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/internal/monitor/wire"
	"github.com/berth-engine/berth/ociruntime"
)

// connection is one client's end; the protocol is described in package wire.
type connection struct {
	socket *os.File
	buf    []byte
	ended  error // what Next returns from now on

	mu    sync.Mutex
	stdin *os.File // nil: none, or closed
}

var _ ociruntime.Conn = (*connection)(nil)

// Attach connects to the monitor that listens in a run directory.
func (r *Runtime) Attach(ctx context.Context, run string, o ociruntime.AttachOptions) (ociruntime.Conn, error) {
	socket, err := dial(run)
	if err != nil {
		return nil, err
	}
	c, err := greet(socket, o)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { socket.SetDeadline(time.Unix(1, 0)) })
	err = c.welcome()
	if !stop() && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// dial connects to a socket whose path may be longer than an address can be, by way of its directory's descriptor.
func dial(run string) (*os.File, error) {
	dir, err := os.OpenFile(run, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, errdefs.NotFound("nothing to attach to: %w", err)
	}
	defer dir.Close()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, errdefs.Internal("cannot make a socket: %w", err)
	}
	address := "/proc/self/fd/" + strconv.Itoa(int(dir.Fd())) + "/" + wire.AttachSocket
	if err := connect(fd, address); err != nil {
		unix.Close(fd)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ECONNREFUSED) {
			return nil, errdefs.NotFound("no monitor listens in %s", run)
		}
		return nil, errdefs.Internal("connect to the monitor in %s: %w", run, err)
	}
	_ = unix.SetNonblock(fd, true)
	return os.NewFile(uintptr(fd), filepath.Join(run, wire.AttachSocket)), nil
}

func connect(fd int, address string) error {
	for {
		err := unix.Connect(fd, &unix.SockaddrUnix{Name: address})
		if err != unix.EINTR {
			return err
		}
	}
}

// greet says Hello, with a pipe for standard input if it is asked for. It owns the socket.
func greet(socket *os.File, o ociruntime.AttachOptions) (*connection, error) {
	c := &connection{socket: socket, buf: make([]byte, wire.FrameSize+1)}
	hello := []byte{wire.Hello, wire.Version, flags(o)}
	var rights []byte
	if hello[2]&wire.FlagStdin != 0 {
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			socket.Close()
			return nil, errdefs.Internal("cannot make a pipe: %w", err)
		}
		_ = unix.SetNonblock(p[1], true)
		c.stdin = os.NewFile(uintptr(p[1]), "stdin")
		defer unix.Close(p[0])
		rights = unix.UnixRights(p[0])
	}
	if err := c.control(func(fd int) error { return unix.Sendmsg(fd, hello, rights, nil, unix.MSG_NOSIGNAL) }); err != nil {
		c.Close()
		return nil, errdefs.NotFound("no monitor listens: %w", err)
	}
	return c, nil
}

func flags(o ociruntime.AttachOptions) (f byte) {
	if o.WaitOnly {
		return 0
	}
	if o.Stdin {
		f |= wire.FlagStdin
	}
	if o.Stdout {
		f |= wire.FlagStdout
	}
	if o.Stderr {
		f |= wire.FlagStderr
	}
	return f
}

func (c *connection) control(fn func(fd int) error) error {
	raw, err := c.socket.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	if err := raw.Control(func(fd uintptr) { result = fn(int(fd)) }); err != nil {
		return err
	}
	return result
}

// welcome waits for the monitor's answer to Hello.
func (c *connection) welcome() error {
	n, err := c.socket.Read(c.buf)
	switch {
	case err != nil || n == 0:
		return errdefs.NotFound("the monitor has ended")
	case c.buf[0] == wire.Refused:
		return errdefs.Conflict("%s", c.buf[1:n])
	case c.buf[0] != wire.Attached:
		return errdefs.Internal("the monitor's answer is %q", c.buf[:n])
	}
	return nil
}

// Next blocks for what the monitor says next.
func (c *connection) Next() (ociruntime.Message, error) {
	if c.ended != nil {
		return ociruntime.Message{}, c.ended
	}
	n, err := c.socket.Read(c.buf)
	if err != nil || n == 0 {
		if err == nil || !errors.Is(err, os.ErrClosed) {
			err = errdefs.With(errdefs.ErrInternal, ociruntime.ErrMonitorLost)
		}
		return c.end(err)
	}
	switch data := c.buf[1:n]; c.buf[0] {
	case wire.Stdout:
		return ociruntime.Message{Stream: ociruntime.Stdout, Data: data}, nil
	case wire.Stderr:
		return ociruntime.Message{Stream: ociruntime.Stderr, Data: data}, nil
	case wire.Exited:
		record, err := ParseExit(data)
		if err != nil {
			return c.end(err)
		}
		c.ended = io.EOF
		return ociruntime.Message{Stream: ociruntime.Exited, Exit: &record}, nil
	case wire.Dropped:
		return c.end(errdefs.Unavailable("%s", data))
	default:
		return c.end(errdefs.Internal("the monitor says %q", c.buf[:n]))
	}
}

func (c *connection) end(err error) (ociruntime.Message, error) {
	c.ended = err
	return ociruntime.Message{}, err
}

// Write sends to the process's standard input.
func (c *connection) Write(p []byte) (int, error) {
	c.mu.Lock()
	stdin := c.stdin
	c.mu.Unlock()
	if stdin == nil {
		return 0, io.ErrClosedPipe
	}
	n, err := stdin.Write(p)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed) {
		err = io.ErrClosedPipe
	}
	return n, err
}

// CloseStdin ends the process's standard input, after what has been written.
func (c *connection) CloseStdin() error {
	c.mu.Lock()
	stdin := c.stdin
	c.stdin = nil
	c.mu.Unlock()
	if stdin == nil {
		return nil
	}
	err := c.say([]byte{wire.CloseStdin})
	stdin.Close()
	return err
}

// Resize sets the terminal's size.
func (c *connection) Resize(width, height uint16) error {
	b := []byte{wire.Resize, 0, 0, 0, 0}
	binary.LittleEndian.PutUint16(b[1:], width)
	binary.LittleEndian.PutUint16(b[3:], height)
	return c.say(b)
}

// CleanedUp tells the monitor that the caller has done the clean-up.
func (c *connection) CleanedUp() error { return c.say([]byte{wire.CleanedUp}) }

// say sends one message. That the monitor has gone is no news worth an error: there is nobody left to be told.
func (c *connection) say(b []byte) error {
	_, err := c.socket.Write(b)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	return err
}

// Close ends the connection. It may be called at any time.
func (c *connection) Close() error {
	c.mu.Lock()
	if c.stdin != nil {
		c.stdin.Close()
		c.stdin = nil
	}
	c.mu.Unlock()
	return c.socket.Close()
}
