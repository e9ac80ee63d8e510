package engine

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/host"
	"github.com/berth-engine/berth/ociruntime"
	"github.com/berth-engine/berth/store"
)

// Wait waits until the condition holds and returns how the container ended last. It is woken by the monitor or by a commit,
// never by polling. A condition may also be any container.Status; then it returns as soon as the container has it.
//
// The exit status of a container that has been removed less than five minutes ago is still known, if ref is its full ID.
func (s *Containers) Wait(ctx context.Context, ref string, condition WaitCondition) (ExitStatus, error) {
	e := s.e
	c, err := e.lookup(ctx, ref)
	if errdefs.Class(err) == errdefs.ErrNotFound {
		return e.exitOfRemoved(ctx, ref, condition, err)
	}
	if err != nil {
		return ExitStatus{}, err
	}
	switch condition {
	case "", WaitNotRunning, WaitCondition(container.Stopped), WaitCondition(container.Exited):
		return e.waitNotRunning(ctx, c)
	case WaitNextExit:
		return e.waitNextExit(ctx, c)
	case WaitRemoved:
		return e.waitRemoved(ctx, c)
	case WaitHealthy, WaitUnhealthy:
		return e.waitHealth(ctx, c, string(condition))
	}
	if !slices.Contains(waitStatuses, container.Status(condition)) {
		return ExitStatus{}, errdefs.Invalid("no such condition to wait for: %q; use not-running, next-exit, removed, healthy, unhealthy or a status: %v", condition, waitStatuses)
	}
	return e.waitStatus(ctx, c, container.Status(condition))
}

// waitStatuses are the statuses that can be waited for; those of an ended process are one.
var waitStatuses = []container.Status{
	container.Created, container.Initialized, container.Running, container.Paused, container.Stopping, container.Restarting, container.Removing,
}

func (e *Engine) exitOfRemoved(ctx context.Context, id string, condition WaitCondition, notFound error) (ExitStatus, error) {
	if condition != "" && condition != WaitNotRunning && condition != WaitRemoved {
		return ExitStatus{}, notFound
	}
	var code int
	err := e.store.View(ctx, func(tx store.Tx) (err error) {
		code, err = tx.ExitCode(id)
		return err
	})
	if err != nil {
		return ExitStatus{}, notFound
	}
	return ExitStatus{Code: code}, nil
}

func exitStatus(s container.State) ExitStatus {
	return ExitStatus{Code: s.ExitCode, OOMKilled: s.OOMKilled, Finished: s.Finished, Error: s.Error}
}

func statusOf(x ociruntime.ExitRecord) ExitStatus {
	return ExitStatus{Code: x.Code, OOMKilled: x.OOM, Finished: x.Time}
}

// waitNotRunning returns at once for a container that does not run.
func (e *Engine) waitNotRunning(ctx context.Context, c *container.Container) (ExitStatus, error) {
	if !c.State.Status.Alive() {
		return exitStatus(c.State), nil
	}
	if exit, err := e.exitFromMonitor(ctx, c); err == nil {
		return statusOf(exit), nil
	}
	if ctx.Err() != nil {
		return ExitStatus{}, ctx.Err()
	}
	// No monitor answers: it has done its work, or it is dead and the kernel tells of the process.
	if err := e.waitDead(ctx, c, -1); err != nil {
		return ExitStatus{}, err
	}
	return e.settledExit(ctx, c)
}

// settledExit is the exit of a container whose process is gone, as its clean-up records it.
func (e *Engine) settledExit(ctx context.Context, c *container.Container) (ExitStatus, error) {
	var exit ExitStatus
	err := e.locked(ctx, c.Config.ID, func(c *container.Container) error {
		exit = exitStatus(c.State)
		return nil
	})
	if errdefs.Class(err) == errdefs.ErrNotFound {
		return e.exitOfRemoved(ctx, c.Config.ID, WaitRemoved, err)
	}
	return exit, err
}

// exitFromMonitor connects to the container's monitor and waits to be told of the exit.
func (e *Engine) exitFromMonitor(ctx context.Context, c *container.Container) (ociruntime.ExitRecord, error) {
	rt, err := e.runtimeOf(c)
	if err != nil {
		return ociruntime.ExitRecord{}, err
	}
	conn, err := rt.Attach(ctx, e.paths.containerRun(c.Config.ID), ociruntime.AttachOptions{WaitOnly: true})
	if err != nil {
		return ociruntime.ExitRecord{}, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	for {
		m, err := conn.Next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = ociruntime.ErrMonitorLost
			}
			return ociruntime.ExitRecord{}, err
		}
		if m.Exit != nil {
			return *m.Exit, nil
		}
	}
}

// waitDead waits until the container's first process is gone, for ever with a negative limit. ErrUnavailable after the limit.
func (e *Engine) waitDead(ctx context.Context, c *container.Container, limit time.Duration) error {
	return waitProcess(ctx, c.State.PID, c.State.PIDStart, limit)
}

