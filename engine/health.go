package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/host"
	"github.com/berth-engine/berth/ociruntime"
)

// Healthcheck runs a container's health check once, keeps the outcome, and returns what the container's health is with it. The beat of the
// checks goes on beside it.
//
// ErrConflict if the container has no health check, or does not run.
func (s *Containers) Healthcheck(ctx context.Context, ref string) (*container.HealthResult, error) {
	c, err := s.e.lookup(ctx, ref)
	if err != nil {
		return nil, err
	}
	if !c.Config.Health.Checks() {
		return nil, errdefs.Conflict("container %s has no health check: --health-cmd gives a new one such", c.Config.Name)
	}
	return s.e.checkHealth(ctx, c)
}

// ScheduledHealthcheck is what a monitor runs when a check is due: it schedules the next before it makes this one, so that the beat is kept
// whatever becomes of it, and does what the container's configuration wants when it has become unhealthy. A container that is paused,
// or has gone on to another run, is left alone.
func (s *Containers) ScheduledHealthcheck(ctx context.Context, id string, run uint64) error {
	e := s.e
	c, err := e.reread(ctx, id)
	if err == nil && c.State.Run < run {
		c, err = e.started(ctx, id)
	}
	if errdefs.Class(err) == errdefs.ErrNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if c.State.Run != run || !c.Config.Health.Checks() {
		return nil
	}
	rt, err := e.runtimeOf(c)
	if err != nil {
		return err
	}
	if err := e.scheduleHealth(ctx, rt, c, false); err != nil {
		return err
	}
	if e.trueStatus(c) != container.Running {
		return nil
	}
	before := c.State.Health
	after, err := e.checkHealth(ctx, c)
	if err != nil {
		return err
	}
	if after.Status != container.HealthUnhealthy || before != nil && before.Status == container.HealthUnhealthy {
		return nil
	}
	return s.actOnFailure(ctx, c)
}

// started reads a container when the start that is at work on it has ended: the first check can be due before the run is recorded,
// and without it there would be no second.
func (e *Engine) started(ctx context.Context, id string) (c *container.Container, err error) {
	err = e.locked(ctx, id, func(now *container.Container) error {
		c = now
		return nil
	})
	return c, err
}

// actOnFailure does what is wanted when a container has become unhealthy.
func (s *Containers) actOnFailure(ctx context.Context, c *container.Container) (err error) {
	switch c.Config.Health.OnFailure {
	case "kill":
		err = s.Kill(ctx, c.Config.ID, "KILL")
	case "stop":
		err = s.Stop(ctx, c.Config.ID, StopOptions{})
	case "restart":
		err = s.Restart(ctx, c.Config.ID, RestartOptions{})
	}
	if class := errdefs.Class(err); class == errdefs.ErrNotFound || class == errdefs.ErrNotModified {
		return nil
	}
	return err
}

// firstHealth is the health of a container that is being started.
func firstHealth(cfg *container.Config) *container.HealthResult {
	if !cfg.Health.Checks() {
		return nil
	}
	return &container.HealthResult{Status: container.HealthStarting}
}

// scheduleHealth has the monitor make the next check: by the start interval, if there is one, as long as the container is starting within its
// start period, else by the interval.
func (e *Engine) scheduleHealth(ctx context.Context, rt ociruntime.Runtime, c *container.Container, first bool) error {
	h := c.Config.Health
	if !h.Checks() {
		return nil
	}
	period := h.Interval
	starting := first || c.State.Health == nil || c.State.Health.Status == container.HealthStarting && time.Since(c.State.Started) < h.StartPeriod
	if starting && h.StartPeriod > 0 && h.StartInterval > 0 {
		period = h.StartInterval
	}
	return rt.Schedule(ctx, e.paths.containerRun(c.Config.ID), period)
}

