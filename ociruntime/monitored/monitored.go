// Package monitored is the ociruntime.Runtime that Berth uses: an OCI runtime such as crun or runc, each container under a
// berth-monitor of its own.
//
// It knows the runtime's command line, the monitor's (monitor.go) and what the two leave in a run directory. It keeps nothing in
// memory that another process would need: any process may call any method for any container.
//
// What is not here: what becomes of a container in the store, and which runtime a container is to have (but for Select, which
// finds one that fits the host).
package monitored

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/ociruntime"
)

// Options say which programs are used and where their state is.
type Options struct {
	// RuntimePath is the OCI runtime's program.
	RuntimePath string
	// Name is the runtime's name; empty for the base name of RuntimePath.
	Name string
	// MonitorPath is berth-monitor.
	MonitorPath string
	// RunRoot is the engine's run directory. It is cleared at boot.
	RunRoot string
	// StateRoot is the runtime's --root; empty for runtime/NAME in RunRoot.
	StateRoot string
	// SystemdCgroup has every operation use systemd for control groups.
	SystemdCgroup bool
	// Env is added to the runtime's environment.
	Env []string
}

// Runtime is an OCI runtime under berth-monitor. It may be used concurrently.
type Runtime struct {
	o         Options
	stateMade func() error
}

var _ ociruntime.Runtime = (*Runtime)(nil)

// New returns a Runtime. It touches nothing: whether the programs are there shows when they are needed.
func New(o Options) *Runtime {
	if o.Name == "" {
		o.Name = filepath.Base(o.RuntimePath)
	}
	if o.StateRoot == "" {
		o.StateRoot = filepath.Join(o.RunRoot, "runtime", o.Name)
	}
	r := &Runtime{o: o}
	r.stateMade = sync.OnceValue(func() error { return os.MkdirAll(r.o.StateRoot, 0o700) })
	return r
}

// Name is the runtime's name.
func (r *Runtime) Name() string { return r.o.Name }

// Path is where the runtime is.
func (r *Runtime) Path() string { return r.o.RuntimePath }

// Start lets the first process run.
func (r *Runtime) Start(ctx context.Context, id string) error {
	out, err := r.command(ctx, "start", id)
	if err != nil {
		return r.commandFailed("start", id, out, err)
	}
	return nil
}

// Pause freezes the container's processes.
func (r *Runtime) Pause(ctx context.Context, id string) error {
	out, err := r.command(ctx, "pause", id)
	if err != nil {
		return r.commandFailed("pause", id, out, err)
	}
	return nil
}

// Resume lets them go on.
func (r *Runtime) Resume(ctx context.Context, id string) error {
	out, err := r.command(ctx, "resume", id)
	if err != nil {
		return r.commandFailed("resume", id, out, err)
	}
	return nil
}

// Update changes the container's limits.
func (r *Runtime) Update(ctx context.Context, id string, resources []byte) error {
	if !r.hasState(id) {
		return errdefs.Conflict("container %s does not run", id)
	}
	in, err := memoryFile("resources", resources)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := r.commandWithInput(ctx, in, "update", "--resources", "-", id)
	if err != nil {
		return r.commandFailed("update", id, out, err)
	}
	return nil
}

// Processes returns the PIDs of all processes in the container.
func (r *Runtime) Processes(ctx context.Context, id string) ([]int, error) {
	if !r.hasState(id) {
		return nil, errdefs.Conflict("container %s does not run", id)
	}
	out, err := r.command(ctx, "ps", "--format", "json", id)
	if err != nil {
		return nil, r.commandFailed("ps", id, out, err)
	}
	var pids []int
	if err := json.Unmarshal(out, &pids); err != nil {
		return nil, errdefs.Internal("%s: list of processes of %s: %w", r.o.Name, id, err)
	}
	return pids, nil
}

// Delete removes what is left of a container. What is not there is no error.
func (r *Runtime) Delete(ctx context.Context, id string, force bool) error {
	if !r.hasState(id) {
		return r.forget(id, force)
	}
	whole := r.hasState(filepath.Join(id, "status")) || r.hasState(filepath.Join(id, "state.json"))
	args := []string{"delete", id}
	if force {
		args = []string{"delete", "--force", id}
	}
	out, err := r.command(ctx, args...)
	if err != nil && r.hasState(id) {
		if !force || ctx.Err() != nil {
			return r.commandFailed("delete", id, out, err)
		}
		// A runtime that is broken or gone must not keep a container for ever.
		if forgetErr := r.forget(id, true); forgetErr != nil {
			return errors.Join(r.commandFailed("delete", id, out, err), forgetErr)
		}
		return os.RemoveAll(filepath.Join(r.o.StateRoot, id))
	}
	return r.forget(id, force && (err != nil || !whole))
}

// hasState reports whether the runtime knows of the container. Both crun and runc keep one directory a container, and in it a
// file (status, state.json) once they know what they have made.
func (r *Runtime) hasState(id string) bool {
	_, err := os.Lstat(filepath.Join(r.o.StateRoot, id))
	return !errors.Is(err, fs.ErrNotExist)
}

// Info describes the runtime and the monitor, by asking both for their versions.
func (r *Runtime) Info(ctx context.Context) (ociruntime.Info, error) {
	info := ociruntime.Info{Name: r.o.Name, Path: r.o.RuntimePath, MonitorPath: r.o.MonitorPath}
	out, err := run(ctx, r.o.RuntimePath, []string{"--version"}, nil)
	if err != nil {
		return info, r.commandFailed("--version", "", out, err)
	}
	info.Version, _, _ = strings.Cut(strings.TrimSpace(string(out)), "\n")
	info.Package = info.Version
	if out, err = run(ctx, r.o.MonitorPath, []string{"--version"}, nil); err == nil {
		info.MonitorVersion = strings.TrimSpace(string(out))
	}
	return info, nil
}

// Kill sends a signal to the first process without the runtime's help, or through the runtime to all processes.
func (r *Runtime) Kill(ctx context.Context, id string, pid ociruntime.PID, sig syscall.Signal, all bool) error {
	if all {
		if !r.hasState(id) {
			return errdefs.Conflict("container %s does not run", id)
		}
		out, err := r.command(ctx, "kill", "--all", id, strconv.Itoa(int(sig)))
		if err != nil {
			return r.commandFailed("kill", id, out, err)
		}
		return nil
	}
	if err := signalProcess(pid, sig); err != nil {
		if errors.Is(err, errGone) {
			return errdefs.Conflict("container %s does not run", id)
		}
		return errdefs.Internal("signal %d to container %s: %w", sig, id, err)
	}
	return nil
}

// program is the path from which the runtime is run. It is looked at each time, since a package manager may replace the file.
func (r *Runtime) program() string { return readOnlyImage(r.o.RunRoot, r.o.Name, r.o.RuntimePath) }

// command runs the runtime and returns what it wrote.
func (r *Runtime) command(ctx context.Context, args ...string) ([]byte, error) {
	return r.commandWithInput(ctx, nil, args...)
}

// commandWithInput is command with a standard input; nil for none.
func (r *Runtime) commandWithInput(ctx context.Context, in *os.File, args ...string) ([]byte, error) {
	global := []string{"--root", r.o.StateRoot}
	if r.o.SystemdCgroup {
		global = append(global, "--systemd-cgroup")
	}
	return runWithInput(ctx, r.program(), append(global, args...), r.o.Env, in)
}
