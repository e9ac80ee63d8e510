package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"zombiezen.com/go/sqlite"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/contract"
	"github.com/berth-engine/berth/store/internal/gate"
	"github.com/berth-engine/berth/store/internal/kind"
	"github.com/berth-engine/berth/store/internal/rules"
)

// Option changes how a database is opened.
type Option func(*Store)

// Namespace lets the Store see, and add, only records of one namespace; the empty one is none.
func Namespace(name string) Option { return func(s *Store) { s.namespace = name } }

// Open opens the database at path, creating it and its directory if it is not there. It may be open any number of times, here
// and in other processes. ErrConflict if it was created with other paths than p, or by another back end; store.ErrNewer,
// store.ErrCorrupt; ErrPermissionDenied.
func Open(ctx context.Context, path string, p store.Paths, opts ...Option) (*Store, error) {
	s := &Store{path: path}
	for _, o := range opts {
		o(s)
	}
	var err error
	if s.gate, err = gate.Open(path); err != nil {
		return nil, err
	}
	if err := s.gate.Use(ctx); err != nil {
		s.gate.Close()
		return nil, err
	}
	if err := s.open(ctx, p); err != nil {
		s.Close()
		return nil, orOtherKind(path, err)
	}
	return s, nil
}

// OpenAlone opens an existing database without a word to others: the caller holds FILE-lock alone (package gate), and keeps them
// away until it is closed. Its paths are not looked at.
func OpenAlone(ctx context.Context, path string) (*Store, error) {
	if err := unfinishedRepair(path); err != nil {
		return nil, err
	}
	g, err := gate.Open(path)
	if err != nil {
		return nil, err
	}
	s := &Store{path: path, gate: g}
	c, err := s.take()
	if err == nil {
		if err = s.current(ctx, c); err == nil {
			err = c.foldLog(path)
		}
		s.give(c)
	}
	if err != nil {
		s.Close()
		return nil, orOtherKind(path, err)
	}
	return s, nil
}

// foldLog moves the whole log into the database and empties it. A log that is found beside a file of another back end, after a conversion that
// was killed at its end, would make an SQLite database of it again.
func (c *conn) foldLog(path string) error {
	busy := false
	err := c.query("PRAGMA wal_checkpoint(TRUNCATE)", func(r row) error {
		busy = r.ColumnInt64(0) != 0
		return nil
	})
	if err == nil && busy {
		err = errdefs.Conflict("%s is being read by another program: end that first", path)
	}
	return err
}

// Build makes a new database of what fill writes, at fresh, and when it is whole on the disk gives it the name path, in the place of
// a file of another back end. What an earlier attempt left at fresh is removed. The caller keeps others away.
func Build(ctx context.Context, fresh, path string, fill func(tx store.UpdateTx) error) error {
	err := build(fresh, func(c *conn) error {
		return fill(contract.NewUpdateTx((&tx{conn: c, ctx: ctx, path: fresh}).rows(), ""))
	})
	if err != nil {
		return err
	}
	if err := Sweep(path); err != nil { // SQLite would take a log that lies there for the new database's
		return err
	}
	return install(fresh, path)
}

// Sweep removes what SQLite kept beside a database that another back end keeps now.
func Sweep(path string) error {
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return gate.ExplainFile(err)
		}
	}
	return nil
}

// orOtherKind is the error of a file that is no SQLite database: that it is another back end's, if so.
func orOtherKind(path string, err error) error {
	if !errors.Is(err, store.ErrCorrupt) {
		return err
	}
	is, kerr := kind.Of(path)
	if kerr == nil && is != kind.None && is != kind.SQLite {
		return rules.OtherKind(path, string(is), string(kind.SQLite))
	}
	return err
}

