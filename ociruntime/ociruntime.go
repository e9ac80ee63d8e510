// Package ociruntime is the seam to an OCI runtime under a monitor: values in, values out. An implementation knows a runtime's
// command line and a monitor's protocol, and nothing of the store, images or policy.
//
// Implementations: monitored (berth-monitor) and missing (a runtime that is not there). runtimetest is what each must pass.
//
// A container's run directory (Dirs.Run) is where the parts meet. It holds, from create to delete: attach (the monitor's socket), pid,
// exit (the exit record) and the runtime's log.
package ociruntime

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

var (
	// ErrCommandNotFound: the program to be run is not in the container (exit code 127).
	ErrCommandNotFound = errors.New("command not found")
	// ErrCannotInvoke: the program is there and cannot be run (exit code 126).
	ErrCannotInvoke = errors.New("command cannot be invoked")
	// ErrMissing: the OCI runtime itself is not installed. Its class is ErrUnavailable.
	ErrMissing = errors.New("OCI runtime is not installed")
	// ErrDetached: the user left an attached container by its detach keys; the container goes on.
	ErrDetached = errors.New("detached")
	// ErrMonitorLost: the monitor has died without recording an exit.
	ErrMonitorLost = errors.New("the container's monitor has died")
)

// Runtime drives containers through one OCI runtime. All methods may be called concurrently; those for one container are
// serialized by the caller, but for Attach, Wait and Kill.
//
// Errors wrap a class of errdefs, or one of the errors above, and hold the runtime's own message in one line.
type Runtime interface {
	// Name is the program's base name, Path where it is.
	Name() string
	Path() string
	// Create starts a monitor, which has the runtime create the container from the bundle, and returns when the first process
	// exists and waits to be started. On error nothing is left: no process, no control group, no runtime state.
	Create(ctx context.Context, r CreateRequest) (*Process, error)
	// Start lets the first process run.
	Start(ctx context.Context, id string) error
	// Exec runs one more process under a monitor of its own and returns when it has been started.
	// ErrCommandNotFound, ErrCannotInvoke. On error nothing is left.
	Exec(ctx context.Context, r ExecRequest) (*Process, error)
	// Attach connects to a container's or exec session's monitor. ErrNotFound if none listens there.
	Attach(ctx context.Context, run string, o AttachOptions) (Conn, error)
	// Schedule has the monitor of a container run its periodic command (CreateRequest.Periodic) once, when this much time has passed since it
	// was due last, or twice this much if that is over, and so on: a command that calls it whenever it runs keeps the beat. The first
	// time counts from now, and so does one that replaces a time to come. Zero or less is never.
	Schedule(ctx context.Context, run string, period time.Duration) error
	// Kill sends a signal to the first process, or to all processes of the container. ErrConflict if it does not run.
	Kill(ctx context.Context, id string, pid PID, sig syscall.Signal, all bool) error
	Pause(ctx context.Context, id string) error
	Resume(ctx context.Context, id string) error
	// Update changes the limits of a container that has processes. resources is the runtime spec's linux.resources as JSON; what it
	// leaves out stays as it is.
	Update(ctx context.Context, id string, resources []byte) error
	// Delete removes what the runtime and the control groups still hold of a container that has ended (or, with force, after
	// killing it). Deleting what is not there is no error.
	Delete(ctx context.Context, id string, force bool) error
	// Processes returns the PIDs of all processes in the container.
	Processes(ctx context.Context, id string) ([]int, error)
	// Info describes the runtime for info and version.
	Info(ctx context.Context) (Info, error)
}

// PID is a process that cannot be mistaken for another: Start is its start time in clock ticks since boot (proc(5), stat, field 22).
type PID struct {
	Pid   int
	Start uint64
}

// Stdio says what a process's standard streams are.
type Stdio struct {
	Terminal bool
	// Stdin keeps standard input open; otherwise it is /dev/null.
	Stdin bool
	// StdinOnce closes standard input when the first client that had it leaves.
	StdinOnce bool
	// Passthrough, when it has three files, are the process's streams themselves; the monitor then neither logs nor attaches.
	Passthrough []*os.File
	// Width and Height are the terminal's first size, in characters; zero leaves the kernel's default.
	Width, Height uint16
}

