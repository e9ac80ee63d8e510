package sqlite

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

// The bytes of FILE-lock that are locked.
const (
	byteWrite = 0 // exclusive while writing
	byteUse   = 1 // shared while the database is open, exclusive while it is replaced
)

// gate is FILE-lock, where the processes that use a database meet.
type gate struct {
	f *os.File
	// writer holds a token while nobody in this Store writes.
	writer chan struct{}
}

// openGate opens FILE-lock of the database at path, making it and its directory if they are not there.
func openGate(path string) (*gate, error) {
	open := func() (*os.File, error) { return os.OpenFile(path+"-lock", os.O_RDWR|os.O_CREATE, 0o600) }
	f, err := open()
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, explainFile(err)
		}
		f, err = open()
	}
	if err != nil {
		return nil, explainFile(err)
	}
	g := &gate{f: f, writer: make(chan struct{}, 1)}
	g.writer <- struct{}{}
	return g, nil
}

// use marks the database as open until the gate is closed; it waits while another process replaces it.
func (g *gate) use(ctx context.Context) error {
	ok, err := ofd.Try(g.f, ofd.Shared, byteUse)
	if err != nil || ok {
		return g.explain(err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errRepaired)
	defer cancel()
	if err := ofd.Lock(ctx, g.f, ofd.Shared, byteUse, func() { g.f.Close() }); err != nil {
		return g.explain(waited(ctx, err))
	}
	return nil
}

// alone is use, and keeps all others out. It reports false if any other has the database open.
func (g *gate) alone() (bool, error) {
	ok, err := ofd.Try(g.f, ofd.Exclusive, byteUse)
	return ok, g.explain(err)
}

var (
	errRepaired = errors.New("it is being repaired by another process")
	errWritten  = errors.New("another process has been writing to it")
)

// lock waits for its turn to write, for at most patience, and returns what ends it.
func (g *gate) lock(ctx context.Context) (unlock func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errWritten)
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

// notify tells those who watch that there was a commit, which can now be read.
func (g *gate) notify() {
	g.f.WriteAt([]byte{'\n'}, 0) // if this fails, closing the file notifies
}

func (g *gate) close() error { return g.f.Close() }

// waited returns why a wait was given up: the caller's own end of patience, or ours.
func waited(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause == errRepaired || cause == errWritten {
		return errdefs.Unavailable("%w for %v", cause, patience.Round(time.Second))
	}
	return err
}

// explain says which file an error is about.
func (g *gate) explain(err error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, errdefs.ErrUnavailable):
		return errdefs.Unavailable("%s: %w", g.f.Name(), err)
	}
	return errdefs.Internal("%s: cannot be locked: %w", g.f.Name(), err)
}

// explainFile gives an error of the file system's its class.
func explainFile(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return errdefs.With(errdefs.ErrPermissionDenied, err)
	case errors.Is(err, fs.ErrNotExist):
		return errdefs.With(errdefs.ErrNotFound, err)
	}
	return errdefs.With(errdefs.ErrInternal, err)
}
