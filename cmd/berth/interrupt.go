package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// signalNumber is a signal by its number.
type signalNumber = syscall.Signal

// interruptible returns a context that ends when the user interrupts the command, so that what has been begun is undone.
func interruptible(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	got := make(chan os.Signal, 1)
	signal.Notify(got, unix.SIGHUP, unix.SIGINT, unix.SIGTERM)
	done := make(chan struct{})
	go func() {
		select {
		case s := <-got:
			cancel(said(exitSignal + int(s.(syscall.Signal))))
		case <-done:
		}
	}()
	return ctx, func() { signal.Stop(got); close(done); cancel(nil) }
}

// interruption is why the context ended, if the error comes of that.
func interruption(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil && cause != ctx.Err() {
		return cause
	}
	return err
}
