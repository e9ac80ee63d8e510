package backend

import (
	"context"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/bolt"
	"github.com/berth-engine/berth/store/internal/contract"
	"github.com/berth-engine/berth/store/internal/kind"
	"github.com/berth-engine/berth/store/sqlite"
)

// Convert makes the database at path one of kind to, with all that is in it, and reports whether it had to. Whoever wants to open it
// meanwhile waits. The new one is compared with the old before it takes its place, by one rename: a conversion that is interrupted
// has happened or it has not, and can be begun anew. ErrConflict if another process, or another Store, keeps the database open for seconds;
// ErrNotFound; store.ErrNewer, store.ErrCorrupt.
func Convert(ctx context.Context, path string, to Kind) (converted bool, err error) {
	g, err := takeAlone(ctx, path)
	if err != nil {
		return false, err
	}
	defer g.Close()
	is, err := kind.Of(path)
	if err != nil {
		return false, err
	}
	switch {
	case is == kind.None:
		return false, errdefs.NotFound("%s: there is no database to convert, or it cannot be told of which kind it is", path)
	case is == to && to == Bolt:
		return false, sqlite.Sweep(path) // what a conversion left that was interrupted at its end
	case is == to:
		return false, nil
	}
	from, err := openAlone(ctx, is, path)
	if err != nil {
		return false, err
	}
	defer from.Close()
	if err := from.View(ctx, func(tx store.Tx) error { return replace(ctx, path, to, tx.(*contract.Tx).Rows()) }); err != nil {
		return false, err
	}
	if err := from.Close(); err != nil {
		return true, err
	}
	if to == Bolt {
		err = sqlite.Sweep(path)
	}
	return true, err
}

func openAlone(ctx context.Context, k Kind, path string) (store.Store, error) {
	if k == Bolt {
		return orNone(bolt.OpenAlone(ctx, path))
	}
	return orNone(sqlite.OpenAlone(ctx, path))
}

// replace makes a database of the rows and puts it in the place of the one at path.
func replace(ctx context.Context, path string, to Kind, from contract.Rows) error {
	build := sqlite.Build
	if to == Bolt {
		build = bolt.Build
	}
	return build(ctx, path+"-new", path, func(tx store.UpdateTx) error {
		rows := tx.(contract.UpdateTx).Rows()
		if err := contract.Copy(from, rows); err != nil {
			return err
		}
		equal, err := contract.Equal(from, rows)
		if err == nil && !equal {
			err = errdefs.Internal("%s: what was converted is not what there was; nothing has been changed", path)
		}
		return err
	})
}
