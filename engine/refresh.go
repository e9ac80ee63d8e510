package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/internal/config"
	"github.com/berth-engine/berth/lock"
	"github.com/berth-engine/berth/rootfs"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/backend"
)

// openStore opens the database, making it if it is not there.
func (e *Engine) openStore(ctx context.Context) (store.Store, error) {
	return e.openStoreIn(ctx, e.settings.namespace)
}

// openStoreIn opens the database as seen from a namespace, from none to see all.
func (e *Engine) openStoreIn(ctx context.Context, namespace string) (store.Store, error) {
	kind, err := databaseKind(e.settings, e.config)
	if err != nil {
		return nil, err
	}
	s, err := backend.Open(ctx, kind, e.paths.database(), store.Paths{
		Root: e.paths.root, RunRoot: e.paths.run, StorageRoot: e.paths.storage(), StorageRun: e.paths.storageRun(), GraphDriver: "overlay",
	}, namespace)
	if err != nil {
		return nil, err
	}
	e.database = backend.Of(s)
	recording, err := e.record(ctx, s)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return recording, nil
}

// databaseKind is the back end of the store that is asked for, by an option or by containers.conf.
func databaseKind(s settings, c *config.Config) (backend.Kind, error) {
	name := s.database
	if name == "" {
		name = c.Engine.DatabaseBackend
	}
	return backend.Parse(name)
}

// refresh does away, once after each boot, with what the reboot voided. On every other open it costs the reading of one small file.
func (e *Engine) refresh(ctx context.Context) error {
	if seen, err := os.ReadFile(e.paths.boot()); err == nil && string(seen) == e.facts.BootID {
		return nil
	}
	unlock, err := e.locks.Lock(ctx, lock.Name(refreshLock))
	if err != nil {
		return err
	}
	defer unlock()
	restore, err := e.seeAllNamespaces(ctx)
	if err != nil {
		return err
	}
	defer restore()
	var last string
	err = e.store.View(ctx, func(tx store.Tx) error {
		last, err = tx.BootID()
		return err
	})
	if err != nil {
		return err
	}
	if last != e.facts.BootID {
		if err := e.checkAfterBoot(ctx, last); err != nil {
			return err
		}
		if err := e.voidRuns(ctx, last != ""); err != nil {
			return err
		}
	}
	// Not a part of the above: whoever voided the runs may have been killed before it had come to this.
	if err := e.removePassing(ctx); err != nil {
		return err
	}
	if err := e.keepMountsPrivate(); err != nil {
		return err
	}
	return e.markBooted()
}

// checkAfterBoot reads the whole database once after each boot, for nobody knows whether the machine was shut down or fell. A damaged
// one is store.ErrCorrupt, before anything is written to it.
func (e *Engine) checkAfterBoot(ctx context.Context, last string) error {
	if last == "" { // it is new
		return nil
	}
	return backend.Check(ctx, e.paths.database())
}

// seeAllNamespaces has the engine work on the records of all namespaces until restore is called: a reboot is everybody's.
func (e *Engine) seeAllNamespaces(ctx context.Context) (restore func(), err error) {
	if e.settings.namespace == "" {
		return func() {}, nil
	}
	all, err := e.openStoreIn(ctx, "")
	if err != nil {
		return nil, err
	}
	own := e.store
	e.store = all
	return func() {
		e.store = own
		all.Close()
	}, nil
}

// keepMountsPrivate keeps the mounts of containers out of other mount namespaces, where they would stay busy: on a host whose mounts
// are shared, as systemd has them, the directories of the runs become private mounts, once after each boot.
func (e *Engine) keepMountsPrivate() error {
	dir := filepath.Join(e.paths.run, "containers")
	shared, err := rootfs.Shared(dir)
	if err != nil || !shared {
		return err
	}
	return rootfs.PrivateDir(dir)
}

// voidRuns clears the run state of all containers.
func (e *Engine) voidRuns(ctx context.Context, used bool) error {
	return e.store.Update(ctx, store.Synced, func(tx store.UpdateTx) error {
		if err := tx.Writer().Refresh(e.facts.BootID); err != nil || !used {
			return err
		}
		return tx.Writer().Append(event.Event{Type: event.System, Action: event.Refresh})
	})
}

// removePassing removes what was to remove itself at the end of a run that a reboot has ended, and what nobody knows.
func (e *Engine) removePassing(ctx context.Context) error {
	all, err := e.all(ctx)
	if err != nil {
		return err
	}
	known := make(map[string]bool, len(all))
	for _, c := range all {
		known[c.Config.ID] = true
		if c.State.Status.Alive() {
			continue
		}
		if c.Config.AutoRemove || c.State.Status == container.Removing {
			if _, err := e.remove(ctx, c.Config.ID, RemoveOptions{Force: true, Volumes: c.Config.AutoRemove}); err != nil {
				e.log.Warn("removing a container after the reboot", "id", c.Config.ID, "error", err)
			}
		}
	}
	return e.removeUnknown(known)
}

// removeUnknown removes the directories of containers that were to remove themselves and that the store has not: a power cut took their
// record, which was not synced. Any other directory without a record is not touched: the record may have been lost with a damaged
// database, and what a container wrote is not the engine's to throw away.
func (e *Engine) removeUnknown(known map[string]bool) error {
	entries, err := os.ReadDir(filepath.Join(e.paths.root, "containers"))
	if err != nil {
		return errdefs.Internal("looking for directories of lost containers: %w", err)
	}
	var errs []error
	for _, entry := range entries {
		id := entry.Name()
		if _, err := os.Lstat(e.paths.passing(id)); err == nil && !known[id] {
			errs = append(errs, e.removeFiles(id))
		}
	}
	return errors.Join(errs...)
}

func (e *Engine) markBooted() error {
	tmp := e.paths.boot() + ".new"
	err := os.WriteFile(tmp, []byte(e.facts.BootID), 0o600)
	if err == nil {
		err = os.Rename(tmp, e.paths.boot())
	}
	if err != nil {
		return errdefs.Internal("writing %s: %w", e.paths.boot(), err)
	}
	return nil
}

// all returns all containers of the namespace.
func (e *Engine) all(ctx context.Context) (all []*container.Container, err error) {
	err = e.store.View(ctx, func(tx store.Tx) error {
		all, err = tx.Containers().All()
		return err
	})
	return all, err
}
