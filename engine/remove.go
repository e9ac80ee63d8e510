package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/host"
	"github.com/berth-engine/berth/rootfs"
	"github.com/berth-engine/berth/store"
)

// Remove removes a container, and with Depend those that depend on it, and returns the IDs of those removed. One that is removed by
// somebody else, or by itself, after it has been found counts as removed.
//
// ErrConflict if it runs and Force is not set, or if containers depend on it and Depend is not set.
func (s *Containers) Remove(ctx context.Context, ref string, o RemoveOptions) ([]string, error) {
	e := s.e
	defer e.sweep(ctx)
	c, err := e.lookup(ctx, ref)
	if err != nil {
		return nil, err
	}
	return e.remove(ctx, c.Config.ID, o)
}

func (e *Engine) remove(ctx context.Context, id string, o RemoveOptions) ([]string, error) {
	var removed []string
	if o.Depend {
		dependents, err := e.dependents(ctx, id)
		if err != nil {
			return nil, err
		}
		for _, d := range dependents {
			ids, err := e.remove(ctx, d, o)
			removed = append(removed, ids...)
			if err != nil && errdefs.Class(err) != errdefs.ErrNotFound {
				return removed, err
			}
		}
	}
	err := e.removeOne(ctx, id, o)
	if errdefs.Class(err) == errdefs.ErrNotFound {
		err = e.awaitRemoved(ctx, id, err)
	}
	if err != nil {
		return removed, err
	}
	return append(removed, id), nil
}

// awaitRemoved waits until whoever removes a container whose record is gone has done so, and removes what is left by one who was
// killed. If the record is there, it was something else that was not found.
func (e *Engine) awaitRemoved(ctx context.Context, id string, notFound error) error {
	unlock, err := e.locks.Lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := e.reread(ctx, id); errdefs.Class(err) != errdefs.ErrNotFound {
		return errors.Join(notFound, err)
	}
	return e.settleRemoved(ctx, id)
}

func (e *Engine) dependents(ctx context.Context, id string) (ids []string, err error) {
	err = e.store.View(ctx, func(tx store.Tx) error {
		ids, err = tx.Containers().Dependents(id)
		return err
	})
	return ids, err
}

func (e *Engine) removeOne(ctx context.Context, id string, o RemoveOptions) error {
	if o.Force {
		if err := e.refuseDependents(ctx, id); err != nil { // before anything is stopped
			return err
		}
		if err := e.stopForRemoval(ctx, id, o.Timeout); err != nil {
			return err
		}
	}
	unlock, err := e.locks.Lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	c, err := e.reread(ctx, id)
	if err != nil {
		return err
	}
	if err := e.reconcile(ctx, c); err != nil && !o.Force {
		return err
	}
	if c.State.Status.Alive() {
		if !o.Force {
			return errdefs.Conflict("container %s is %s: stop it first, or remove it with force", c.Config.Name, c.State.Status)
		}
		if err := e.killNow(ctx, c); err != nil {
			return err
		}
	}
	if err := e.refuseDependents(ctx, id); err != nil {
		return err
	}
	cl, err := e.claim(id, verbClaim)
	if err != nil {
		return err
	}
	if err := e.removeLocked(ctx, c, o.Volumes); err != nil {
		cl.leave()
		return err
	}
	// The monitor may hold its claim still, and will find nothing left to be done.
	os.Remove(filepath.Join(e.paths.claims(), id+lifeClaim))
	cl.done()
	return nil
}

func (e *Engine) refuseDependents(ctx context.Context, id string) error {
	ids, err := e.dependents(ctx, id)
	if err != nil || len(ids) == 0 {
		return err
	}
	c, err := e.reread(ctx, id)
	if err != nil {
		return err
	}
	return dependedOn(c, ids)
}

// errDependents: a container cannot be removed since others depend on it. Its class is ErrConflict.
var errDependents = errors.New("has containers that depend on it")

func dependedOn(c *container.Container, ids []string) error {
	return errdefs.Conflict("container %s %w: %v; remove them first, or use --depend", c.Config.Name, errDependents, shortIDs(ids))
}

func shortIDs(ids []string) []string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = short(id)
	}
	return list
}

// stopForRemoval stops a container in its own time, as rm --force does. A container that cannot be stopped is killed later.
func (e *Engine) stopForRemoval(ctx context.Context, id string, timeout *int) error {
	err := e.Containers.Stop(ctx, id, StopOptions{Timeout: timeout})
	switch {
	case err == nil, errdefs.Class(err) == errdefs.ErrNotModified:
		return nil
	case errdefs.Class(err) == errdefs.ErrNotFound, ctx.Err() != nil:
		return err
	}
	e.log.Debug("stopping before removal", "id", id, "error", err)
	return nil
}

// killNow ends a container whatever it takes, and cleans up after it. The caller holds the lock.
func (e *Engine) killNow(ctx context.Context, c *container.Container) error {
	c.State.StoppedByUser = true
	if rt, err := e.runtimeOf(c); err == nil {
		if err := rt.Kill(ctx, c.Config.ID, pidOf(c), syscall.SIGKILL, true); err != nil {
			e.log.Debug("killing", "id", c.Config.ID, "error", err)
		}
	}
	// A runtime that is broken or gone kills nobody; without the first process the others of its PID namespace end too.
	if err := killProcess(c.State.PID, c.State.PIDStart); err != nil {
		return err
	}
	if err := e.waitDead(ctx, c, killGrace); err != nil {
		return err
	}
	return e.finish(ctx, c)
}

