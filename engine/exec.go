package engine

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/ociruntime"
	"github.com/berth-engine/berth/ociruntime/monitored"
	"github.com/berth-engine/berth/rootfs"
	"github.com/berth-engine/berth/store"
)

// Execs are the operations on exec sessions: further processes in running containers. A session of an ended process can be
// inspected until it is removed, or five minutes have passed.
type Execs struct{ e *Engine }

// Create makes a session in a running container, and returns its ID. No process runs yet.
//
// ErrConflict if the container is not running.
func (s *Execs) Create(ctx context.Context, ref string, o ExecOptions) (string, error) {
	x, _, err := s.e.newExec(ctx, ref, o)
	if err != nil {
		return "", err
	}
	return x.ID, s.e.putExec(ctx, x)
}

// newExec makes the record of a session and returns its container.
func (e *Engine) newExec(ctx context.Context, ref string, o ExecOptions) (*container.ExecSession, *container.Container, error) {
	if len(o.Command) == 0 {
		return nil, nil, errdefs.Invalid("no command to run in container %s", ref)
	}
	monitored.ExpectProcess()
	c, err := e.lookup(ctx, ref)
	if err != nil {
		return nil, nil, err
	}
	if err := e.requireExecable(c); err != nil {
		return nil, nil, err
	}
	return &container.ExecSession{
		ID: newID(), Container: c.Config.ID, Command: o.Command, Env: o.Env, User: o.User, WorkDir: o.WorkDir, Terminal: o.Terminal,
		Stdin: o.Stdin, Privileged: o.Privileged, PreserveFDs: o.PreserveFDs, DetachKeys: o.DetachKeys, Created: now(),
		Status: container.Created,
	}, c, nil
}

func (e *Engine) requireExecable(c *container.Container) error {
	switch status := e.trueStatus(c); status {
	case container.Running, container.Stopping:
		return nil
	case container.Paused:
		return errdefs.Conflict("container %s is paused: unpause it first", c.Config.Name)
	default:
		return errdefs.Conflict("container %s is not running: it is %s", c.Config.Name, status)
	}
}

func (e *Engine) putExec(ctx context.Context, x *container.ExecSession, events ...event.Event) error {
	return e.store.Update(ctx, store.Volatile, func(tx store.UpdateTx) error {
		if err := tx.ExecWriter().Put(x); err != nil {
			return err
		}
		return appendEvents(tx, events)
	})
}

// StartAttached runs a session that was created, with the streams connected, until it ends, and removes it.
//
// ErrConflict if it has been started, ociruntime.ErrCommandNotFound, ociruntime.ErrCannotInvoke, ociruntime.ErrDetached.
func (s *Execs) StartAttached(ctx context.Context, id string, st Streams, size Size, extra []*os.File) (ExitStatus, error) {
	x, c, err := s.e.createdExec(ctx, id)
	if err != nil {
		return ExitStatus{}, err
	}
	defer s.e.sweep(context.WithoutCancel(ctx))
	return s.e.runExec(ctx, c, x, st, size, extra)
}

// StartDetached starts a session that was created and leaves it to itself. Its exit code can be inspected when it has ended.
func (s *Execs) StartDetached(ctx context.Context, id string) error {
	x, c, err := s.e.createdExec(ctx, id)
	if err != nil {
		return err
	}
	defer s.e.sweep(ctx)
	_, err = s.e.startExec(ctx, c, x, ociruntime.ExecRequest{})
	return err
}

