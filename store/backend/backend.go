// Package backend knows the back ends of package store that keep a file: it opens a database with the one that is asked for, or
// with the one that it was made with, checks and repairs it, and converts it from one to another.
//
// A database of either kind has the same name; which it is, its first bytes tell. So a conversion takes effect by one rename(2).
package backend

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/bolt"
	"github.com/berth-engine/berth/store/internal/gate"
	"github.com/berth-engine/berth/store/internal/kind"
	"github.com/berth-engine/berth/store/sqlite"
)

// Kind is a back end.
type Kind = kind.Kind

// The back ends. Any is the one that the database was made with; a new one is of Default.
const (
	Any     Kind = ""
	SQLite       = kind.SQLite
	Bolt         = kind.Bolt
	Default      = SQLite
)

// Parse reads the name of a back end as containers.conf and the command line have it: sqlite, bolt or boltdb, any or nothing.
// ErrInvalidArgument.
func Parse(name string) (Kind, error) {
	switch name {
	case "", "any":
		return Any, nil
	case "sqlite":
		return SQLite, nil
	case "bolt", "boltdb":
		return Bolt, nil
	}
	return Any, errdefs.Invalid("database backend %q: it is sqlite or bolt", name)
}

// Open opens the database at path, creating it if it is not there; namespace is empty to see all records. store.ErrOtherKind if it
// was made with another back end than k, and what sqlite.Open and bolt.Open return.
func Open(ctx context.Context, k Kind, path string, p store.Paths, namespace string) (store.Store, error) {
	if k == Bolt {
		return orNone(bolt.Open(ctx, path, p, bolt.Namespace(namespace)))
	}
	s, err := sqlite.Open(ctx, path, p, sqlite.Namespace(namespace))
	if k == Any && errors.Is(err, store.ErrOtherKind) {
		return orNone(bolt.Open(ctx, path, p, bolt.Namespace(namespace)))
	}
	return orNone(s, err)
}

// Of is the back end of a Store that Open returned.
func Of(s store.Store) Kind {
	switch s.(type) {
	case *sqlite.Store:
		return SQLite
	case *bolt.Store:
		return Bolt
	}
	return Any
}

// orNone keeps a nil pointer from becoming a Store.
func orNone[S store.Store](s S, err error) (store.Store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Check reads the whole database at path, whichever back end it is of, and says what is wrong with it: store.ErrCorrupt. It holds
// nobody up and changes nothing. ErrNotFound; store.ErrNewer.
func Check(ctx context.Context, path string) error {
	err := sqlite.Check(ctx, path)
	if errors.Is(err, store.ErrOtherKind) {
		err = bolt.Check(ctx, path)
	}
	return err
}

// Repair makes a new database of what can be read of the one at path, and keeps the old one beside it. One that is so damaged that
// it cannot be told what it was becomes one of kind k. A repair that is interrupted leaves either the old database or the new.
// ErrConflict while another process, or another Store, has the database open; store.ErrNewer; ErrNotFound.
func Repair(ctx context.Context, k Kind, path string) (store.RepairReport, error) {
	is, err := alone(ctx, path)
	if err != nil {
		return store.RepairReport{}, err
	}
	if is == kind.None {
		is = k
	}
	if is == Bolt {
		return bolt.Repair(ctx, path)
	}
	return sqlite.Repair(ctx, path)
}

// alone returns the kind of a database that nobody has open.
func alone(ctx context.Context, path string) (Kind, error) {
	g, err := takeAlone(ctx, path)
	if err != nil {
		return kind.None, err
	}
	defer g.Close()
	if is, err := kind.Of(path + "-repaired"); err != nil || is != kind.None {
		return is, err // an interrupted repair has come as far as that
	}
	return kind.Of(path)
}

// othersLeave is how long others are waited for who have the database open: most have it for an instant.
const othersLeave = 3 * time.Second

// takeAlone keeps all others out of a database, until the gate is closed.
func takeAlone(ctx context.Context, path string) (*gate.Gate, error) {
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return nil, gate.ExplainFile(err)
	}
	g, err := gate.Open(path)
	if err != nil {
		return nil, err
	}
	ok, err := g.AloneWithin(ctx, othersLeave)
	if err == nil && !ok {
		err = errdefs.Conflict("%s is in use by another process: stop the service and whatever else uses it, then try again", path)
	}
	if err != nil {
		g.Close()
		return nil, err
	}
	return g, nil
}
