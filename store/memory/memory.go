// Package memory is the back end of package store that keeps everything in the memory of one process: for tests, and for
// programs that want no disk. It keeps the same rules as the others.
//
// A snapshot is a set of sorted lists that nobody changes: an Update works on copies of those that it writes to, and puts them
// in the place of the old ones when it succeeds. That makes an update cost in proportion to the number of records, which is
// what tests can afford.
package memory

import (
	"context"
	"sync"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/contract"
	"github.com/berth-engine/berth/store/internal/keyed"
)

// Database is what Stores share. It lives as long as it is referred to. Use New.
type Database struct {
	writer chan struct{} // holds a token while nobody writes

	mu       sync.Mutex
	now      snapshot
	watchers map[chan struct{}]bool
}

// New returns an empty database.
func New() *Database {
	d := &Database{writer: make(chan struct{}, 1), now: snapshot{}, watchers: map[chan struct{}]bool{}}
	d.writer <- struct{}{}
	return d
}

// Open returns a Store of the database, which sees only records of the namespace unless that is empty.
func (d *Database) Open(namespace string) *Store {
	return &Store{db: d, namespace: namespace, done: make(chan struct{})}
}

// Store is a database that is open. It implements store.Store.
type Store struct {
	db        *Database
	namespace string
	close     sync.Once
	done      chan struct{}
}

var _ store.Store = (*Store)(nil)

func (s *Store) usable(ctx context.Context) error {
	select {
	case <-s.done:
		return errdefs.Internal("the store is closed")
	default:
		return ctx.Err()
	}
}

// rows are those of a transaction.
func rows(t *tx) contract.Rows {
	return keyed.Rows("the database in memory", func(name string) keyed.Table { return table{t, name} })
}

// View implements store.Store.
func (s *Store) View(ctx context.Context, fn func(tx store.Tx) error) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.db.mu.Lock()
	t := &tx{ctx: ctx, lists: s.db.now}
	s.db.mu.Unlock()
	defer t.end()
	return fn(contract.NewTx(rows(t), s.namespace))
}

// Update implements store.Store. All changes are equally durable: they end with the process.
func (s *Store) Update(ctx context.Context, _ store.Durability, fn func(tx store.UpdateTx) error) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	d := s.db
	select {
	case <-d.writer:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { d.writer <- struct{}{} }()
	t := &tx{ctx: ctx, lists: d.now, own: snapshot{}} // only a writer replaces now
	defer t.end()
	if err := fn(contract.NewUpdateTx(rows(t), s.namespace)); err != nil {
		return err
	}
	next := t.changed()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = next
	for ch := range d.watchers {
		select {
		case ch <- struct{}{}:
		default: // there is one to be taken already
		}
	}
	return nil
}

// Watch implements store.Store. The channel is closed when ctx ends.
func (s *Store) Watch(ctx context.Context) (<-chan struct{}, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	d := s.db
	ch := make(chan struct{}, 1)
	d.mu.Lock()
	d.watchers[ch] = true
	d.mu.Unlock()
	context.AfterFunc(ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.watchers, ch)
		close(ch)
	})
	return ch, nil
}

// Close implements store.Store. What was stored stays in the Database.
func (s *Store) Close() error {
	s.close.Do(func() { close(s.done) })
	return nil
}
