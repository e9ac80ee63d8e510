package bolt

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/contract"
	"github.com/berth-engine/berth/store/internal/gate"
	"github.com/berth-engine/berth/store/internal/keyed"
	"github.com/berth-engine/berth/store/internal/kind"
	"github.com/berth-engine/berth/store/internal/rules"
)

// format is the number of the layout that this program reads and writes; keyFormat is where it is kept, in the bucket meta.
const (
	format    = 1
	keyFormat = "format"
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
		return nil, err
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
	if err := s.glance(ctx, func(tx store.Tx) error { return checkFormat(path, tx) }); err != nil {
		s.Close()
		return nil, orOtherKind(path, err)
	}
	return s, nil
}

// open looks at what the database says of itself.
func (s *Store) open(ctx context.Context, p store.Paths) error {
	if err := unfinishedRepair(s.path); err != nil {
		return err
	}
	if err := s.create(ctx, p); err != nil {
		return err
	}
	var recorded store.Paths
	err := s.glance(ctx, func(tx store.Tx) (err error) {
		if err := checkFormat(s.path, tx); err != nil {
			return err
		}
		recorded, err = tx.Paths()
		return err
	})
	switch {
	case err != nil:
		return orOtherKind(s.path, err)
	case recorded == (store.Paths{}): // lost, and not found again by Repair
		return s.Update(ctx, store.Synced, func(tx store.UpdateTx) error { return tx.(contract.UpdateTx).SetPaths(p) })
	}
	return rules.ComparePaths(s.path, recorded, p)
}

// orOtherKind is the error of a file that is no bolt database: that it is another back end's, if so.
func orOtherKind(path string, err error) error {
	if !errors.Is(err, store.ErrCorrupt) {
		return err
	}
	is, kerr := kind.Of(path)
	if kerr == nil && is != kind.None && is != kind.Bolt {
		return rules.OtherKind(path, string(is), string(kind.Bolt))
	}
	return err
}

// checkFormat says whether the database is Berth's, and of a format that this program knows.
func checkFormat(path string, tx store.Tx) error {
	text, err := tx.(interface{ Rows() contract.Rows }).Rows().Meta.Meta(keyFormat)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || n < 1:
		return rules.Damaged(path, "it is not a database of berth")
	case n > format:
		return rules.Newer(path, n, format)
	}
	return nil
}

// create makes a new database if there is none at all.
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
	return Build(ctx, s.path+"-new", s.path, func(tx store.UpdateTx) error { return tx.(contract.UpdateTx).SetPaths(p) })
}

// exists reports whether there is a database at path. ErrCorrupt if it cannot be one.
func exists(path string) (bool, error) {
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, gate.ExplainFile(err)
	case fi.Size() == 0:
		return false, rules.Damaged(path, "the file is empty")
	}
	return true, nil
}

// Build makes a new database of what fill writes, at fresh, and when it is whole on the disk gives it the name path, in the place of
// what had it. What an earlier attempt left at fresh is removed. The caller keeps others away.
func Build(ctx context.Context, fresh, path string, fill func(tx store.UpdateTx) error) error {
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return gate.ExplainFile(err)
	}
	db, err := bbolt.Open(fresh, 0o600, writing)
	if err != nil {
		return explain(fresh, err)
	}
	defer db.Close()
	if err := db.Update(buckets); err != nil {
		return explain(fresh, err)
	}
	err = write(ctx, db, fresh, "", func(tx store.UpdateTx) error {
		if err := tx.(contract.UpdateTx).Rows().Meta.SetMeta(keyFormat, strconv.Itoa(format)); err != nil {
			return err
		}
		return fill(tx)
	})
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return explain(fresh, err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return gate.ExplainFile(err)
	}
	return gate.SyncDir(filepath.Dir(path))
}

// buckets makes all buckets.
func buckets(tx *bbolt.Tx) error {
	for _, name := range keyed.Tables() {
		if _, err := tx.CreateBucket([]byte(name)); err != nil {
			return err
		}
	}
	return nil
}

// explain gives an error of bbolt's or of the file system's its class and says which file it is about.
func explain(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bolterrors.ErrTimeout):
		return errdefs.Unavailable("%s: held by another program for %v", path, gate.Patience)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return rules.Damaged(path, err)
	case errors.Is(err, bolterrors.ErrKeyTooLarge), errors.Is(err, bolterrors.ErrValueTooLarge):
		return errdefs.Invalid("%s: a record cannot be kept: %w", path, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return errdefs.Unavailable("%s: no space left to write: free some on its file system", path)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return errdefs.Denied("%s: cannot be written: %w", path, err)
	}
	return errdefs.Internal("%s: %w", path, err)
}