// checkHealth makes one check and commits its outcome, with an event if the health is another now.
func (e *Engine) checkHealth(ctx context.Context, c *container.Container) (*container.HealthResult, error) {
	check, err := e.runCheck(ctx, c)
	if err != nil {
		return nil, err
	}
	var after *container.HealthResult
	err = e.locked(ctx, c.Config.ID, func(now *container.Container) error {
		if now.State.Run != c.State.Run || !now.State.Status.Alive() {
			return errdefs.Conflict("container %s has ended while its health was checked", c.Config.Name)
		}
		if !now.Config.Health.Checks() {
			return errdefs.Conflict("container %s has lost its health check while it was made", c.Config.Name)
		}
		before := now.State.Health
		after = before.After(check, now.Config.Health, now.State.Started)
		now.State.Health = after
		if before != nil && before.Status == after.Status {
			return e.setState(ctx, now)
		}
		return e.setState(ctx, now, containerEvent(now, event.HealthStat, "health_status", after.Status))
	})
	return after, err
}

// runCheck runs the check's command in the container, for as long as it may take.
func (e *Engine) runCheck(ctx context.Context, c *container.Container) (check container.HealthCheck, err error) {
	h := c.Config.Health
	x, _, err := e.newExec(ctx, c.Config.ID, ExecOptions{Command: h.Command()})
	if err != nil {
		return check, err
	}
	x.Check = true
	check.Start = now()
	output := &beginning{limit: container.HealthLogOutput}
	check.ExitCode, err = e.runLimited(ctx, c, x, output, h.Timeout)
	check.End, check.Output = now(), strings.ToValidUTF8(output.String(), "?")
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		check.ExitCode, check.Output = -1, fmt.Sprintf("the health check took longer than %v\n", h.Timeout)
	case errors.Is(err, ociruntime.ErrCommandNotFound), errors.Is(err, ociruntime.ErrCannotInvoke):
		check.ExitCode, check.Output = -1, err.Error()
	case err != nil:
		return check, err
	}
	return check, nil
}

// runLimited runs a session to its end and returns its exit code. When the time is up its whole process group is killed;
// context.DeadlineExceeded then.
func (e *Engine) runLimited(ctx context.Context, c *container.Container, x *container.ExecSession, output *beginning, limit time.Duration) (int, error) {
	st := Streams{Stdout: output, Stderr: output}
	a := attachOptions(st)
	p, err := e.startExec(ctx, c, x, ociruntime.ExecRequest{Attached: &a})
	if err != nil {
		return -1, err
	}
	defer p.Conn.Close()
	limited, cancel := context.WithTimeout(ctx, or(limit, healthTimeout))
	defer cancel()
	exit, err := pump(limited, p.Conn, st)
	code := exit.Code
	if err != nil {
		code = -1
		if kerr := killGroup(c, p.PID); kerr != nil {
			return code, errors.Join(err, kerr)
		}
		if werr := waitProcess(context.WithoutCancel(ctx), p.PID.Pid, p.PID.Start, killGrace); werr != nil {
			return code, errors.Join(err, werr)
		}
	}
	if eerr := e.endExec(ctx, c, x, code, true); eerr != nil {
		return code, errors.Join(err, eerr)
	}
	if err == nil {
		p.Conn.CleanedUp()
	}
	return code, err
}

// killGroup kills the process of a session and those of its group, which is the session's own: both crun and runc make a terminal session
// (setsid(2)) for it.
func killGroup(c *container.Container, p ociruntime.PID) error {
	if !host.Alive(p.Pid, p.Start) {
		return nil
	}
	group, err := syscall.Getpgid(p.Pid)
	if first, ferr := syscall.Getpgid(c.State.PID); err != nil || ferr != nil || group == first || group == syscall.Getpgrp() {
		return killProcess(p.Pid, p.Start)
	}
	if err := syscall.Kill(-group, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
		return errdefs.Internal("killing the process group %d: %w", group, err)
	}
	return nil
}

// beginning keeps the first bytes of what is written to it.
type beginning struct {
	bytes.Buffer
	limit int
}

func (b *beginning) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:min(len(p), b.limit-b.Len())])
	return len(p), nil
}