func (e *Engine) createdExec(ctx context.Context, id string) (x *container.ExecSession, c *container.Container, err error) {
	err = e.store.View(ctx, func(tx store.Tx) error {
		if x, err = tx.Execs().Exec(id); err != nil {
			return err
		}
		c, err = tx.Containers().Container(x.Container)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if x.Status != container.Created {
		return nil, nil, errdefs.Conflict("exec session %s has been started already", short(x.ID))
	}
	return x, c, e.requireExecable(c)
}

// runExec starts the session, stays attached and removes it.
func (e *Engine) runExec(ctx context.Context, c *container.Container, x *container.ExecSession, st Streams, size Size, extra []*os.File) (ExitStatus, error) {
	a := attachOptions(st)
	p, err := e.startExec(ctx, c, x, ociruntime.ExecRequest{
		Attached: &a, ExtraFiles: extra, Stdio: ociruntime.Stdio{Width: size.Width, Height: size.Height},
	})
	if err != nil {
		return ExitStatus{}, err
	}
	defer p.Conn.Close()
	exit, err := pump(ctx, p.Conn, st)
	switch {
	case errors.Is(err, ociruntime.ErrMonitorLost):
		if werr := waitProcess(ctx, p.PID.Pid, p.PID.Start, -1); werr != nil {
			return ExitStatus{}, werr
		}
		return ExitStatus{}, errors.Join(err, e.endExec(ctx, c, x, -1, true))
	case err != nil:
		return ExitStatus{}, err
	}
	if err := e.endExec(ctx, c, x, exit.Code, true); err != nil {
		return statusOf(exit), err
	}
	p.Conn.CleanedUp()
	return statusOf(exit), nil
}

// execStart is the start of a session under way: what one step finds out and a later one needs.
type execStart struct {
	e     *Engine
	c     *container.Container
	x     *container.ExecSession
	req   ociruntime.ExecRequest
	rt    ociruntime.Runtime
	run   string
	claim *claim
	made  *ociruntime.Process
}

// startExec runs the session's process. On error nothing is left of the session.
func (e *Engine) startExec(ctx context.Context, c *container.Container, x *container.ExecSession, req ociruntime.ExecRequest) (*ociruntime.Process, error) {
	rt, err := e.runtimeOf(c)
	if err != nil {
		return nil, err
	}
	s := &execStart{e: e, c: c, x: x, req: req, rt: rt, run: e.paths.execRun(x.ID)}
	err = runSteps(ctx, "exec", []step{
		{name: "claim", do: s.takeClaim, undo: s.drop},
		{name: "directory", do: func(context.Context) error { return makeExecDirectory(s.run) }},
		{name: "process", do: func(context.Context) (err error) {
			s.req.Process, err = e.execProcess(c, x)
			return err
		}},
		{name: "record", do: func(ctx context.Context) error {
			x.Status = container.Running
			return e.putExec(ctx, x, execEvents(c, x, event.Exec)...)
		}},
		{name: "run", do: s.runProcess, undo: s.killProcess},
		{name: "run-record", do: func(context.Context) error {
			return writeRunRecord(s.run, runRecord{PID: s.made.PID, Monitor: s.made.Monitor})
		}},
	})
	s.claim.leave() // to the monitor
	if err != nil {
		return nil, err
	}
	return s.made, nil
}

// execEvents are the events of what has happened to a session: none for a health check.
func execEvents(c *container.Container, x *container.ExecSession, a event.Action) []event.Event {
	if x.Check {
		return nil
	}
	return []event.Event{containerEvent(c, a, "execID", x.ID)}
}

// takeClaim makes this process, and then the monitor, answer for the session.
func (s *execStart) takeClaim(context.Context) (err error) {
	s.claim, err = s.e.claim(s.x.ID, execClaim)
	return err
}

// drop does away with the session.
func (s *execStart) drop(ctx context.Context) error {
	return errors.Join(s.e.dropExec(ctx, s.x.ID), s.e.removeExecRun(s.x.ID))
}

func (s *execStart) runProcess(ctx context.Context) (err error) {
	x, req := s.x, s.req
	req.ID, req.Container, req.Run, req.ContainerPID = x.ID, s.c.Config.ID, s.run, pidOf(s.c)
	req.Stdio.Terminal, req.Stdio.Stdin = x.Terminal, x.Stdin
	req.SystemdCgroup = s.e.systemdCgroups()
	req.Hold = []*os.File{s.claim.file}
	if req.Cleanup, err = s.e.commandLine("container", "cleanup", "--exec", x.ID, s.c.Config.ID); err != nil {
		return err
	}
	if s.made, err = s.rt.Exec(ctx, req); err != nil {
		return nameCommand(err, x.Command)
	}
	return nil
}

// killProcess ends the process, and waits for its monitor, which writes to the run directory as long as it lives.
func (s *execStart) killProcess(ctx context.Context) error {
	p := s.made
	if p == nil {
		return nil
	}
	if err := killProcess(p.PID.Pid, p.PID.Start); err != nil {
		return err
	}
	if p.Conn != nil {
		p.Conn.CleanedUp()
		p.Conn.Close()
	}
	return waitProcess(ctx, p.Monitor.Pid, p.Monitor.Start, killGrace)
}

func makeExecDirectory(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, os.ErrNotExist) {
		if err = os.Mkdir(filepath.Dir(dir), 0o700); err == nil || errors.Is(err, os.ErrExist) {
			err = os.Mkdir(dir, 0o700)
		}
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return errdefs.Internal("making a directory for an exec session: %w", err)
	}
	return nil
}

func (e *Engine) dropExec(ctx context.Context, id string) error {
	return e.store.Update(ctx, store.Volatile, func(tx store.UpdateTx) error { return tx.ExecWriter().Remove(id) })
}

// Inspect returns a session, with what the kernel says of its process.
func (s *Execs) Inspect(ctx context.Context, id string) (*container.ExecSession, error) {
	e := s.e
	var x *container.ExecSession
	err := e.store.View(ctx, func(tx store.Tx) (err error) {
		x, err = tx.Execs().Exec(id)
		return err
	})
	if err != nil || x.Status != container.Running {
		return x, err
	}
	e.showExecTruth(x)
	return x, nil
}

// Remove removes a session; with force its process is killed first.
//
// ErrConflict if its process runs and force is not set.
func (s *Execs) Remove(ctx context.Context, id string, force bool) error {
	x, err := s.Inspect(ctx, id)
	if err != nil {
		return err
	}
	if x.Status == container.Running {
		if !force {
			return errdefs.Conflict("exec session %s is running: stop it first, or remove it with force", short(x.ID))
		}
		if err := s.e.killExec(ctx, x); err != nil {
			return err
		}
	}
	if err := s.e.dropExec(ctx, x.ID); err != nil {
		return err
	}
	return s.e.removeExecRun(x.ID)
}

func (e *Engine) killExec(ctx context.Context, x *container.ExecSession) error {
	c, err := e.reread(ctx, x.Container)
	if err != nil {
		return err
	}
	rt, err := e.runtimeOf(c)
	if err != nil {
		return err
	}
	err = rt.Kill(ctx, x.Container, ociruntime.PID{Pid: x.PID, Start: x.PIDStart}, 9, false)
	if err != nil && errdefs.Class(err) != errdefs.ErrConflict {
		return err
	}
	return waitProcess(ctx, x.PID, x.PIDStart, killGrace)
}

// Resize sets the size of the session's terminal.
func (s *Execs) Resize(ctx context.Context, id string, size Size) error {
	x, err := s.Inspect(ctx, id)
	if err != nil {
		return err
	}
	c, err := s.e.reread(ctx, x.Container)
	if err != nil {
		return err
	}
	rt, err := s.e.runtimeOf(c)
	if err != nil {
		return err
	}
	conn, err := rt.Attach(ctx, s.e.paths.execRun(x.ID), ociruntime.AttachOptions{})
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Resize(size.Width, size.Height)
}

// execProcess is the process document of a session.
func (e *Engine) execProcess(c *container.Container, x *container.ExecSession) ([]byte, error) {
	root, err := rootfs.OpenRoot(e.paths.rootfs(&c.Config))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	who := or(x.User, c.Config.Process.User)
	user, err := rootfs.ResolveUser(root, who, c.Config.Process.Groups)
	if err != nil {
		return nil, err
	}
	p, err := e.buildExecProcess(c, x, user)
	if err != nil {
		return nil, err
	}
	if err := requireExecutable(p); err != nil {
		return nil, nameCommand(err, x.Command)
	}
	data, err := json.Marshal(p)
	if err != nil {
		return nil, errdefs.Internal("encoding the process %s: %w", strings.Join(x.Command, " "), err)
	}
	return data, nil
}