// open makes the first connection, of which nearly every process needs no second, and looks at what the database says of
// itself.
func (s *Store) open(ctx context.Context, p store.Paths) error {
	if err := unfinishedRepair(s.path); err != nil {
		return err
	}
	if err := s.create(ctx, p); err != nil {
		return err
	}
	c, err := s.take()
	if err != nil {
		return err
	}
	defer s.give(c)
	if err := s.current(ctx, c); err != nil {
		return err
	}
	recorded, err := c.paths(ctx)
	if err != nil {
		return err
	}
	if recorded == (store.Paths{}) { // lost, and not found again by Repair
		return s.Update(ctx, store.Synced, func(tx store.UpdateTx) error { return tx.(contract.UpdateTx).SetPaths(p) })
	}
	return rules.ComparePaths(s.path, recorded, p)
}

// paths are those that the database was created with, zero if that is not known.
func (c *conn) paths(ctx context.Context) (store.Paths, error) {
	return contract.NewTx((&tx{conn: c, ctx: ctx, path: c.path}).rows(), "").Paths()
}

// current sees to it that the database is of this program's version.
func (s *Store) current(ctx context.Context, c *conn) error {
	version, err := c.version(ctx)
	if err != nil || version == len(migrations) {
		return err
	}
	if version > len(migrations) {
		return rules.Newer(s.path, version, len(migrations))
	}
	unlock, err := s.gate.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if version, err = c.version(ctx); err != nil || version == len(migrations) {
		return err
	}
	if id, err := c.number("PRAGMA application_id"); err != nil || id != applicationID {
		return errors.Join(err, rules.Damaged(s.path, "it is not a database of berth"))
	}
	return c.migrate(version)
}

// version is the database's schema version. It is the first thing read.
func (c *conn) version(ctx context.Context) (version int, err error) {
	err = patiently(ctx, func() error {
		n, err := c.number("PRAGMA user_version")
		version = int(n)
		return err
	})
	return version, err
}

// create makes a new database if there is none at all. It is made under another name, so that one that is there is whole, and
// an empty file or a log without its database is damage.
func (s *Store) create(ctx context.Context, p store.Paths) error {
	if there, err := exists(s.path); err != nil || there {
		return err
	}
	unlock, err := s.gate.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if there, err := exists(s.path); err != nil || there {
		return err
	}
	fresh := s.path + "-new"
	err = build(fresh, func(c *conn) error {
		return contract.NewUpdateTx((&tx{conn: c, ctx: ctx, path: fresh}).rows(), "").SetPaths(p)
	})
	if err == nil {
		err = install(fresh, s.path)
	}
	return err
}

// exists reports whether there is a database at path. ErrCorrupt if it cannot be one.
func exists(path string) (bool, error) {
	fi, err := os.Stat(path)
	switch {
	case err == nil && fi.Size() == 0:
		return false, rules.Damaged(path, "the file is empty")
	case err == nil:
		return true, nil
	case !errors.Is(err, fs.ErrNotExist):
		return false, gate.ExplainFile(err)
	}
	if fi, err := os.Stat(path + "-wal"); err == nil && fi.Size() > 0 {
		return false, rules.Damaged(path, "the file is missing, while its log is there")
	}
	return false, nil
}

// build makes a whole database at path, which is on disk when it returns. What an earlier attempt left there is removed.
func build(path string, fill func(*conn) error) error {
	for _, suffix := range []string{"", "-journal", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return gate.ExplainFile(err)
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return gate.ExplainFile(err)
	}
	f.Close()
	c, err := connect(path, sqlite.OpenReadWrite)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.pragma("application_id", applicationID); err != nil {
		return err
	}
	if err := c.migrate(0); err != nil {
		return err
	}
	if err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := fill(c); err != nil {
		return c.rollback(err)
	}
	if err := c.exec("COMMIT"); err != nil {
		return err
	}
	return c.script("PRAGMA journal_mode = WAL")
}

// install gives a database that build made its name, on disk.
func install(fresh, path string) error {
	if err := Sweep(fresh); err != nil {
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return gate.ExplainFile(err)
	}
	return gate.SyncDir(filepath.Dir(path))
}