// LogConfig is where a monitor writes the output.
type LogConfig struct {
	Driver   string // k8s-file, json-file, none
	Path     string
	MaxSize  int64 // bytes; 0 never rotates
	MaxFiles int   // the current one included
	Tag      string
}

// CreateRequest is what Create needs.
type CreateRequest struct {
	ID string
	// Bundle holds config.json; Run is the container's run directory, which exists.
	Bundle, Run string
	Stdio       Stdio
	Log         LogConfig
	// SystemdCgroup has the runtime use systemd for control groups.
	SystemdCgroup bool
	// NoCgroup leaves the container in the caller's control group. ErrNotImplemented of a runtime that always makes one.
	NoCgroup bool
	// Hold are files whose descriptors the monitor keeps open for as long as it, or what it becomes, lives.
	Hold []*os.File
	// Cleanup is the command that the monitor becomes when the container has exited; empty for none.
	Cleanup []string
	// Periodic is a command that the monitor runs, as its child, whenever the time has come that Schedule has set; not twice at a time. It is
	// to schedule its next run itself. Empty for none.
	Periodic []string
	// Attached asks for a connection made before the process can run (Process.Conn), on which the caller promises to clean up
	// itself: the monitor then becomes Cleanup only if that connection closes without Conn.CleanedUp.
	Attached *AttachOptions
	// ExtraFiles are passed to the first process from descriptor 3 on.
	ExtraFiles []*os.File
	// Env is added to the runtime's (not the container's) environment.
	Env []string
}

// ExecRequest is what Exec needs.
type ExecRequest struct {
	// ID is the exec session's, Container the container's.
	ID, Container string
	// Process is the process document (OCI runtime spec, config.json's process), as JSON.
	Process []byte
	// Run is the exec session's own run directory, which exists.
	Run string
	// ContainerPID is the container's first process, which a monitor may watch.
	ContainerPID  PID
	Stdio         Stdio
	Hold          []*os.File
	Cleanup       []string
	Attached      *AttachOptions
	ExtraFiles    []*os.File
	SystemdCgroup bool
}

// Process is what Create and Exec made.
type Process struct {
	PID     PID
	Monitor PID
	// Conn is set when the request had Attached.
	Conn Conn
}

// AttachOptions choose the streams of a connection.
type AttachOptions struct {
	Stdin, Stdout, Stderr bool
	// WaitOnly connects to be told of the exit, and gets no stream.
	WaitOnly bool
}

// Conn is one client's connection to a monitor. Its methods may be called concurrently with each other, each by one caller.
type Conn interface {
	// Next blocks for what the monitor says next. io.EOF after the exit has been told; ErrMonitorLost if the monitor died.
	// The data of a message is valid until the next call.
	Next() (Message, error)
	// Write sends to the process's standard input. io.ErrClosedPipe once the process has closed it or ended.
	Write(p []byte) (int, error)
	// CloseStdin ends the process's standard input.
	CloseStdin() error
	// Resize sets the terminal's size in characters.
	Resize(width, height uint16) error
	// CleanedUp tells the monitor that the caller has done the clean-up; see CreateRequest.Attached.
	CleanedUp() error
	io.Closer
}

// Stream is which output stream a message is of.
type Stream byte

// The streams. On a terminal all output is Stdout.
const (
	Stdout Stream = 1
	Stderr Stream = 2
	Exited Stream = 3 // the last message: Exit is set
)

// Message is what a Conn gets.
type Message struct {
	Stream Stream
	Data   []byte
	Exit   *ExitRecord
}

// ExitRecord is what the monitor wrote when a process ended.
type ExitRecord struct {
	// Code is the exit code, 128+Signal after a signal.
	Code   int
	Signal int
	OOM    bool
	Time   time.Time
}

// Info describes a runtime.
type Info struct {
	Name, Path, Version, Package string
	MonitorPath, MonitorVersion  string
}
