package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/berth-engine/berth/engine"
)

// defaultDetachKeys leave an attached container without ending it.
const defaultDetachKeys = "ctrl-p,ctrl-q"

// attachment says how this command's streams are joined to those of a process.
type attachment struct {
	// Terminal: the process has a terminal.
	Terminal bool
	// Stdin, Stdout and Stderr choose the streams.
	Stdin, Stdout, Stderr bool
	DetachKeys            string
	// Forward sends a signal that this command got to the process; nil for --sig-proxy=false, and for exec sessions.
	Forward func(ctx context.Context, sig syscall.Signal)
	// Broken is called, once, when nobody reads this command's output any more; nil ends the command there and then.
	Broken func()
	// RawLater leaves it to the attachedFunc to put the terminal into raw mode.
	RawLater bool
}

// attachedFunc runs a process with the streams until it ends, ctx ends or the user detaches. raw puts the terminal, if that is
// what standard input is, into raw mode.
type attachedFunc func(ctx context.Context, s engine.Streams, size engine.Size, raw func() error) (engine.ExitStatus, error)

// attached joins this command's streams to a process: raw mode and the window's size if both have a terminal, and signals.
// The terminal is as it was before when attached returns, and when the program is ended by a signal or a panic.
func (a *app) attached(ctx context.Context, at attachment, run attachedFunc) (engine.ExitStatus, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	started := new(atomic.Bool)
	stop := watchSignals(ctx, at, started, cancel)
	defer stop()

	s := engine.Streams{DetachKeys: at.DetachKeys, Started: func() { started.Store(true) }}
	if at.Stdin {
		s.Stdin = a.in
	}
	broken := brokenOnce(at, cancel)
	if at.Stdout {
		s.Stdout = &outlet{w: a.out, broken: broken}
	}
	if at.Stderr && !at.Terminal {
		s.Stderr = &outlet{w: a.err, broken: broken}
	}
	raw, restore := a.rawMode(at)
	defer restore()
	if !at.RawLater {
		if err := raw(); err != nil {
			return engine.ExitStatus{}, err
		}
	}
	var size engine.Size
	if at.Terminal {
		var unfollow func()
		size, s.Resize, unfollow = a.followSize(ctx)
		defer unfollow()
	}
	status, err := run(ctx, s, size, raw)
	if cause := context.Cause(ctx); err != nil && ctx.Err() != nil && cause != ctx.Err() {
		return status, cause
	}
	return status, err
}

// rawMode returns a function that lets what is typed pass through untouched, if a terminal is attached to a terminal, and one
// that makes the terminal what it was. Both may be called more than once.
func (a *app) rawMode(at attachment) (raw func() error, restore func()) {
	fd, ok := terminalOf(a.in)
	if !ok || !at.Terminal || !at.Stdin {
		return func() error { return nil }, func() {}
	}
	var before *term.State
	raw = sync.OnceValue(func() (err error) {
		before, err = term.MakeRaw(fd)
		return err
	})
	restore = sync.OnceFunc(func() {
		if before != nil {
			term.Restore(fd, before)
		}
	})
	return raw, restore
}

// terminalSize is the size of the terminal that shows the output, else of the one that is typed on.
func (a *app) terminalSize() (engine.Size, bool) {
	for _, stream := range []any{a.out, a.in, a.err} {
		fd, ok := terminalOf(stream)
		if !ok {
			continue
		}
		if width, height, err := term.GetSize(fd); err == nil {
			return engine.Size{Width: uint16(width), Height: uint16(height)}, true
		}
	}
	return engine.Size{}, false
}

// followSize returns the terminal's size and a channel that gets it again whenever it changes, until stop.
func (a *app) followSize(ctx context.Context) (first engine.Size, sizes <-chan engine.Size, stop func()) {
	first, ok := a.terminalSize()
	if !ok {
		return first, nil, func() {}
	}
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	ch := make(chan engine.Size, 1)
	ch <- first
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-changed:
			}
			size, ok := a.terminalSize()
			if !ok {
				continue
			}
			select {
			case ch <- size:
			case <-ctx.Done():
				return
			}
		}
	}()
	return first, ch, func() { signal.Stop(changed); cancel() }
}

// forwarded are the signals that are passed on. Those of job control are not: ^Z suspends the command, as any other.
var forwarded = func() []os.Signal {
	sigs := []os.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM,
		syscall.SIGTERM,
	}
	for rt := 34; rt <= 64; rt++ {
		sigs = append(sigs, syscall.Signal(rt))
	}
	return sigs
}

// ends reports whether a signal ends a program that does nothing about it by the user's wish.
func ends(sig syscall.Signal) bool {
	return sig == unix.SIGHUP || sig == unix.SIGINT || sig == unix.SIGQUIT || sig == unix.SIGTERM
}

// watchSignals passes signals on to the process once it has started. Before that, and if none are passed on, those that would
// end the program cancel instead, so that it ends with its terminal and its files in order.
func watchSignals(ctx context.Context, at attachment, started *atomic.Bool, cancel context.CancelCauseFunc) (stop func()) {
	got := make(chan os.Signal, 64)
	signal.Notify(got, unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM)
	if at.Forward != nil {
		signal.Notify(got, forwarded()...)
	}
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, unix.SIGPIPE) // a write to a closed pipe fails instead of ending the program
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			case s := <-got:
				sig := s.(syscall.Signal)
				switch {
				case at.Forward != nil && started.Load() && passOn(ctx, at, sig):
				case ends(sig):
					cancel(said(exitSignal + int(sig)))
				}
			}
		}
	}()
	return func() { signal.Stop(got); signal.Stop(pipe); close(done) }
}

// forwardPatience is how long passing a signal on may take. Only an OCI runtime that hangs takes long, with the container locked.
const forwardPatience = 5 * time.Second

// passOn passes a signal on, and reports whether that was done in time.
func passOn(ctx context.Context, at attachment, sig syscall.Signal) bool {
	ctx, cancel := context.WithTimeout(ctx, forwardPatience)
	defer cancel()
	at.Forward(ctx, sig)
	return !errors.Is(ctx.Err(), context.DeadlineExceeded)
}

// brokenOnce is what an outlet calls when its reader has gone.
func brokenOnce(at attachment, cancel context.CancelCauseFunc) func() {
	return sync.OnceFunc(func() {
		if at.Broken == nil {
			cancel(said(exitSignal + int(unix.SIGPIPE)))
			return
		}
		go at.Broken()
	})
}

// outlet writes a process's output. When nobody reads it any more, it says so once and lets the rest go.
type outlet struct {
	w      io.Writer
	broken func()
	gone   bool
}

func (o *outlet) Write(p []byte) (int, error) {
	if o.gone {
		return len(p), nil
	}
	n, err := o.w.Write(p)
	if errors.Is(err, unix.EPIPE) {
		o.gone = true
		o.broken()
		return len(p), nil
	}
	return n, err
}
