// Package memory is the back end of package store that keeps everything in the memory of one process: for tests, and for
// programs that want no disk. It keeps the same rules as the others.
//
// A snapshot is a set of maps that nobody changes: an Update works on copies of the maps and puts them in the place of the
// old ones when it succeeds. That makes an update cost in proportion to the number of records, which is what tests can afford.
package memory

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/rules"
	"github.com/berth-engine/berth/volume"
)

// Database is what Stores share. It lives as long as it is referred to. Use New.
type Database struct {
	writer chan struct{} // holds a token while nobody writes

	mu       sync.Mutex
	now      *snapshot
	watchers map[chan struct{}]bool
}

// New returns an empty database.
func New() *Database {
	d := &Database{writer: make(chan struct{}, 1), now: new(snapshot), watchers: map[chan struct{}]bool{}}
	d.now = d.now.clone()
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

// snapshot is everything there is at one time. The records in it are never changed.
type snapshot struct {
	containerRows map[string]*containerRow
	names         map[string]string // to ID
	execRows      map[string]*execRow
	volumeRows    map[string]*volume.Volume
	exitRows      map[string]exitRow
	eventRows     []event.Event // oldest first
	lastEvent     uint64
	lastRow       uint64
	boot          string
}

type containerRow struct {
	seq uint64
	c   *container.Container
}

type execRow struct {
	seq uint64
	s   *container.ExecSession
}

type exitRow struct {
	namespace string
	code      int
	recorded  time.Time
	removed   time.Time // zero while the container exists
}

func (s *snapshot) clone() *snapshot {
	c := *s
	c.containerRows = cloneMap(s.containerRows)
	c.names = cloneMap(s.names)
	c.execRows = cloneMap(s.execRows)
	c.volumeRows = cloneMap(s.volumeRows)
	c.exitRows = cloneMap(s.exitRows)
	c.eventRows = slices.Clip(s.eventRows) // so that appending copies
	return &c
}

func cloneMap[M ~map[K]V, K comparable, V any](m M) M {
	if m == nil {
		return M{}
	}
	return maps.Clone(m)
}

// copyOf returns a deep copy, by way of JSON as in the back ends that keep files, so that what is lost there is lost here.
func copyOf[T any](v *T) *T {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("memory: a record cannot be encoded: %v", err))
	}
	c := new(T)
	if err := json.Unmarshal(b, c); err != nil {
		panic(fmt.Sprintf("memory: a record cannot be decoded: %v", err))
	}
	return c
}

func (s *Store) usable(ctx context.Context) error {
	select {
	case <-s.done:
		return errdefs.Internal("the store is closed")
	default:
		return ctx.Err()
	}
}

// View implements store.Store.
func (s *Store) View(ctx context.Context, fn func(tx store.Tx) error) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.db.mu.Lock()
	now := s.db.now
	s.db.mu.Unlock()
	t := &tx{snapshot: now, ctx: ctx, namespace: s.namespace}
	defer func() { t.snapshot = nil }()
	return fn(t)
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
	next := d.now.clone() // only a writer replaces now
	t := &tx{snapshot: next, ctx: ctx, namespace: s.namespace}
	defer func() { t.snapshot = nil }()
	if err := fn(updateTx{t}); err != nil {
		return err
	}
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

// tx is a transaction. Its readers are views of it under other method sets.
type tx struct {
	*snapshot // nil when the transaction has ended
	ctx       context.Context
	namespace string
}

func (t *tx) Containers() store.ContainerReader { return containers{t} }
func (t *tx) Execs() store.ExecReader           { return execs{t} }
func (t *tx) Volumes() store.VolumeReader       { return volumes{t} }
func (t *tx) Events() store.EventReader         { return events{t} }

// updateTx is a transaction that may write.
type updateTx struct{ *tx }

func (t updateTx) Writer() store.Writer                   { return writer{t.tx} }
func (t updateTx) ContainerWriter() store.ContainerWriter { return containerWriter{containers{t.tx}} }
func (t updateTx) ExecWriter() store.ExecWriter           { return execWriter{execs{t.tx}} }
func (t updateTx) VolumeWriter() store.VolumeWriter       { return volumeWriter{volumes{t.tx}} }

// usable says whether the transaction may still be used.
func (t *tx) usable() error {
	if t.snapshot == nil {
		return errdefs.Internal("a transaction of the store was used after its end")
	}
	return t.ctx.Err()
}

// sees reports whether records of a namespace are visible.
func (t *tx) sees(namespace string) bool { return t.namespace == "" || t.namespace == namespace }

// ExitCode implements store.Tx.
func (t *tx) ExitCode(id string) (int, error) {
	if err := t.usable(); err != nil {
		return 0, err
	}
	if e, ok := t.exitRows[id]; ok && t.sees(e.namespace) {
		return e.code, nil
	}
	return 0, rules.NoExitCode(id)
}

// BootID implements store.Tx.
func (t *tx) BootID() (string, error) {
	if err := t.usable(); err != nil {
		return "", err
	}
	return t.boot, nil
}

// writer implements store.Writer.
type writer struct{ *tx }

func (w writer) Append(e event.Event) error {
	if err := w.usable(); err != nil {
		return err
	}
	w.lastEvent++
	w.eventRows = append(w.eventRows, *copyOf(new(rules.Stamp(e, w.lastEvent, time.Now()))))
	return nil
}

func (w writer) Refresh(bootID string) error {
	if err := w.usable(); err != nil {
		return err
	}
	now := time.Now()
	for id, row := range w.containerRows {
		var code *int
		exit, ok := w.exitRows[id]
		if ok {
			code = &exit.code
		}
		c := copyOf(row.c)
		c.State = rules.AfterReboot(c.State, code, exit.recorded, now)
		w.containerRows[id] = &containerRow{row.seq, copyOf(c)}
	}
	clear(w.execRows)
	w.boot = bootID
	return nil
}

func (w writer) Prune(now time.Time, keep int) error {
	if err := w.usable(); err != nil {
		return err
	}
	maps.DeleteFunc(w.exitRows, func(_ string, e exitRow) bool {
		return !e.removed.IsZero() && e.removed.Before(now.Add(-store.ExitCodeAge))
	})
	if over := len(w.eventRows) - max(keep, 0); over > 0 {
		w.eventRows = slices.Clone(w.eventRows[over:])
	}
	return nil
}
