package engine

import (
	"context"
	"errors"
	"io"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/ociruntime"
)

// Attach connects the streams to a running container until it exits, and returns how.
//
// ociruntime.ErrDetached if the user left by the detach keys; ErrConflict if the container does not run.
func (s *Containers) Attach(ctx context.Context, ref string, st Streams) (ExitStatus, error) {
	e := s.e
	var c *container.Container
	var conn ociruntime.Conn
	err := e.locked(ctx, ref, func(locked *container.Container) (err error) {
		c = locked
		if !c.State.Status.Alive() {
			return errdefs.Conflict("container %s is not running: start it with --attach instead", c.Config.Name)
		}
		conn, err = e.connect(ctx, c, st)
		if err != nil {
			return err
		}
		return e.setState(ctx, c, containerEvent(c, event.Attach))
	})
	if err != nil {
		return ExitStatus{}, err
	}
	defer conn.Close()
	exit, err := pump(ctx, conn, st)
	if errors.Is(err, ociruntime.ErrMonitorLost) {
		if err := e.waitDead(ctx, c, -1); err != nil {
			return ExitStatus{}, err
		}
		return e.settledExit(ctx, c)
	}
	return statusOf(exit), err
}

func (e *Engine) connect(ctx context.Context, c *container.Container, st Streams) (ociruntime.Conn, error) {
	rt, err := e.runtimeOf(c)
	if err != nil {
		return nil, err
	}
	conn, err := rt.Attach(ctx, e.paths.containerRun(c.Config.ID), attachOptions(st))
	if errdefs.Class(err) == errdefs.ErrNotFound {
		return nil, errdefs.Conflict("container %s cannot be attached to: its monitor is gone", c.Config.Name)
	}
	return conn, err
}

func attachOptions(st Streams) ociruntime.AttachOptions {
	return ociruntime.AttachOptions{Stdin: st.Stdin != nil, Stdout: st.Stdout != nil, Stderr: st.Stderr != nil}
}

// Resize sets the size of the container's terminal.
func (s *Containers) Resize(ctx context.Context, ref string, size Size) error {
	c, err := s.e.lookup(ctx, ref)
	if err != nil {
		return err
	}
	conn, err := s.e.connect(ctx, c, Streams{})
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Resize(size.Width, size.Height)
}

// pump moves what the streams hold until the process has exited or the user detaches. The caller closes conn afterwards. What
// still reads from st.Stdin then goes on to do so until that ends: a read cannot be called back.
func pump(ctx context.Context, conn ociruntime.Conn, st Streams) (ociruntime.ExitRecord, error) {
	done := make(chan struct{})
	defer close(done)
	detached := make(chan struct{})
	if st.Stdin != nil {
		go pumpStdin(conn, st, detached)
	}
	if st.Resize != nil {
		go pumpResize(conn, st.Resize, done)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if st.Started != nil {
		st.Started()
	}
	exit, err := pumpOutput(conn, st)
	select {
	case <-detached:
		return ociruntime.ExitRecord{}, ociruntime.ErrDetached
	default:
	}
	if err != nil && ctx.Err() != nil {
		return ociruntime.ExitRecord{}, ctx.Err()
	}
	return exit, err
}

// pumpOutput writes the output until the exit is told.
func pumpOutput(conn ociruntime.Conn, st Streams) (ociruntime.ExitRecord, error) {
	for {
		m, err := conn.Next()
		if errors.Is(err, io.EOF) {
			err = ociruntime.ErrMonitorLost
		}
		if err != nil {
			return ociruntime.ExitRecord{}, err
		}
		var to io.Writer
		switch {
		case m.Exit != nil:
			return *m.Exit, nil
		case m.Stream == ociruntime.Stdout:
			to = st.Stdout
		case m.Stream == ociruntime.Stderr:
			to = st.Stderr
		}
		if to == nil {
			continue
		}
		if _, err := to.Write(m.Data); err != nil {
			return ociruntime.ExitRecord{}, errdefs.Unavailable("writing the container's output: %w", err)
		}
	}
}

// pumpStdin sends the input, closes detached and the connection when the detach keys come, and ends the process's input at the
// end of the reader's.
func pumpStdin(conn ociruntime.Conn, st Streams, detached chan<- struct{}) {
	keys := newDetacher(st.DetachKeys)
	buf := make([]byte, 32<<10)
	for {
		n, err := st.Stdin.Read(buf)
		data, leave := keys.filter(buf[:n])
		if len(data) > 0 {
			if _, werr := conn.Write(data); werr != nil {
				return
			}
		}
		if leave {
			close(detached)
			conn.Close()
			return
		}
		if err != nil {
			conn.CloseStdin()
			return
		}
	}
}

func pumpResize(conn ociruntime.Conn, sizes <-chan Size, done <-chan struct{}) {
	for {
		select {
		case s, ok := <-sizes:
			if !ok {
				return
			}
			conn.Resize(s.Width, s.Height)
		case <-done:
			return
		}
	}
}

// detacher looks for the detach keys in the input. Keys that began a sequence and did not end it are passed on.
type detacher struct {
	keys []byte
	seen int
}

// newDetacher takes keys as in "ctrl-p,ctrl-q"; what does not parse has been refused before and disables detaching.
func newDetacher(spec string) *detacher {
	keys, err := container.ParseDetachKeys(spec)
	if err != nil {
		keys = nil
	}
	return &detacher{keys: keys}
}

// filter returns what of p goes to the process, and whether the sequence is complete.
func (d *detacher) filter(p []byte) (data []byte, leave bool) {
	if len(d.keys) == 0 {
		return p, false
	}
	out := make([]byte, 0, len(p)+len(d.keys))
	for _, b := range p {
		switch {
		case b == d.keys[d.seen]:
			if d.seen++; d.seen == len(d.keys) {
				return out, true
			}
			continue
		case d.seen > 0:
			out = append(out, d.keys[:d.seen]...)
			d.seen = 0
			if b == d.keys[0] {
				d.seen = 1
				continue
			}
		}
		out = append(out, b)
	}
	return out, false
}
