// Package gate is the file in which the processes that share a database file meet: who writes, who has it open, and who is to be
// told of a commit. It is of the same form for all back ends, so that a database can be converted from one to another.
package gate

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/internal/ofd"
)

// Patience bounds how long anything waits here.
const Patience = 30 * time.Second

// The bytes of FILE-lock that are locked.
const (
	byteWrite = 0 // exclusive while writing
	byteUse   = 1 // shared while the database is open, exclusive while it is replaced
)

// Gate is FILE-lock, open.
type Gate struct {
	f *os.File
	// writer holds a token while nobody in this Store writes.
	writer chan struct{}
}

// Open opens FILE-lock of the database at path, making it and its directory if they are not there.
func Open(path string) (*Gate, error) {
	open := func() (*os.File, error) { return os.OpenFile(path+"-lock", os.O_RDWR|os.O_CREATE, 0o600) }
	f, err := open()
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, ExplainFile(err)
		}
		f, err = open()
	}
	if err != nil {
		return nil, ExplainFile(err)
	}
	g := &Gate{f: f, writer: make(chan struct{}, 1)}
	g.writer <- struct{}{}
	return g, nil
}

// Use marks the database as open until the gate is closed; it waits while another process replaces it.
func (g *Gate) Use(ctx context.Context) error {
	ok, err := ofd.Try(g.f, ofd.Shared, byteUse)
	if err != nil || ok {
		return g.explain(err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, Patience, errReplaced)
	defer cancel()
	if err := ofd.Lock(ctx, g.f, ofd.Shared, byteUse, func() { g.f.Close() }); err != nil {
		return g.explain(waited(ctx, err))
	}
	return nil
}

// Alone is Use, and keeps all others out. It reports false if any other has the database open.
func (g *Gate) Alone() (bool, error) {
	ok, err := ofd.Try(g.f, ofd.Exclusive, byteUse)
	return ok, g.explain(err)
}

// AloneWithin is Alone for when the others are on their way out: it waits for them for at most d. The gate is of no further use if it
// reports false.
func (g *Gate) AloneWithin(ctx context.Context, d time.Duration) (bool, error) {
	if ok, err := g.Alone(); ok || err != nil {
		return ok, err
	}
	limited, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	err := ofd.Lock(limited, g.f, ofd.Exclusive, byteUse, func() { g.f.Close() })
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return false, nil
	}
	return err == nil, g.explain(err)
}

var (
	errReplaced = errors.New("it is being repaired or converted by another process")
	errWritten  = errors.New("another process has been writing to it")
)

// Lock waits for its turn to write, for at most Patience, and returns what ends it.
func (g *Gate) Lock(ctx context.Context) (unlock func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, Patience, errWritten)
	defer cancel()
	select {
	case <-g.writer:
	case <-ctx.Done():
		return nil, g.explain(waited(ctx, ctx.Err()))
	}
	unlock = func() {
		ofd.Unlock(g.f, byteWrite)
		g.writer <- struct{}{}
	}
	ok, err := ofd.Try(g.f, ofd.Exclusive, byteWrite)
	if err != nil {
		g.writer <- struct{}{}
		return nil, g.explain(err)
	}
	if ok {
		return unlock, nil
	}
	if err := ofd.Lock(ctx, g.f, ofd.Exclusive, byteWrite, unlock); err != nil {
		if !errors.Is(err, ctx.Err()) {
			g.writer <- struct{}{}
		}
		return nil, g.explain(waited(ctx, err))
	}
	return unlock, nil
}

// TryLock is Lock if nobody writes or waits for it; unlock is nil if somebody does.
func (g *Gate) TryLock() (unlock func(), err error) {
	select {
	case <-g.writer:
	default:
		return nil, nil
	}
	ok, err := ofd.Try(g.f, ofd.Exclusive, byteWrite)
	if err != nil || !ok {
		g.writer <- struct{}{}
		return nil, g.explain(err)
	}
	return func() {
		ofd.Unlock(g.f, byteWrite)
		g.writer <- struct{}{}
	}, nil
}

// Notify tells those who watch that there was a commit, which can now be read.
func (g *Gate) Notify() {
	g.f.WriteAt([]byte{'\n'}, 0) // if this fails, closing the file notifies
}

// Close lets others have what was held.
func (g *Gate) Close() error { return g.f.Close() }

// waited returns why a wait was given up: the caller's own end of patience, or ours.
func waited(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause == errReplaced || cause == errWritten {
		return errdefs.Unavailable("%w for %v", cause, Patience.Round(time.Second))
	}
	return err
}

// explain says which file an error is about.
func (g *Gate) explain(err error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, errdefs.ErrUnavailable):
		return errdefs.Unavailable("%s: %w", g.f.Name(), err)
	}
	return errdefs.Internal("%s: cannot be locked: %w", g.f.Name(), err)
}

// ExplainFile gives an error of the file system's its class.
func ExplainFile(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return errdefs.With(errdefs.ErrPermissionDenied, err)
	case errors.Is(err, fs.ErrNotExist):
		return errdefs.With(errdefs.ErrNotFound, err)
	}
	return errdefs.With(errdefs.ErrInternal, err)
}

// SyncDir makes the names in a directory last.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return ExplainFile(err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return errdefs.Internal("%s: cannot be synced: %w", dir, err)
	}
	return nil
}
