package monitored

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/internal/monitor/wire"
	"github.com/berth-engine/berth/internal/ofd"
)

// While a process is being created its monitor and whoever started the monitor share a lock on the runtime's log. A starter that dies
// leaves it to the monitor, which stops the runtime, kills what it has made, and only then unlocks.

// beginCreation takes the lock, which the monitor inherits with the file.
func beginCreation(ctx context.Context, log *os.File) error {
	return lockCreation(ctx, log, func() {})
}

func lockCreation(ctx context.Context, log *os.File, abandoned func()) error {
	err := ofd.Lock(ctx, log, ofd.Exclusive, wire.CreationLock, abandoned)
	if err != nil && ctx.Err() == nil {
		return errdefs.Internal("locking %s: %w", log.Name(), err)
	}
	return err
}

// AwaitCreation waits until nothing is being created any more in a run directory whose owner has died: before, the OCI runtime may still
// add to what is to be removed. It does not wait for a process to end, and not at all for a directory in which nothing was ever created.
// The context's error if it ends first.
func AwaitCreation(ctx context.Context, run string) error {
	log, err := os.OpenFile(filepath.Join(run, wire.RuntimeLog), os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return errdefs.Internal("waiting for a creation: %w", err)
	}
	if err := lockCreation(ctx, log, func() { log.Close() }); err != nil {
		return err
	}
	return log.Close()
}
