package engine

import (
	"context"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
)

// Remove removes a volume and its contents; with force, the containers that use it too.
//
// ErrConflict if containers use it and force is not set.
func (s *Volumes) Remove(ctx context.Context, ref string, force bool) error {
	e := s.e
	v, err := s.Inspect(ctx, ref)
	if err != nil {
		return err
	}
	if force {
		if err := e.removeUsers(ctx, v.Name); err != nil {
			return err
		}
	}
	return e.removeVolume(ctx, v.Name)
}

// removeVolume removes a volume's record and then its contents. Killed in between, the claim tells the next command.
func (e *Engine) removeVolume(ctx context.Context, name string) error {
	unlock, err := e.lockVolume(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	var cl *claim
	err = runSteps(ctx, "volume-rm", []step{
		{name: "claim", do: func(context.Context) (err error) {
			cl, err = e.claimVolume(name)
			return err
		}},
		{name: "record", do: func(ctx context.Context) error { return e.removeVolumeRecord(ctx, name) }},
		{name: "contents", do: func(context.Context) error { return e.localVolumes().Remove(name) }},
	})
	if recorded, rerr := e.volumeRecorded(ctx, name); err != nil && (rerr != nil || !recorded) {
		cl.leave() // the contents may be left
		return err
	}
	cl.done()
	return err
}

// claimVolume claims what is left of a volume that has no record any more.
func (e *Engine) claimVolume(name string) (*claim, error) {
	cl, err := e.claim(newID(), volumeClaim)
	if err != nil {
		return nil, err
	}
	if _, err := cl.file.WriteString(name); err != nil {
		cl.done()
		return nil, errdefs.Internal("claiming volume %s: %w", name, err)
	}
	return cl, nil
}

func (e *Engine) removeVolumeRecord(ctx context.Context, name string) error {
	return e.store.Update(ctx, store.Synced, func(tx store.UpdateTx) error {
		if err := tx.VolumeWriter().Remove(name); err != nil {
			return err
		}
		return tx.Writer().Append(volumeEvent(name, event.Remove))
	})
}

func (e *Engine) removeUsers(ctx context.Context, name string) error {
	var users []string
	err := e.store.View(ctx, func(tx store.Tx) (err error) {
		users, err = tx.Volumes().Users(name)
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range users {
		if _, err := e.remove(ctx, id, RemoveOptions{Force: true, Depend: true}); err != nil && errdefs.Class(err) != errdefs.ErrNotFound {
			return err
		}
	}
	return nil
}

// Prune removes the volumes that no container uses and all filters hold for, and returns their names.
func (s *Volumes) Prune(ctx context.Context, filters map[string][]string) ([]string, error) {
	f := map[string][]string{"dangling": {"true"}}
	for k, v := range filters {
		f[k] = v
	}
	list, err := s.List(ctx, f)
	if err != nil {
		return nil, err
	}
	var removed []string
	for _, v := range list {
		err := s.Remove(ctx, v.Name, false)
		switch errdefs.Class(err) {
		case nil:
			removed = append(removed, v.Name)
		case errdefs.ErrConflict, errdefs.ErrNotFound: // somebody was faster
		default:
			return removed, err
		}
	}
	return removed, nil
}

// removeOrphanVolumes removes the contents of those of the container's anonymous volumes whose record is gone.
func (e *Engine) removeOrphanVolumes(ctx context.Context, c *container.Container, volumes bool) error {
	if !volumes {
		return nil
	}
	return e.removeUnrecorded(ctx, volumeNames(c))
}

// removeUnrecorded removes the contents of those of the volumes that have no record.
func (e *Engine) removeUnrecorded(ctx context.Context, names []string) error {
	for _, name := range names {
		// Looked at without the lock first: a volume that is there may be in somebody's hands for long.
		if recorded, err := e.volumeRecorded(ctx, name); err != nil || recorded {
			if err != nil {
				return err
			}
			continue
		}
		if err := e.removeContents(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// removeContents removes the contents of a volume unless it has a record by now.
func (e *Engine) removeContents(ctx context.Context, name string) error {
	unlock, err := e.lockVolume(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	if recorded, err := e.volumeRecorded(ctx, name); err != nil || recorded {
		return err
	}
	return e.localVolumes().Remove(name)
}

func (e *Engine) volumeRecorded(ctx context.Context, name string) (bool, error) {
	err := e.store.View(ctx, func(tx store.Tx) error {
		_, err := tx.Volumes().Volume(name)
		return err
	})
	if errdefs.Class(err) == errdefs.ErrNotFound {
		return false, nil
	}
	return err == nil, err
}
