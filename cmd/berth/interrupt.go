package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// signalNumber is a signal by its number.
type signalNumber = syscall.Signal

// undoing makes a command that undoes what it has begun when the user interrupts it.
func undoing(run func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ctx, stop := interruptible(cmd.Context())
		defer stop()
		cmd.SetContext(ctx)
		return interruption(ctx, run(cmd, args))
	}
}

// interruptible returns a context that ends when the user interrupts the command, so that what has been begun is undone. A second
// interruption ends the command at once.
func interruptible(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	got := make(chan os.Signal, 1)
	signal.Notify(got, unix.SIGHUP, unix.SIGINT, unix.SIGTERM)
	done := make(chan struct{})
	go func() {
		select {
		case s := <-got:
			signal.Stop(got)
			cancel(said(exitSignal + int(s.(syscall.Signal))))
		case <-done:
		}
	}()
	return ctx, func() { signal.Stop(got); close(done); cancel(nil) }
}

// whileNotInterrupted is input that ends with the context: a read of a pipe into which nobody writes would not.
func whileNotInterrupted(ctx context.Context, input io.Reader) io.Reader {
	r, w := io.Pipe()
	context.AfterFunc(ctx, func() { w.CloseWithError(context.Cause(ctx)) })
	go func() {
		_, err := io.Copy(w, input)
		w.CloseWithError(err)
	}()
	return r
}

// interruption is why the context ended, if the error comes of that.
func interruption(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); err != nil && cause != nil && cause != ctx.Err() {
		return cause
	}
	return err
}
