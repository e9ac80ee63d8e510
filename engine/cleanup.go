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
	"github.com/berth-engine/berth/ociruntime"
	"github.com/berth-engine/berth/store"
)

// Cleanup is what a monitor becomes when its container has exited: it records the exit, takes down what the run used, and
// then does what the restart policy or auto-removal asks for. run is the number of the run that ended; a later one is left alone.
func (s *Containers) Cleanup(ctx context.Context, id string, run uint64) error {
	restart, err := s.e.cleanUp(ctx, id, run)
	if err != nil {
		return err
	}
	if restart {
		return s.e.restartByPolicy(ctx, id, run)
	}
	return s.e.tidyStore(ctx)
}

// tidyStore does the store's housekeeping, which nobody waits for in a process that nobody waits for.
func (e *Engine) tidyStore(ctx context.Context) error {
	if st, ok := e.store.(interface{ Checkpoint(context.Context) error }); ok {
		return st.Checkpoint(ctx)
	}
	return nil
}

// cleanUp reports whether the container is to be started again.
func (e *Engine) cleanUp(ctx context.Context, id string, run uint64) (restart bool, err error) {
	unlock, err := e.locks.Lock(ctx, id)
	if err != nil {
		return false, err
	}
	defer unlock()
	c, err := e.reread(ctx, id)
	if errdefs.Class(err) == errdefs.ErrNotFound {
		return false, e.settleRemoved(ctx, id) // removed by somebody else, who may have died before all was done
	}
	if err != nil {
		return false, err
	}
	if c.State.Run > run || c.State.Run == run && c.State.Status.Alive() && e.alive(c.State) {
		return false, nil
	}
	if c.Config.AutoRemove && !c.State.Again {
		return false, e.exitAndRemove(ctx, c)
	}
	if err := e.reconcile(ctx, c); err != nil {
		return false, err
	}
	if c.State.Status.Alive() || c.State.Status == container.Restarting {
		return c.State.Status == container.Restarting, nil
	}
	return false, e.dropLifeClaim(id)
}

// endMatters reports whether something is to be done when the container ends, even if its monitor is dead by then: for such a
// container the monitor, and the clean-up that it becomes, have a claim.
func endMatters(c *container.Container) bool {
	return c.Config.AutoRemove || c.Config.Restart.Name != "" && c.Config.Restart.Name != "no"
}

// settleRemoved removes what is left of a container whose record is gone. The caller holds the lock.
func (e *Engine) settleRemoved(ctx context.Context, id string) error {
	if others, err := e.containerInOtherNamespace(ctx, id); err != nil || others {
		return err
	}
	if err := e.removeFiles(id); err != nil {
		return err
	}
	for _, kind := range []string{verbClaim, lifeClaim} {
		path := filepath.Join(e.paths.claims(), id+kind)
		if err := e.removeNotedVolumes(ctx, path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return errdefs.Internal("ending the claim on container %s: %w", short(id), err)
		}
	}
	return nil
}

// dropLifeClaim ends what the monitor answered for. The caller holds the container's lock.
func (e *Engine) dropLifeClaim(id string) error {
	if err := os.Remove(filepath.Join(e.paths.claims(), id+lifeClaim)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return errdefs.Internal("ending the claim on container %s: %w", short(id), err)
	}
	return nil
}

// exitAndRemove records the exit of a container that removes itself, and removes it, in one commit. The caller holds the lock.
// The run directory, which holds the exit record, goes last: killed before, the next sweep does it all again.
//
// A container that others depend on stays, whole: its claim has a sweep remove it when they are gone.
func (e *Engine) exitAndRemove(ctx context.Context, c *container.Container) error {
	if !c.State.Status.Alive() {
		return e.removeClaimed(ctx, c)
	}
	exit := e.exitRecord(ctx, c)
	id := c.Config.ID
	life, err := e.claim(id, lifeClaim)
	if err != nil {
		return err
	}
	removed := false
	unlessKept := func(do func(context.Context) error) func(context.Context) error {
		return func(ctx context.Context) error {
			if !removed {
				return nil
			}
			return do(ctx)
		}
	}
	err = runSteps(context.WithoutCancel(ctx), "autoremove", []step{
		{name: "delete", do: func(ctx context.Context) error { return e.deleteRuntimeState(ctx, c) }},
		{name: "unmount", do: func(context.Context) error { return e.unmountAll(c) }},
		{name: "record", do: func(ctx context.Context) (err error) {
			removed, err = e.recordExitAndRemoval(ctx, c, exit)
			return err
		}},
		{name: "layer", do: unlessKept(func(context.Context) error { return e.removeLayer(id) })},
		{name: "run-directory", do: func(context.Context) error { return e.removeRun(id) }},
		{name: "volumes", do: unlessKept(func(ctx context.Context) error { return e.removeOrphanVolumes(ctx, c, true) })},
	})
	if err != nil || !removed {
		life.leave()
		return err
	}
	return e.endLife(ctx, c, life)
}

