package bolt

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"

	"go.etcd.io/bbolt"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/contract"
	"github.com/berth-engine/berth/store/internal/gate"
	"github.com/berth-engine/berth/store/internal/keyed"
	"github.com/berth-engine/berth/store/internal/rules"
)

// Store is a database that is open. It implements store.Store.
type Store struct {
	path      string
	namespace string
	gate      *gate.Gate

	mu     sync.Mutex
	kept   *snapshot // for the next View
	closed bool
}

var _ store.Store = (*Store)(nil)

// writing is how the file is opened for an Update.
var writing = &bbolt.Options{Timeout: gate.Patience, NoStatistics: true}

// usable says whether the Store is open.
func (s *Store) usable(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errdefs.Internal("%s: the store is closed", s.path)
	}
	return ctx.Err()
}

// View implements store.Store.
func (s *Store) View(ctx context.Context, fn func(tx store.Tx) error) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	snap, err := s.snapshot(ctx)
	if err != nil {
		return err
	}
	defer s.release(snap)
	return s.read(ctx, snap.db, fn)
}

// glance is View for a fn that is over at once: if nobody writes at this moment, writers are kept waiting instead of making a copy.
func (s *Store) glance(ctx context.Context, fn func(tx store.Tx) error) error {
	unlock, err := s.gate.TryLock()
	if err != nil {
		return err
	}
	if unlock == nil {
		return s.View(ctx, fn)
	}
	defer unlock()
	if err := sound(s.path); err != nil {
		return err
	}
	db, err := open(s.path, &bbolt.Options{ReadOnly: true, Timeout: gate.Patience, NoStatistics: true})
	if err != nil {
		return err
	}
	defer db.Close()
	return s.read(ctx, db, fn)
}

// read runs fn in a transaction that reads.
func (s *Store) read(ctx context.Context, db *bbolt.DB, fn func(tx store.Tx) error) error {
	b, err := db.Begin(false)
	if err != nil {
		return explain(s.path, err)
	}
	defer b.Rollback()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // see guard
	t := &tx{bolt: b, ctx: ctx, path: s.path}
	defer t.end()
	return fn(contract.NewTx(t.rows(), s.namespace))
}

// Update implements store.Store. Every commit is synced.
func (s *Store) Update(ctx context.Context, _ store.Durability, fn func(tx store.UpdateTx) error) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	if err := s.update(ctx, fn); err != nil {
		return err
	}
	s.gate.Notify()
	return nil
}

// update is the transaction of Update.
func (s *Store) update(ctx context.Context, fn func(tx store.UpdateTx) error) error {
	unlock, err := s.gate.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	db, err := open(s.path, writing)
	if err != nil {
		return err
	}
	defer db.Close()
	return write(ctx, db, s.path, s.namespace, fn)
}

// open opens an existing file, whatever is in it.
func open(path string, o *bbolt.Options) (db *bbolt.DB, err error) {
	if there, err := exists(path); err != nil || !there {
		return nil, errors.Join(err, errdefs.Internal("%s is gone while it is in use", path))
	}
	err = guard(path, func() error {
		var err error
		db, err = bbolt.Open(path, 0o600, o)
		return explain(path, err)
	})
	return db, err
}

// write runs fn in a transaction of an open file and commits it.
func write(ctx context.Context, db *bbolt.DB, path, namespace string, fn func(tx store.UpdateTx) error) error {
	b, err := db.Begin(true)
	if err != nil {
		return explain(path, err)
	}
	defer b.Rollback() // does nothing after a commit
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	t := &tx{bolt: b, ctx: ctx, path: path}
	defer t.end()
	if err := fn(contract.NewUpdateTx(t.rows(), namespace)); err != nil {
		return err
	}
	return guard(path, func() error { return explain(path, b.Commit()) })
}

// guard runs what reads pages of the file. bbolt trusts what is in them: in a damaged one it panics, or reads where nothing is.
func guard(path string, fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = rules.Damaged(path, p)
		}
	}()
	return fn()
}

// Watch implements store.Store. The channel is closed when ctx ends.
func (s *Store) Watch(ctx context.Context) (<-chan struct{}, error) { return s.gate.Watch(ctx) }

// Close implements store.Store. It waits for nobody.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.forget()
	return s.gate.Close()
}

// tx is a transaction.
type tx struct {
	bolt *bbolt.Tx // nil when the transaction has ended
	ctx  context.Context
	path string // of the database, for messages
}

func (t *tx) end() { t.bolt = nil }

func (t *tx) rows() contract.Rows {
	return keyed.Rows(t.path, func(name string) keyed.Table { return table{t, name} })
}

// bucket is that of a table, for as long as the transaction and its context last.
func (t *tx) bucket(name string) (b *bbolt.Bucket, err error) {
	if t.bolt == nil {
		return nil, errdefs.Internal("a transaction of the store was used after its end")
	}
	if err := t.ctx.Err(); err != nil {
		return nil, err
	}
	err = guard(t.path, func() error {
		if b = t.bolt.Bucket([]byte(name)); b == nil {
			return rules.Damaged(t.path, "the bucket "+name+" is missing")
		}
		return nil
	})
	return b, err
}

// table implements keyed.Table.
type table struct {
	*tx
	name string
}

// do runs fn on the table's bucket.
func (t table) do(fn func(b *bbolt.Bucket) error) error {
	b, err := t.bucket(t.name)
	if err != nil {
		return err
	}
	return guard(t.path, func() error { return fn(b) })
}

func (t table) Get(key string) (value []byte, err error) {
	err = t.do(func(b *bbolt.Bucket) error {
		value = b.Get([]byte(key))
		return nil
	})
	return value, err
}

func (t table) Put(key string, value []byte) error {
	return t.do(func(b *bbolt.Bucket) error { return explain(t.path, b.Put([]byte(key), value)) })
}

func (t table) Delete(key string) error {
	return t.do(func(b *bbolt.Bucket) error { return explain(t.path, b.Delete([]byte(key))) })
}

// Scan guards the steps, not what fn does.
func (t table) Scan(from string, fn func(key string, value []byte) (bool, error)) error {
	var c *bbolt.Cursor
	var key, value []byte
	err := t.do(func(b *bbolt.Bucket) error {
		c = b.Cursor()
		key, value = c.Seek([]byte(from))
		return nil
	})
	for err == nil && key != nil {
		more, ferr := fn(string(key), value)
		if ferr != nil || !more {
			return ferr
		}
		err = t.do(func(*bbolt.Bucket) error {
			key, value = c.Next()
			return nil
		})
	}
	return err
}

func (t table) Last() (key string, err error) {
	err = t.do(func(b *bbolt.Bucket) error {
		k, _ := b.Cursor().Last()
		key = string(k)
		return nil
	})
	return key, err
}
