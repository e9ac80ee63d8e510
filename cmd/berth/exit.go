package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/berth-engine/berth/ociruntime"
)

// The exit codes that are not a container's own. They are Docker's and podman's.
const (
	exitOK            = 0
	exitFalse         = 1   // the answer of "exists" is no; rm: no such container
	exitConflict      = 2   // rm: a container is running or paused
	exitEngine        = 125 // Berth failed, or was asked for what cannot be
	exitCannotInvoke  = 126 // the command in the container cannot be invoked
	exitNotFound      = 127 // the command is not in the container
	exitSignal        = 128 // plus the number of the signal
	exitUnknownStatus = 255 // nobody saw how the process ended
)

// exitError ends the program with a code of its own. A nil cause has nothing to say: it was said, or the code says it all.
type exitError struct {
	code  int
	cause error
}

func (e *exitError) Error() string {
	if e.cause == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.cause.Error()
}

func (e *exitError) Unwrap() error { return e.cause }

// exitWith makes a process's exit code the program's; nil for 0.
func exitWith(code int) error {
	switch {
	case code == exitOK:
		return nil
	case code < 0:
		code = exitUnknownStatus
	}
	return &exitError{code: code}
}

// said marks a failure whose message has been printed already.
func said(code int) error { return &exitError{code: code} }

// exitCode is the one table from errors to exit codes. Every class of errdefs is a failure of the engine's, 125, but for what
// an OCI runtime says of the command.
func exitCode(err error) int {
	var own *exitError
	switch {
	case err == nil, errors.Is(err, ociruntime.ErrDetached):
		return exitOK
	case errors.As(err, &own):
		return own.code
	case errors.Is(err, ociruntime.ErrCommandNotFound):
		return exitNotFound
	case errors.Is(err, ociruntime.ErrCannotInvoke):
		return exitCannotInvoke
	}
	return exitEngine
}

// report prints what an error has to say and returns the exit code.
func report(w io.Writer, err error) int {
	code := exitCode(err)
	if code == exitOK {
		return code
	}
	var own *exitError
	if errors.As(err, &own) && own.cause == nil {
		return code
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(w, "Error: interrupted")
		return code
	}
	fmt.Fprintf(w, "Error: %v\n", err)
	var usage *usageError
	if errors.As(err, &usage) {
		fmt.Fprintf(w, "See '%s --help'\n", usage.command)
	}
	return code
}

// usageError is a command line that cannot be right.
type usageError struct {
	command string // its path: berth run
	cause   error
}

func (e *usageError) Error() string { return e.cause.Error() }
func (e *usageError) Unwrap() error { return e.cause }
