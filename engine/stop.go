package engine

import (
	"context"
	"syscall"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/ociruntime"
)

// killGrace is how long a killed process may take to be gone before that is an error.
const killGrace = 10 * time.Second

// Stop asks the container's first process to end, kills all of it if it has not after the timeout, and cleans up.
//
// ErrNotModified if it does not run; ErrConflict if it is being removed.
func (s *Containers) Stop(ctx context.Context, ref string, o StopOptions) error {
	return s.e.stop(ctx, ref, o, func(*container.Container) error { return nil })
}

// stop is Stop; prepare is called first, with the lock held, if the container runs.
func (e *Engine) stop(ctx context.Context, ref string, o StopOptions, prepare func(*container.Container) error) error {
	var c *container.Container
	err := e.locked(ctx, ref, func(locked *container.Container) error {
		c = locked
		if err := e.requireAlive(ctx, c); err != nil {
			return err
		}
		if err := prepare(c); err != nil {
			return err
		}
		return e.beginStop(ctx, c, o.Signal)
	})
	if err != nil {
		return err
	}
	err = e.waitDead(ctx, c, stopTimeout(c, o.Timeout))
	if ctx.Err() != nil {
		return err
	}
	err = e.locked(ctx, c.Config.ID, func(now *container.Container) error {
		if now.State.Run != c.State.Run || !now.State.Status.Alive() {
			return nil
		}
		return e.endStop(ctx, now)
	})
	if errdefs.Class(err) == errdefs.ErrNotFound {
		return nil // stopped, and removed by its own clean-up or by somebody else
	}
	return err
}

// beginStop sends the stop signal and records that the container is stopping. The caller holds the lock.
func (e *Engine) beginStop(ctx context.Context, c *container.Container, signal string) error {
	sig := syscall.Signal(c.Config.StopSignal)
	if signal != "" {
		n, err := container.ParseSignal(signal)
		if err != nil {
			return err
		}
		sig = syscall.Signal(n)
	}
	rt, err := e.runtimeOf(c)
	if err != nil {
		return err
	}
	if c.State.Status == container.Paused {
		if err := e.thaw(ctx, rt, c.Config.ID); err != nil {
			return err
		}
	}
	c.State.Status, c.State.StoppedByUser = container.Stopping, true
	if err := e.setState(ctx, c); err != nil {
		return err
	}
	err = rt.Kill(ctx, c.Config.ID, pidOf(c), sig, false)
	if errdefs.Class(err) == errdefs.ErrConflict {
		return nil // it has just ended
	}
	return err
}

// requireAlive turns a container that does not run into the error of a verb that needs one. A pending restart is called off.
func (e *Engine) requireAlive(ctx context.Context, c *container.Container) error {
	switch {
	case c.State.Status.Alive():
		return nil
	case c.State.Status == container.Removing:
		return errdefs.Conflict("container %s is being removed", c.Config.Name)
	case c.State.Status == container.Restarting:
		c.State.Status, c.State.StoppedByUser = container.Exited, true
		if err := e.setState(ctx, c); err != nil {
			return err
		}
	}
	return errdefs.New(errdefs.ErrNotModified, "container %s is not running", c.Config.Name)
}

// endStop kills what did not end by itself. The caller holds the lock.
func (e *Engine) endStop(ctx context.Context, c *container.Container) error {
	if !e.alive(c.State) {
		return e.finish(ctx, c)
	}
	rt, err := e.runtimeOf(c)
	if err != nil {
		return err
	}
	err = rt.Kill(ctx, c.Config.ID, pidOf(c), syscall.SIGKILL, !ownPIDNamespace(c.Config.Namespaces))
	if err != nil && errdefs.Class(err) != errdefs.ErrConflict {
		return err
	}
	if err := e.waitDead(ctx, c, killGrace); err != nil {
		return err
	}
	return e.finish(ctx, c)
}

// ownPIDNamespace reports whether all processes of the container end with its first.
func ownPIDNamespace(n container.Namespaces) bool {
	return n.PID.Mode == container.Default || n.PID.Mode == container.Private
}

func stopTimeout(c *container.Container, asked *int) time.Duration {
	switch {
	case asked == nil:
		return time.Duration(c.Config.StopTimeout) * time.Second
	case *asked < 0:
		return -1
	}
	return time.Duration(*asked) * time.Second
}

func pidOf(c *container.Container) ociruntime.PID {
	return ociruntime.PID{Pid: c.State.PID, Start: c.State.PIDStart}
}

