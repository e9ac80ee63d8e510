package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/host"
	"github.com/berth-engine/berth/internal/tree"
	"github.com/berth-engine/berth/ociruntime"
	"github.com/berth-engine/berth/ociruntime/monitored"
	"github.com/berth-engine/berth/rootfs"
	"github.com/berth-engine/berth/store"
)

// reconcile brings the record of a container in line with the facts (DESIGN I1): a process that has ended is cleaned up after, a
// start or a clean-up that was interrupted is finished or undone. The caller holds the container's lock.
func (e *Engine) reconcile(ctx context.Context, c *container.Container) error {
	if c.State.Status.Alive() {
		switch {
		case !e.alive(c.State):
			return e.finish(ctx, c)
		case c.State.Status == container.Paused:
			return e.resumeCommitted(ctx, c)
		}
		return nil
	}
	if _, err := os.Lstat(e.paths.containerRun(c.Config.ID)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return e.resume(ctx, c)
}

// resume deals with the run directory of a container that the record says does not run: whoever made it died before the start was
// recorded, or before the clean-up was over. A start that came as far as letting its process run is finished, and so is its exit
// recorded; anything else is taken down.
func (e *Engine) resume(ctx context.Context, c *container.Container) error {
	id := c.Config.ID
	r, err := readRunRecord(e.paths.containerRun(id))
	if err != nil || !r.Released || r.Run <= c.State.Run || c.State.Status == container.Removing {
		return e.takeDown(ctx, c)
	}
	s := c.State
	s.Run, s.BootID, s.PID, s.PIDStart = r.Run, e.facts.BootID, r.PID.Pid, r.PID.Start
	s.MonitorPID, s.MonitorStart = r.Monitor.Pid, r.Monitor.Start
	s.Started, s.Finished, s.Error, s.Health = now(), time.Time{}, "", firstHealth(&c.Config)
	alive := e.alive(s)
	if alive && !e.monitorAlive(s) {
		return e.takeDown(ctx, c) // nobody has its output, and nobody would see its end: the start has failed
	}
	if _, err := monitored.ReadExit(e.paths.containerRun(id)); err != nil && !alive {
		return e.takeDown(ctx, c)
	}
	if alive {
		if err := e.letAdoptedRun(ctx, c); err != nil {
			return err
		}
	}
	s.Status = container.Running
	c.State = s
	if err := e.setState(ctx, c, containerEvent(c, event.Start)); err != nil || alive {
		return err
	}
	return e.finish(ctx, c)
}

// letAdoptedRun starts a process that its starter may not have lived to start. That the runtime refuses means that it runs already, or
// never will; which of the two, its life tells.
func (e *Engine) letAdoptedRun(ctx context.Context, c *container.Container) error {
	rt, err := e.runtimeOf(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, killGrace) // perhaps its starter was killed because this hung
	defer cancel()
	if err := rt.Start(ctx, c.Config.ID); err != nil {
		e.log.Debug("starting an adopted container", "id", c.Config.ID, "error", err)
	}
	return nil
}

// finish records the exit of a container whose process has ended and takes down what it used. The caller holds the lock.
func (e *Engine) finish(ctx context.Context, c *container.Container) error {
	exit := e.exitRecord(ctx, c)
	return runSteps(context.WithoutCancel(ctx), "cleanup", []step{
		{name: "delete", do: func(ctx context.Context) error { return e.deleteRuntimeState(ctx, c) }},
		{name: "unmount", do: func(ctx context.Context) error { return e.unmountAll(c) }},
		{name: "exited", do: func(ctx context.Context) error { return e.recordExit(ctx, c, exit) }},
		{name: "run-directory", do: func(ctx context.Context) error { return e.removeRun(c.Config.ID) }},
	})
}

// recordExit commits that the container has exited.
func (e *Engine) recordExit(ctx context.Context, c *container.Container, exit ociruntime.ExitRecord) error {
	ev := applyExit(c, exit)
	return e.store.Update(ctx, store.Volatile, func(tx store.UpdateTx) error {
		return writeExit(tx, c, ev)
	})
}

// applyExit puts an exit into the state and makes its events.
func applyExit(c *container.Container, exit ociruntime.ExitRecord) []event.Event {
	s := &c.State
	stopped := s.Status == container.Stopping
	s.Status, s.PID, s.PIDStart, s.MonitorPID, s.MonitorStart = container.Exited, 0, 0, 0, 0
	s.ExitCode, s.OOMKilled, s.Finished = exit.Code, exit.OOM, exit.Time
	if wantsRestart(c) {
		s.Status = container.Restarting
	}
	died := containerEvent(c, event.Died)
	died.ExitCode = &exit.Code
	died.Time = exit.Time
	var events []event.Event
	if exit.OOM {
		events = append(events, containerEvent(c, event.OOM))
	}
	events = append(events, died)
	if stopped {
		events = append(events, containerEvent(c, event.Stop))
	}
	return events
}

// writeExit is the part of a transaction that records an exit.
func writeExit(tx store.UpdateTx, c *container.Container, events []event.Event) error {
	w := tx.ContainerWriter()
	if err := w.SetState(c.Config.ID, c.State); err != nil {
		return err
	}
	if err := w.SetExitCode(c.Config.ID, c.State.ExitCode); err != nil {
		return err
	}
	if err := tx.ExecWriter().RemoveOf(c.Config.ID); err != nil {
		return err
	}
	return appendEvents(tx, events)
}

// exitGrace is how long a living monitor is waited for to record an exit that the kernel has shown already.
const exitGrace = 2 * time.Second

// exitRecord is how the container's process ended; code -1 when its monitor did not live to see it.
func (e *Engine) exitRecord(ctx context.Context, c *container.Container) ociruntime.ExitRecord {
	run := e.paths.containerRun(c.Config.ID)
	exit, err := monitored.ReadExit(run)
	if err == nil {
		return exit
	}
	if e.monitorAlive(c.State) {
		if exit, err := e.awaitExit(ctx, c, exitGrace); err == nil {
			return exit
		}
		if exit, err := monitored.ReadExit(run); err == nil {
			return exit
		}
	}
	return ociruntime.ExitRecord{Code: -1, Time: now()}
}

// awaitExit asks the monitor to tell of the exit.
func (e *Engine) awaitExit(ctx context.Context, c *container.Container, limit time.Duration) (ociruntime.ExitRecord, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return e.exitFromMonitor(ctx, c)
}

// takeDown removes everything of a run from the host but what is in the store. It is idempotent.
func (e *Engine) takeDown(ctx context.Context, c *container.Container) error {
	if err := monitored.AwaitCreation(ctx, e.paths.containerRun(c.Config.ID)); err != nil {
		return err
	}
	if err := e.deleteRuntimeState(ctx, c); err != nil {
		return err
	}
	if err := e.unmountAll(c); err != nil {
		return err
	}
	return e.removeRun(c.Config.ID)
}

// deleteRuntimeState has the OCI runtime forget the container, killing what is left of it. Without a runtime there is
// nothing that could be forgotten but its own files, which go with the run directory.
func (e *Engine) deleteRuntimeState(ctx context.Context, c *container.Container) error {
	rt, err := e.runtimeOf(c)
	if err != nil {
		return err
	}
	err = rt.Delete(ctx, c.Config.ID, true)
	if errors.Is(err, ociruntime.ErrMissing) {
		if err = e.deleteWithoutRuntime(ctx, c); err != nil {
			e.log.Warn("the container's OCI runtime is gone; its control group may be left", "id", c.Config.ID, "error", err)
		}
		err = nil
	}
	if err != nil {
		return err
	}
	if err := e.removeCgroupParents(c); err != nil {
		return err
	}
	return e.removeExecRuns(ctx, c.Config.ID)
}

// deleteWithoutRuntime removes what a runtime that is not installed any more keeps of the container, and its control group.
func (e *Engine) deleteWithoutRuntime(ctx context.Context, c *container.Container) error {
	path := c.State.Runtime
	if path == "" {
		return nil // it never ran
	}
	rt := monitored.New(monitored.Options{Name: filepath.Base(path), RuntimePath: path, RunRoot: e.paths.run, SystemdCgroup: e.systemdCgroups()})
	return rt.Delete(ctx, c.Config.ID, true)
}

// removeExecRuns removes the run directories of the exec sessions of a container that has ended, but for those whose monitor lives: it
// removes its own.
func (e *Engine) removeExecRuns(ctx context.Context, id string) error {
	if entries, err := os.ReadDir(filepath.Dir(e.paths.execRun(id))); err != nil || len(entries) == 0 {
		return nil
	}
	var sessions []*container.ExecSession
	err := e.store.View(ctx, func(tx store.Tx) (err error) {
		sessions, err = tx.Execs().OfContainer(id)
		return err
	})
	if errdefs.Class(err) == errdefs.ErrNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	for _, x := range sessions {
		run := e.paths.execRun(x.ID)
		if r, err := readRunRecord(run); err == nil && host.Alive(r.Monitor.Pid, r.Monitor.Start) {
			continue
		}
		if err := e.removeExecRun(x.ID); err != nil {
			return err
		}
	}
	return nil
}

// unmountAll takes down the mounts of a container's run, and ends its use of volumes.
func (e *Engine) unmountAll(c *container.Container) error {
	if err := e.unmountRun(c.Config.ID); err != nil {
		return err
	}
	return e.releaseVolumes(c)
}

// unmountRun takes down the mounts of the engine's own for a container.
func (e *Engine) unmountRun(id string) error {
	for _, target := range e.paths.mounts(id) {
		if err := rootfs.Unmount(target); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) removeRun(id string) error {
	for _, dir := range []string{e.paths.mapped(id), e.paths.containerRun(id)} {
		if err := tree.Remove(context.Background(), dir); err != nil {
			return errdefs.Internal("removing the run directory of container %s: %w", short(id), err)
		}
	}
	return nil
}

// recover settles a container that somebody left half-way: reconciled, and removed if it was to remove itself or its removal
// had begun. The caller holds its lock. It reports whether there is nothing left to be answered for.
func (e *Engine) recover(ctx context.Context, id string) (settled bool, err error) {
	c, err := e.reread(ctx, id)
	if errdefs.Class(err) == errdefs.ErrNotFound {
		if others, err := e.containerInOtherNamespace(ctx, id); err != nil || others {
			return false, err
		}
		return true, e.removeFiles(id)
	}
	if err != nil {
		return false, err
	}
	if err := e.reconcile(ctx, c); err != nil {
		return false, err
	}
	if err := e.settleLeft(ctx, c); err != nil {
		return false, err
	}
	switch {
	case c.State.Status.Alive():
		// It goes on; without a monitor its end must still be noticed if something is to be done then.
		return !endMatters(c), nil
	case c.State.Status == container.Restarting:
		return false, nil
	case c.State.Status == container.Removing, c.Config.AutoRemove:
		err := e.removeLocked(ctx, c, false)
		if errors.Is(err, errDependents) {
			return false, nil // until they are gone
		}
		return true, err
	}
	return true, nil
}

// settleLeft ends what a mount, an unmount or a copy left that was killed.
func (e *Engine) settleLeft(ctx context.Context, c *container.Container) error {
	if err := e.settleMount(ctx, c); err != nil || c.State.Status.Alive() {
		return err
	}
	return e.releaseVolumes(c)
}

// inOtherNamespace reports whether what this engine does not see, and read finds, is another namespace's, and its engines' business.
func (e *Engine) inOtherNamespace(ctx context.Context, read func(store.Tx) error) (bool, error) {
	if e.settings.namespace == "" {
		return false, nil
	}
	all, err := e.openStoreIn(ctx, "")
	if err != nil {
		return false, err
	}
	defer all.Close()
	err = all.View(ctx, read)
	if errdefs.Class(err) == errdefs.ErrNotFound {
		return false, nil
	}
	return err == nil, err
}

// containerInOtherNamespace is inOtherNamespace for a container.
func (e *Engine) containerInOtherNamespace(ctx context.Context, id string) (bool, error) {
	return e.inOtherNamespace(ctx, func(tx store.Tx) error {
		_, err := tx.Containers().Container(id)
		return err
	})
}

// restartAbandoned starts a container whose policy asks for it, and whose clean-up died while it waited. The caller holds the lock.
func (e *Engine) restartAbandoned(ctx context.Context, id string) error {
	c, err := e.reread(ctx, id)
	if errdefs.Class(err) == errdefs.ErrNotFound {
		return nil
	}
	if err != nil || c.State.Status != container.Restarting {
		return err
	}
	c.State.Restarts++
	_, err = e.startLocked(ctx, c, startRequest{options: StartOptions{ByPolicy: true}})
	return err
}