// killProcess kills exactly this process; nil if it is gone.
func killProcess(pid int, start uint64) error {
	if pid <= 1 {
		return nil
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil // gone
	}
	defer unix.Close(fd)
	if !host.Alive(pid, start) {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return errdefs.Internal("killing process %d: %w", pid, err)
	}
	return nil
}

// removeLocked removes a container that does not run. The caller holds its lock and a claim; whatever kills it half-way, the
// record says removing until all else is gone.
func (e *Engine) removeLocked(ctx context.Context, c *container.Container, volumes bool) error {
	id := c.Config.ID
	volumes = volumes || c.Config.AutoRemove || c.State.RemoveVolumes
	return runSteps(context.WithoutCancel(ctx), "rm", []step{
		{name: "mark", do: func(ctx context.Context) error { return e.markRemoving(ctx, c, volumes) }},
		{name: "take-down", do: func(ctx context.Context) error {
			if _, err := os.Lstat(e.paths.containerRun(id)); errors.Is(err, os.ErrNotExist) {
				return nil
			}
			return e.takeDown(ctx, c)
		}},
		{name: "files", do: func(context.Context) error { return e.removeFiles(id) }},
		{name: "record", do: func(ctx context.Context) error { return e.removeRecord(ctx, c, volumes) }},
		{name: "volumes", do: func(ctx context.Context) error { return e.removeOrphanVolumes(ctx, c, volumes) }},
	})
}

// markRemoving records that the removal has begun, and what goes with the container, for who may have to finish it.
func (e *Engine) markRemoving(ctx context.Context, c *container.Container, volumes bool) error {
	if c.State.Status == container.Removing && c.State.RemoveVolumes == volumes {
		return nil
	}
	before := c.State
	c.State.Status, c.State.RemoveVolumes = container.Removing, volumes
	err := e.store.Update(ctx, store.Volatile, func(tx store.UpdateTx) error {
		// From here on nobody can come to depend on it (requireLasting).
		ids, err := tx.Containers().Dependents(c.Config.ID)
		if err != nil {
			return err
		}
		if len(ids) > 0 {
			return dependedOn(c, ids)
		}
		return tx.ContainerWriter().SetState(c.Config.ID, c.State)
	})
	if err != nil {
		c.State = before
	}
	return err
}

// removeRecord removes the container from the store, with its anonymous volumes if those go too.
func (e *Engine) removeRecord(ctx context.Context, c *container.Container, volumes bool) error {
	d := store.Synced
	if c.Config.AutoRemove {
		// A power cut that brings it back brings it back as something to be removed after the reboot.
		d = store.Volatile
	}
	if volumes {
		if err := e.noteVolumes(c); err != nil {
			return err
		}
	}
	err := e.store.Update(ctx, d, func(tx store.UpdateTx) error {
		return deleteRecord(tx, c, volumes, containerEvent(c, event.Remove))
	})
	if err != nil {
		return err
	}
	removeCIDFile(c)
	return nil
}

// removeCIDFile removes the file that the command wrote the ID to. It may be gone, or the user's by now: that it stays is no error.
func removeCIDFile(c *container.Container) {
	if path := c.Config.CIDFile; path != "" {
		if id, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(id)) == c.Config.ID {
			os.Remove(path)
		}
	}
}

func deleteRecord(tx store.UpdateTx, c *container.Container, volumes bool, ev event.Event) error {
	if err := tx.ExecWriter().RemoveOf(c.Config.ID); err != nil {
		return err
	}
	if err := tx.ContainerWriter().Remove(c.Config.ID); err != nil {
		return err
	}
	if volumes {
		if err := deleteAnonymous(tx, c); err != nil {
			return err
		}
	}
	return tx.Writer().Append(ev)
}

// deleteAnonymous removes the records of the container's anonymous volumes that nobody else uses.
func deleteAnonymous(tx store.UpdateTx, c *container.Container) error {
	for _, name := range volumeNames(c) {
		v, err := tx.Volumes().Volume(name)
		if errdefs.Class(err) == errdefs.ErrNotFound || err == nil && !v.Anonymous {
			continue
		}
		if err != nil {
			return err
		}
		users, err := tx.Volumes().Users(name)
		if err != nil {
			return err
		}
		if len(users) > 0 {
			continue
		}
		if err := tx.VolumeWriter().Remove(name); err != nil {
			return err
		}
		if err := tx.Writer().Append(event.Event{Type: event.Volume, Action: event.Remove, ID: name, Name: name}); err != nil {
			return err
		}
	}
	return nil
}

// removeFiles removes all files of a container. It is idempotent, and knows nothing of the store.
func (e *Engine) removeFiles(id string) error {
	if err := e.unmountRun(id); err != nil {
		return err
	}
	if err := e.removeRun(id); err != nil {
		return err
	}
	return e.removeLayer(id)
}

// removeLayer removes what lasts of a container's files: its writable layer and its log.
func (e *Engine) removeLayer(id string) error {
	if err := e.unmountForPeople(id); err != nil {
		return err
	}
	if err := (rootfs.Layer{Dir: e.paths.container(id)}).Remove(context.Background()); err != nil {
		return errdefs.Internal("removing the files of container %s: %w", short(id), err)
	}
	return nil
}