// Kill sends a signal, by default KILL, to the container's first process.
//
// ErrConflict if it does not run, ErrInvalidArgument for an unknown signal.
func (s *Containers) Kill(ctx context.Context, ref, signal string) error {
	e := s.e
	if signal == "" {
		signal = "KILL"
	}
	n, err := container.ParseSignal(signal)
	if err != nil {
		return err
	}
	return e.locked(ctx, ref, func(c *container.Container) error {
		if !c.State.Status.Alive() {
			return errdefs.Conflict("container %s is not running: it is %s", c.Config.Name, c.State.Status)
		}
		rt, err := e.runtimeOf(c)
		if err != nil {
			return err
		}
		if err := rt.Kill(ctx, c.Config.ID, pidOf(c), syscall.Signal(n), false); err != nil {
			return err
		}
		events := []event.Event{containerEvent(c, event.Kill, "signal", container.SignalName(n))}
		if n == int(syscall.SIGKILL) || n == c.Config.StopSignal {
			c.State.StoppedByUser = true
			if c.State.Status == container.Paused {
				// What cgroup v1 has frozen does not die; what v2 has is dead by now, and refused by the runtime.
				if err := e.thaw(ctx, rt, c.Config.ID); err != nil && e.alive(c.State) {
					return err
				}
				c.State.Status = container.Running
				events = append(events, containerEvent(c, event.Unpause))
			}
		}
		return e.setState(ctx, c, events...)
	})
}

// Restart stops the container, if it runs, and starts it.
func (s *Containers) Restart(ctx context.Context, ref string, o RestartOptions) error {
	e := s.e
	var cl *claim // on a container that would remove itself when it is stopped
	defer func() { cl.leave() }()
	err := e.stop(ctx, ref, StopOptions{Timeout: o.Timeout}, func(c *container.Container) (err error) {
		if c.Config.AutoRemove {
			c.State.Again = true
			cl, err = e.claim(c.Config.ID, verbClaim)
		}
		return err
	})
	if err != nil && errdefs.Class(err) != errdefs.ErrNotModified {
		return err
	}
	if err != nil && o.RunningOnly {
		return nil
	}
	if err := e.startDependencies(ctx, ref); err != nil {
		return e.removeFailed(ctx, ref, err)
	}
	err = e.locked(ctx, ref, func(c *container.Container) error {
		if c.State.Status.Alive() {
			return nil
		}
		_, err := e.startLocked(ctx, c, startRequest{})
		if err != nil {
			return err
		}
		return e.setState(ctx, c, containerEvent(c, event.Restart))
	})
	return e.removeFailed(ctx, ref, err)
}

// Pause freezes the container's processes.
//
// ErrConflict if it is not running.
func (s *Containers) Pause(ctx context.Context, ref string) error {
	return s.freeze(ctx, ref, container.Running, container.Paused, event.Pause, (*Engine).freezeProcesses)
}

// Unpause lets the processes of a paused container go on.
//
// ErrConflict if it is not paused.
func (s *Containers) Unpause(ctx context.Context, ref string) error {
	return s.freeze(ctx, ref, container.Paused, container.Running, event.Unpause, (*Engine).thaw)
}

func (s *Containers) freeze(ctx context.Context, ref string, from, to container.Status, a event.Action, do func(*Engine, context.Context, ociruntime.Runtime, string) error) error {
	e := s.e
	return e.locked(ctx, ref, func(c *container.Container) error {
		if c.State.Status != from {
			return errdefs.Conflict("container %s is not %s: it is %s", c.Config.Name, from, c.State.Status)
		}
		rt, err := e.runtimeOf(c)
		if err != nil {
			return err
		}
		if err := do(e, ctx, rt, c.Config.ID); err != nil {
			return err
		}
		c.State.Status = to
		return e.setState(ctx, c, containerEvent(c, a))
	})
}

// freezeProcesses and thaw take a container as it is: if whoever did the same before died before it was in the store, the runtime
// refuses to do it once more, so it is taken back and done again.
func (e *Engine) freezeProcesses(ctx context.Context, rt ociruntime.Runtime, id string) error {
	return again(ctx, id, rt.Pause, rt.Resume)
}

func (e *Engine) thaw(ctx context.Context, rt ociruntime.Runtime, id string) error {
	return again(ctx, id, rt.Resume, rt.Pause)
}

func again(ctx context.Context, id string, do, undo func(context.Context, string) error) error {
	err := do(ctx, id)
	if err == nil || ctx.Err() != nil || undo(ctx, id) != nil {
		return err
	}
	return do(ctx, id)
}

// Rename gives the container another name.
//
// ErrAlreadyExists if it is taken, ErrInvalidArgument if it is no name.
func (s *Containers) Rename(ctx context.Context, ref, name string) error {
	if err := container.CheckName(name); err != nil {
		return err
	}
	return s.e.rename(ctx, ref, name)
}
