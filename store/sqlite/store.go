package sqlite

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/contract"
	"github.com/berth-engine/berth/store/internal/gate"
)

// Store is a database that is open. It implements store.Store.
type Store struct {
	path      string
	namespace string
	gate      *gate.Gate

	mu     sync.Mutex
	idle   []*conn
	closed bool

	writes     atomic.Int64   // commits of this Store
	background sync.WaitGroup // checkpoints
}

var _ store.Store = (*Store)(nil)

const (
	// maxIdle bounds how many connections are kept for later.
	maxIdle = 4
	// checkpointFrames is the length of the log, in pages, from which on it is worth a checkpoint that nobody waits for, and
	// closeFrames that from which on closing a Store makes one. Who opens the database when nobody else has it open reads
	// the whole log, at about 2 µs a page; a commit adds some ten pages, a checkpoint costs up to four syncs.
	checkpointFrames = 256
	closeFrames      = 1024
	// checkpointEvery is how many updates a Store makes between two looks at the log.
	checkpointEvery = 16
)

// take returns a connection for one transaction; give takes it back.
func (s *Store) take() (*conn, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, errdefs.Internal("%s: the store is closed", s.path)
	}
	if n := len(s.idle); n > 0 {
		c := s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.mu.Unlock()
		return c, nil
	}
	s.mu.Unlock()
	return connect(s.path, sqlite.OpenReadWrite)
}

func (s *Store) give(c *conn) {
	s.mu.Lock()
	keep := !s.closed && len(s.idle) < maxIdle && c.AutocommitEnabled()
	if keep {
		s.idle = append(s.idle, c)
	}
	s.mu.Unlock()
	if !keep {
		c.Close()
	}
}

// View implements store.Store.
func (s *Store) View(ctx context.Context, fn func(tx store.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c, err := s.take()
	if err != nil {
		return err
	}
	defer s.give(c)
	if err := c.beginRead(ctx); err != nil {
		return err
	}
	t := &tx{conn: c, ctx: ctx, path: s.path}
	defer func() {
		t.conn = nil
		c.exec("ROLLBACK")
	}()
	return fn(contract.NewTx(t.rows(), s.namespace))
}

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, d store.Durability, fn func(tx store.UpdateTx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c, err := s.take()
	if err != nil {
		return err
	}
	defer s.give(c)
	if err := s.update(ctx, c, d, fn); err != nil {
		return err
	}
	s.gate.Notify()
	if s.writes.Add(1)%checkpointEvery == 0 {
		s.background.Go(func() { s.Checkpoint(context.WithoutCancel(ctx)) })
	}
	return nil
}

// update is the transaction of Update.
func (s *Store) update(ctx context.Context, c *conn, d store.Durability, fn func(tx store.UpdateTx) error) error {
	unlock, err := s.gate.Lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.beginWrite(ctx, d); err != nil {
		return err
	}
	t := &tx{conn: c, ctx: ctx, path: s.path}
	defer func() {
		t.conn = nil
		c.rollback(nil) // does nothing after a commit
	}()
	if err := fn(contract.NewUpdateTx(t.rows(), s.namespace)); err != nil {
		return err
	}
	return c.exec("COMMIT")
}

// Watch implements store.Store. The channel is closed when ctx ends.
func (s *Store) Watch(ctx context.Context) (<-chan struct{}, error) { return s.gate.Watch(ctx) }

// Checkpoint moves the log into the database if it has grown long, so that the next to open the database has less to read.
// It costs up to four syncs and holds nobody up. A Store does it by itself now and then while it stays open, and Close does it
// when the log is long; a process that nobody waits for should do it before it ends, so that others need not.
func (s *Store) Checkpoint(ctx context.Context) error { return s.checkpoint(ctx, checkpointFrames) }

func (s *Store) checkpoint(ctx context.Context, frames int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c, err := s.take()
	if err != nil {
		return err
	}
	defer s.give(c)
	whole, err := c.checkpoint(frames)
	if err != nil || !whole {
		return err
	}
	// Who opens the database next reads the log up to the end of what was last written from its beginning on. So the log is
	// begun anew, by a small change; otherwise the next commit would do it, and would have to sync for it.
	return s.update(ctx, c, store.Volatile, func(tx store.UpdateTx) error {
		return c.setMeta(keyCheckpoint, time.Now().UTC().Format(time.RFC3339Nano))
	})
}

// checkpoint makes one if the log is at least so long, as far as readers let it, and reports whether all of it was moved.
func (c *conn) checkpoint(frames int64) (whole bool, err error) {
	var log, moved int64
	result := func(r row) error {
		log, moved = r.ColumnInt64(1), r.ColumnInt64(2)
		return nil
	}
	if err := c.query("PRAGMA wal_checkpoint(NOOP)", result); err != nil || log < frames {
		return false, err
	}
	err = c.query("PRAGMA wal_checkpoint(PASSIVE)", result)
	return err == nil && moved == log, err
}

// Close implements store.Store. It waits for nobody else.
func (s *Store) Close() error {
	s.background.Wait()
	if s.writes.Load() > 0 {
		s.checkpoint(context.Background(), closeFrames) // if it fails, a later one will do
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var err error
	for _, c := range s.idle {
		if cerr := c.Close(); err == nil {
			err = cerr
		}
	}
	s.idle = nil
	if gerr := s.gate.Close(); err == nil {
		err = gerr
	}
	return err
}