// endLife ends what there was to answer for of a container that is removed, and removes those that waited for it to go.
func (e *Engine) endLife(ctx context.Context, c *container.Container, life *claim) error {
	life.done()
	if err := e.settleRemoved(ctx, c.Config.ID); err != nil {
		return err
	}
	for _, id := range c.Config.Dependencies {
		if err := e.sweepOne(ctx, id, filepath.Join(e.paths.claims(), id+lifeClaim)); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) removeClaimed(ctx context.Context, c *container.Container) error {
	life, err := e.claim(c.Config.ID, lifeClaim)
	if err != nil {
		return err
	}
	if err := e.reconcile(ctx, c); err != nil {
		life.leave()
		return err
	}
	if c.State.Status.Alive() { // a start that was interrupted has been finished
		life.leave()
		return nil
	}
	if err := e.removeLocked(ctx, c, true); err != nil {
		life.leave()
		if errors.Is(err, errDependents) {
			return nil
		}
		return err
	}
	return e.endLife(ctx, c, life)
}

// wantsRestart reports whether the restart policy asks for a start after this exit. The state holds the exit.
func wantsRestart(c *container.Container) bool {
	if c.State.StoppedByUser || c.Config.AutoRemove {
		return false
	}
	p := c.Config.Restart
	switch p.Name {
	case "always", "unless-stopped":
		return true
	case "on-failure":
		return c.State.ExitCode != 0 && (p.MaxRetries == 0 || c.State.Restarts < p.MaxRetries)
	}
	return false
}

// The delay before a restart doubles from the first to the longest, and is the first again for a container that was up for
// longer than steadyAfter. These are Docker's numbers.
const (
	firstDelay   = 100 * time.Millisecond
	longestDelay = time.Minute
	steadyAfter  = 10 * time.Second
)

func restartDelay(s container.State) time.Duration {
	if s.Finished.Sub(s.Started) >= steadyAfter {
		return firstDelay
	}
	return min(firstDelay<<min(s.Restarts, 16), longestDelay)
}

// restartByPolicy waits out the delay and starts the container, unless somebody has done something with it meanwhile.
func (e *Engine) restartByPolicy(ctx context.Context, id string, run uint64) error {
	c, err := e.reread(ctx, id)
	if errdefs.Class(err) == errdefs.ErrNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	due, err := e.awaitRestart(ctx, id, run, restartDelay(c.State))
	if err != nil || !due {
		return err
	}
	err = e.locked(ctx, id, func(c *container.Container) error {
		if c.State.Status != container.Restarting || c.State.Run != run {
			return nil
		}
		c.State.Restarts++
		_, err := e.startLocked(ctx, c, startRequest{options: StartOptions{ByPolicy: true}})
		return err
	})
	if errdefs.Class(err) == errdefs.ErrNotFound {
		return nil
	}
	return err
}

// awaitRestart waits out the delay, and reports whether the container is still to be started then: somebody who removes or starts it ends the
// wait.
func (e *Engine) awaitRestart(ctx context.Context, id string, run uint64, delay time.Duration) (due bool, err error) {
	watched, cancel := context.WithCancel(ctx)
	defer cancel()
	changes, err := e.store.Watch(watched)
	if err != nil {
		return false, err
	}
	over := time.NewTimer(delay)
	defer over.Stop()
	for {
		c, err := e.reread(ctx, id)
		if errdefs.Class(err) == errdefs.ErrNotFound {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if c.State.Status != container.Restarting || c.State.Run != run {
			return false, nil
		}
		select {
		case <-over.C:
			return true, nil
		case <-changes:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// recordExitAndRemoval commits the exit and the removal as one; the exit alone, if others depend on the container.
func (e *Engine) recordExitAndRemoval(ctx context.Context, c *container.Container, exit ociruntime.ExitRecord) (removed bool, err error) {
	events := applyExit(c, exit)
	if err := e.noteVolumes(c); err != nil {
		return false, err
	}
	err = e.store.Update(ctx, store.Volatile, func(tx store.UpdateTx) error {
		if err := writeExit(tx, c, events); err != nil {
			return err
		}
		dependents, err := tx.Containers().Dependents(c.Config.ID)
		if removed = len(dependents) == 0; err != nil || !removed {
			return err
		}
		return deleteRecord(tx, c, true, containerEvent(c, event.Remove))
	})
	if err == nil && removed {
		removeCIDFile(c)
	}
	return removed, err
}
