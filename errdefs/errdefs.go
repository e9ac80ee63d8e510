// Package errdefs names the classes of errors that Berth's packages return.
//
// Every error that leaves a package wraps exactly one class, so that a caller decides by class, never by text: one table maps
// classes to exit codes (cmd/berth), one to HTTP status (the APIs). The message names the object and, where there is one, the
// remedy; the class itself adds no words to it.
//
// The package holds no policy: what a class means to a user is decided by the tables.
package errdefs

import (
	"errors"
	"fmt"
)

// The classes. Test for one with errors.Is.
var (
	// ErrNotFound: the object named does not exist.
	ErrNotFound = errors.New("not found")
	// ErrAlreadyExists: the name or ID is taken.
	ErrAlreadyExists = errors.New("already exists")
	// ErrInvalidArgument: the request cannot be right, whatever the state of things.
	ErrInvalidArgument = errors.New("invalid argument")
	// ErrConflict: the request is right, the state of the object is not.
	ErrConflict = errors.New("conflict")
	// ErrNotModified: the object is already as asked for.
	ErrNotModified = errors.New("not modified")
	// ErrNotImplemented: this host, runtime or build cannot do it.
	ErrNotImplemented = errors.New("not implemented")
	// ErrPermissionDenied: the caller, or the engine, may not do it.
	ErrPermissionDenied = errors.New("permission denied")
	// ErrUnavailable: something outside the engine is not there now; trying again may help.
	ErrUnavailable = errors.New("unavailable")
	// ErrInternal: a fault of the engine's own or a damaged file.
	ErrInternal = errors.New("internal error")
)

var classes = []error{
	ErrNotFound, ErrAlreadyExists, ErrInvalidArgument, ErrConflict, ErrNotModified,
	ErrNotImplemented, ErrPermissionDenied, ErrUnavailable, ErrInternal,
}

// Class returns the class that err wraps, the outermost first; ErrInternal for an error without one, nil for nil.
func Class(err error) error {
	if err == nil {
		return nil
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		if c, ok := e.(*classed); ok {
			return c.class
		}
	}
	for _, c := range classes {
		if errors.Is(err, c) {
			return c
		}
	}
	return ErrInternal
}

// classed is an error of one class whose text is its own.
type classed struct {
	class error
	err   error
}

func (e *classed) Error() string   { return e.err.Error() }
func (e *classed) Unwrap() []error { return []error{e.err, e.class} }

// New returns an error of the class with a formatted message. The message may wrap a cause with %w.
func New(class error, format string, args ...any) error {
	return &classed{class: class, err: fmt.Errorf(format, args...)}
}

// With gives err the class, keeping its text. With(class, nil) is nil.
func With(class error, err error) error {
	if err == nil {
		return nil
	}
	return &classed{class: class, err: err}
}

// NotFound returns an ErrNotFound with a formatted message.
func NotFound(format string, args ...any) error { return New(ErrNotFound, format, args...) }

// AlreadyExists returns an ErrAlreadyExists with a formatted message.
func AlreadyExists(format string, args ...any) error { return New(ErrAlreadyExists, format, args...) }

// Invalid returns an ErrInvalidArgument with a formatted message.
func Invalid(format string, args ...any) error { return New(ErrInvalidArgument, format, args...) }

// Conflict returns an ErrConflict with a formatted message.
func Conflict(format string, args ...any) error { return New(ErrConflict, format, args...) }

// NotImplemented returns an ErrNotImplemented with a formatted message.
func NotImplemented(format string, args ...any) error {
	return New(ErrNotImplemented, format, args...)
}

// Denied returns an ErrPermissionDenied with a formatted message.
func Denied(format string, args ...any) error { return New(ErrPermissionDenied, format, args...) }

// Unavailable returns an ErrUnavailable with a formatted message.
func Unavailable(format string, args ...any) error { return New(ErrUnavailable, format, args...) }

// Internal returns an ErrInternal with a formatted message.
func Internal(format string, args ...any) error { return New(ErrInternal, format, args...) }
