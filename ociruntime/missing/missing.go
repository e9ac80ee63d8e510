// Package missing is the ociruntime.Runtime of a host on which there is none: what needs a runtime fails with one clear error,
// while listing, inspecting and removing containers, which do not, still work.
package missing

import (
	"context"
	"syscall"
	"time"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/ociruntime"
)

// Runtime stands for a runtime that is not installed. It may be used concurrently.
type Runtime struct {
	name string
	err  error
}

var _ ociruntime.Runtime = (*Runtime)(nil)

// New returns a Runtime for the name that was asked for. cause, which may be nil, is how it was found to be missing, and becomes
// the error of every operation.
func New(name string, cause error) *Runtime {
	if name == "" {
		name = "crun or runc"
	}
	if cause == nil {
		cause = errdefs.Unavailable("the OCI runtime %s is not installed; install it, or name another with --runtime", name)
	}
	return &Runtime{name: name, err: &missing{cause}}
}

// missing is ErrMissing with the text, and what else it wraps, of its cause.
type missing struct{ cause error }

func (m *missing) Error() string { return m.cause.Error() }

func (m *missing) Unwrap() []error {
	return []error{m.cause, ociruntime.ErrMissing, errdefs.ErrUnavailable}
}

// Name is the name that was asked for.
func (r *Runtime) Name() string { return r.name }

// Path is empty.
func (r *Runtime) Path() string { return "" }

// Create fails with ErrMissing.
func (r *Runtime) Create(context.Context, ociruntime.CreateRequest) (*ociruntime.Process, error) {
	return nil, r.err
}

// Start fails with ErrMissing.
func (r *Runtime) Start(context.Context, string) error { return r.err }

// Exec fails with ErrMissing.
func (r *Runtime) Exec(context.Context, ociruntime.ExecRequest) (*ociruntime.Process, error) {
	return nil, r.err
}

// Attach fails with ErrMissing.
func (r *Runtime) Attach(context.Context, string, ociruntime.AttachOptions) (ociruntime.Conn, error) {
	return nil, r.err
}

// Schedule fails with ErrMissing.
func (r *Runtime) Schedule(context.Context, string, time.Duration) error { return r.err }

// Kill fails with ErrMissing.
func (r *Runtime) Kill(context.Context, string, ociruntime.PID, syscall.Signal, bool) error {
	return r.err
}

// Pause fails with ErrMissing.
func (r *Runtime) Pause(context.Context, string) error { return r.err }

// Resume fails with ErrMissing.
func (r *Runtime) Resume(context.Context, string) error { return r.err }

// Update fails with ErrMissing.
func (r *Runtime) Update(context.Context, string, []byte) error { return r.err }

// Delete fails with ErrMissing.
func (r *Runtime) Delete(context.Context, string, bool) error { return r.err }

// Processes fails with ErrMissing.
func (r *Runtime) Processes(context.Context, string) ([]int, error) { return nil, r.err }

// Info names the runtime and says that it is missing.
func (r *Runtime) Info(context.Context) (ociruntime.Info, error) {
	return ociruntime.Info{Name: r.name, Version: "missing"}, r.err
}
