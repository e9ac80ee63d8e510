package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/host"
	"github.com/berth-engine/berth/ociruntime/monitored"
	"github.com/berth-engine/berth/store"
)

// endExec records the end of a session: it is removed at once if its caller has seen the exit code, else kept to be inspected.
func (e *Engine) endExec(ctx context.Context, c *container.Container, x *container.ExecSession, code int, seen bool) error {
	return runSteps(context.WithoutCancel(ctx), "exec-end", []step{
		{name: "record", do: func(ctx context.Context) error { return e.recordExecEnd(ctx, c, x, code, seen) }},
		{name: "directory", do: func(context.Context) error { return e.removeExecRun(x.ID) }},
	})
}

func (e *Engine) recordExecEnd(ctx context.Context, c *container.Container, x *container.ExecSession, code int, seen bool) error {
	died := execEvents(c, x, event.ExecDied)
	for i := range died {
		died[i].ExitCode = &code
	}
	return e.store.Update(ctx, store.Volatile, func(tx store.UpdateTx) error {
		current, err := tx.Execs().Exec(x.ID)
		if errdefs.Class(err) == errdefs.ErrNotFound || err == nil && current.Status == container.Exited {
			return nil // the container's end, or another clean-up, was faster
		}
		if err != nil {
			return err
		}
		if err := appendEvents(tx, died); err != nil {
			return err
		}
		if err := tx.ExecWriter().PruneExited(now()); err != nil {
			return err
		}
		if seen {
			return tx.ExecWriter().Remove(x.ID)
		}
		current.Status, current.ExitCode, current.Finished, current.PID = container.Exited, code, now(), 0
		return tx.ExecWriter().Put(current)
	})
}

// removeExecRun removes what a session has in the run directory: its own directory and then the claim on it.
func (e *Engine) removeExecRun(id string) error {
	if err := os.RemoveAll(e.paths.execRun(id)); err != nil {
		return errdefs.Internal("removing the run directory of exec session %s: %w", short(id), err)
	}
	if err := os.Remove(filepath.Join(e.paths.claims(), id+execClaim)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return errdefs.Internal("ending the claim on exec session %s: %w", short(id), err)
	}
	return nil
}

// execOf reads a session and its container.
func (e *Engine) execOf(ctx context.Context, id string) (x *container.ExecSession, c *container.Container, err error) {
	err = e.store.View(ctx, func(tx store.Tx) error {
		if x, err = tx.Execs().Exec(id); err != nil {
			return err
		}
		c, err = tx.Containers().Container(x.Container)
		return err
	})
	return x, c, err
}

// Cleanup is what the monitor of a session becomes when the process has ended and nobody saw it.
func (s *Execs) Cleanup(ctx context.Context, id string) error {
	e := s.e
	x, c, err := e.execOf(ctx, id)
	if errdefs.Class(err) == errdefs.ErrNotFound {
		return e.removeExecRun(id)
	}
	if err != nil {
		return err
	}
	return e.endExec(ctx, c, x, e.execCode(id), false)
}

// execCode is the exit code of a session's process that has ended; -1 if its monitor did not live to see it.
func (e *Engine) execCode(id string) int {
	if exit, err := monitored.ReadExit(e.paths.execRun(id)); err == nil {
		return exit.Code
	}
	return -1
}

// recoverExec settles a session whose claim nobody holds: its client, and its monitor if it had one, were killed. It reports whether
// there is nothing left to be answered for. A process that was started whole runs on; its end is seen by a later sweep, or by the
// container's.
func (e *Engine) recoverExec(ctx context.Context, id string) (settled bool, err error) {
	x, c, err := e.execOf(ctx, id)
	if errdefs.Class(err) == errdefs.ErrNotFound {
		others, err := e.inOtherNamespace(ctx, func(tx store.Tx) error {
			_, err := tx.Execs().Exec(id)
			return err
		})
		if err != nil || others {
			return false, err
		}
		return true, e.removeExecRun(id)
	}
	if err != nil {
		return false, err
	}
	run := e.paths.execRun(id)
	r, err := readRunRecord(run)
	if err == nil && host.Alive(r.PID.Pid, r.PID.Start) {
		return false, nil
	}
	if err != nil {
		monitored.KillStray(run, pidOf(c))
	}
	if x.Status == container.Created {
		return true, errors.Join(e.dropExec(ctx, id), e.removeExecRun(id))
	}
	return true, e.endExec(ctx, c, x, e.execCode(id), false)
}

// showExecTruth puts into a copy of the record of a session that is said to run what is true now. A session that somebody is about to
// start, or has just started, has no run record yet, but somebody who has a claim on it.
func (e *Engine) showExecTruth(x *container.ExecSession) {
	r, err := readRunRecord(e.paths.execRun(x.ID))
	if err == nil {
		x.PID, x.PIDStart, x.MonitorPID, x.MonitorStart = r.PID.Pid, r.PID.Start, r.Monitor.Pid, r.Monitor.Start
	} else if e.claimed(x.ID, execClaim) {
		return
	}
	if x.PID != 0 && host.Alive(x.PID, x.PIDStart) {
		return
	}
	x.Status, x.ExitCode, x.PID = container.Exited, -1, 0
	if exit, err := monitored.ReadExit(e.paths.execRun(x.ID)); err == nil {
		x.ExitCode, x.Finished = exit.Code, exit.Time
	}
}

// runningExecs are the IDs of those sessions that run now.
func (e *Engine) runningExecs(sessions []*container.ExecSession) []string {
	var ids []string
	for _, x := range sessions {
		if x.Status == container.Running {
			e.showExecTruth(x)
		}
		if x.Status == container.Running {
			ids = append(ids, x.ID)
		}
	}
	return ids
}