// waitProcess waits by pidfd until a process has ended.
func waitProcess(ctx context.Context, pid int, start uint64, limit time.Duration) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil // gone
	}
	defer unix.Close(fd)
	if !host.Alive(pid, start) {
		return nil
	}
	wake, cancelled, err := cancelFD(ctx)
	if err != nil {
		return err
	}
	defer wake()
	deadline := time.Now().Add(limit)
	for {
		timeout := -1
		if limit >= 0 {
			timeout = int(max(time.Until(deadline), 0).Milliseconds())
		}
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(cancelled), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, timeout)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return errdefs.Internal("waiting for process %d: %w", pid, err)
		case fds[0].Revents != 0:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case n == 0:
			return errdefs.Unavailable("process %d has not ended after %s", pid, limit)
		}
	}
}

// cancelFD is a descriptor that becomes readable when ctx ends. Its first result releases it.
func cancelFD(ctx context.Context) (release func(), fd int, err error) {
	fd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, -1, errdefs.Internal("eventfd: %w", err)
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		unix.Write(fd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		close(done)
	})
	return func() {
		if !stop() {
			<-done
		}
		unix.Close(fd)
	}, fd, nil
}

// waitNextExit waits for the next exit, whatever the container does now.
func (e *Engine) waitNextExit(ctx context.Context, c *container.Container) (ExitStatus, error) {
	if c.State.Status.Alive() && e.alive(c.State) {
		return e.waitNotRunning(ctx, c)
	}
	var exit ExitStatus
	err := e.untilEvent(ctx, c.Config.ID, func(ev event.Event) bool {
		if ev.Action != event.Died || ev.ExitCode == nil {
			return ev.Action == event.Remove
		}
		exit = ExitStatus{Code: *ev.ExitCode, Finished: ev.Time}
		return true
	}, nil)
	return exit, err
}

// waitRemoved waits until the container is gone.
func (e *Engine) waitRemoved(ctx context.Context, c *container.Container) (ExitStatus, error) {
	gone := func() (bool, error) {
		_, err := e.reread(ctx, c.Config.ID)
		if errdefs.Class(err) == errdefs.ErrNotFound {
			return true, nil
		}
		return false, err
	}
	err := e.untilEvent(ctx, c.Config.ID, func(ev event.Event) bool { return ev.Action == event.Remove }, gone)
	if err != nil {
		return ExitStatus{}, err
	}
	exit, err := e.exitOfRemoved(ctx, c.Config.ID, WaitRemoved, nil)
	if exit == (ExitStatus{}) && err == nil {
		exit.Code = c.State.ExitCode
	}
	return exit, err
}

// waitStatus waits until the container has the status.
func (e *Engine) waitStatus(ctx context.Context, c *container.Container, want container.Status) (ExitStatus, error) {
	return e.waitUntil(ctx, c, func(c *container.Container) (bool, error) { return e.trueStatus(c) == want, nil })
}

// waitHealth waits until the container runs and its health is so. ErrConflict if it has no health check.
func (e *Engine) waitHealth(ctx context.Context, c *container.Container, want string) (ExitStatus, error) {
	return e.waitUntil(ctx, c, func(c *container.Container) (bool, error) {
		if !c.Config.Health.Checks() {
			return false, errdefs.Conflict("container %s has no health check, and will never be %s", c.Config.Name, want)
		}
		return c.State.Health != nil && c.State.Health.Status == want && e.trueStatus(c).Alive(), nil
	})
}

// waitUntil waits until something is so of the container's record.
func (e *Engine) waitUntil(ctx context.Context, c *container.Container, so func(*container.Container) (bool, error)) (ExitStatus, error) {
	var exit ExitStatus
	reached := func() (bool, error) {
		c, err := e.reread(ctx, c.Config.ID)
		if err != nil {
			return false, err
		}
		exit = exitStatus(c.State)
		return so(c)
	}
	err := e.untilEvent(ctx, c.Config.ID, nil, reached)
	return exit, err
}

// untilEvent reads the events about an object as they are committed until fn, if not nil, returns true for one, or holds, if not
// nil, returns true: it is asked first, and after each commit.
func (e *Engine) untilEvent(ctx context.Context, id string, fn func(event.Event) bool, holds func() (bool, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changes, err := e.store.Watch(ctx)
	if err != nil {
		return err
	}
	last, err := e.lastEvent(ctx)
	if err != nil {
		return err
	}
	for {
		if holds != nil {
			if ok, err := holds(); ok || err != nil {
				return err
			}
		}
		found := false
		err := e.store.View(ctx, func(tx store.Tx) error {
			return tx.Events().After(last, func(ev event.Event) bool {
				last = ev.Seq
				found = fn != nil && ev.ID == id && fn(ev)
				return !found
			})
		})
		if err != nil || found {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changes:
		}
	}
}

func (e *Engine) lastEvent(ctx context.Context) (seq uint64, err error) {
	err = e.store.View(ctx, func(tx store.Tx) error {
		seq, err = tx.Events().Last()
		return err
	})
	return seq, err
}
