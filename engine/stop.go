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
	e := s.e
	var c *container.Container
	err := e.locked(ctx, ref, func(locked *container.Container) error {
		c = locked
		return e.beginStop(ctx, c, o.Signal)
	})
	if err != nil {
		return err
	}
	err = e.waitDead(ctx, c, stopTimeout(c, o.Timeout))
	if ctx.Err() != nil {
		return err
	}
	return e.locked(ctx, c.Config.ID, func(now *container.Container) error {
		if now.State.Run != c.State.Run || !now.State.Status.Alive() {
			return nil
		}
		return e.endStop(ctx, now)
	})
}

// beginStop sends the stop signal and records that the container is stopping. The caller holds the lock.
func (e *Engine) beginStop(ctx context.Context, c *container.Container, signal string) error {
	if err := e.requireAlive(ctx, c); err != nil {
		return err
	}
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
		if err := rt.Resume(ctx, c.Config.ID); err != nil {
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
	if err := rt.Kill(ctx, c.Config.ID, pidOf(c), syscall.SIGKILL, true); err != nil && errdefs.Class(err) != errdefs.ErrConflict {
		return err
	}
	if err := e.waitDead(ctx, c, killGrace); err != nil {
		return err
	}
	return e.finish(ctx, c)
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
			if c.State.Status == container.Paused { // what is frozen does not die
				if err := rt.Resume(ctx, c.Config.ID); err != nil {
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
	err := s.Stop(ctx, ref, StopOptions{Timeout: o.Timeout})
	if err != nil && errdefs.Class(err) != errdefs.ErrNotModified {
		return err
	}
	if err != nil && o.RunningOnly {
		return nil
	}
	err = s.e.locked(ctx, ref, func(c *container.Container) error {
		if c.State.Status.Alive() {
			return nil
		}
		_, err := s.e.startLocked(ctx, c, startRequest{})
		if err != nil {
			return err
		}
		return s.e.setState(ctx, c, containerEvent(c, event.Restart))
	})
	return err
}

// Pause freezes the container's processes.
//
// ErrConflict if it is not running.
func (s *Containers) Pause(ctx context.Context, ref string) error {
	return s.freeze(ctx, ref, container.Running, container.Paused, event.Pause, ociruntime.Runtime.Pause)
}

// Unpause lets the processes of a paused container go on.
//
// ErrConflict if it is not paused.
func (s *Containers) Unpause(ctx context.Context, ref string) error {
	return s.freeze(ctx, ref, container.Paused, container.Running, event.Unpause, ociruntime.Runtime.Resume)
}

func (s *Containers) freeze(ctx context.Context, ref string, from, to container.Status, a event.Action, do func(ociruntime.Runtime, context.Context, string) error) error {
	e := s.e
	return e.locked(ctx, ref, func(c *container.Container) error {
		if c.State.Status != from {
			return errdefs.Conflict("container %s is not %s: it is %s", c.Config.Name, from, c.State.Status)
		}
		rt, err := e.runtimeOf(c)
		if err != nil {
			return err
		}
		if err := do(rt, ctx, c.Config.ID); err != nil {
			return err
		}
		c.State.Status = to
		return e.setState(ctx, c, containerEvent(c, a))
	})
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
