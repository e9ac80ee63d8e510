// Package mirror writes events a second time, for programs that look for them where podman puts them: in a file, or in systemd's
// journal. The store stays the truth: nothing reads a mirror back.
//
// Whoever has committed an event brings the mirror up to date, under a lock between processes: it writes every event that the mirror does
// not have yet, in order, also those of a process that died between its commit and here. A small file beside the mirror, the cursor, says
// how far it has come.
package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/internal/ofd"
)

// The kinds of mirrors: the values of events_logger in containers.conf(5).
const (
	File     = "file"
	Journald = "journald"
	None     = "none"
)

// Options say what a mirror is.
type Options struct {
	// Kind is File, Journald, or None (also "").
	Kind string
	// Path is the file, or what the cursor of another kind is named after. Its directory is made.
	Path string
	// MaxSize is the size in bytes at which the older half of a file is dropped; 0 is never.
	MaxSize int64
}

// Mirror is one mirror. Its methods may be called concurrently, by any number of processes.
type Mirror struct {
	path string
	sink sink
}

// sink is where a mirror writes.
type sink interface {
	// resume opens it and returns the newest event of which it is known that it was written after the cursor was.
	resume(c cursor) (uint64, error)
	write(events []event.Event) error
	// finish closes it and returns its size, which is kept in the cursor.
	finish() (int64, error)
}

// Open returns the mirror, nil for none. ErrInvalidArgument for an unknown kind, ErrUnavailable if there is no journal.
func Open(o Options) (*Mirror, error) {
	m := &Mirror{path: o.Path}
	switch o.Kind {
	case "", None:
		return nil, nil
	case File:
		m.sink = &file{path: o.Path, max: o.MaxSize}
	case Journald:
		if !hasJournal() {
			return nil, errdefs.Unavailable("events_logger is %q, but there is no journal on this host", Journald)
		}
		m.sink = journal{}
	default:
		return nil, errdefs.Invalid("events_logger %q: want %s, %s or %s", o.Kind, File, Journald, None)
	}
	if err := os.MkdirAll(filepath.Dir(o.Path), 0o700); err != nil {
		return nil, errdefs.Internal("making the directory of the event log: %w", err)
	}
	return m, nil
}

// Reader calls fn for each event above seq, in order, until fn returns false.
type Reader func(seq uint64, fn func(event.Event) bool) error

// batch is how many events are written at once.
const batch = 256

// Begin makes a mirror that was never written to start after the event last, which its reader has the number of.
func (m *Mirror) Begin(ctx context.Context, last func() (uint64, error)) error {
	if _, err := os.Lstat(m.path + cursorSuffix); err == nil {
		return nil
	}
	return m.locked(ctx, func(f *os.File) error {
		if st, err := f.Stat(); err != nil || st.Size() > 0 {
			return err
		}
		seq, err := last()
		if err != nil {
			return err
		}
		return cursor{seq: seq}.write(f)
	})
}

// CatchUp writes all events that the mirror does not have.
func (m *Mirror) CatchUp(ctx context.Context, read Reader) error {
	return m.locked(ctx, func(f *os.File) error {
		c, err := readCursor(f)
		if err != nil {
			return err
		}
		if c.seq, err = m.sink.resume(c); err != nil {
			return err
		}
		c.seq, err = m.copy(c.seq, read)
		size, ferr := m.sink.finish()
		if err = errors.Join(err, ferr); err != nil {
			return err
		}
		c.size = size
		return c.write(f)
	})
}

// copy writes the events above seq and returns the number of the last.
func (m *Mirror) copy(seq uint64, read Reader) (uint64, error) {
	var pending []event.Event
	var werr error
	flush := func() bool {
		if len(pending) > 0 {
			if werr = m.sink.write(pending); werr == nil {
				seq = pending[len(pending)-1].Seq
			}
			pending = pending[:0]
		}
		return werr == nil
	}
	err := read(seq, func(e event.Event) bool {
		pending = append(pending, e)
		return len(pending) < batch || flush()
	})
	if err == nil && werr == nil {
		flush()
	}
	return seq, errors.Join(err, werr)
}

const (
	// lockSuffix is podman's: it locks the whole of this file while it writes its event log.
	lockSuffix   = ".lock"
	cursorSuffix = ".cursor"
)

// locked calls fn with the cursor's file while no other process writes to the mirror.
func (m *Mirror) locked(ctx context.Context, fn func(f *os.File) error) error {
	lock, err := os.OpenFile(m.path+lockSuffix, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return errdefs.Internal("event log: %w", err)
	}
	if err := ofd.Lock(ctx, lock, ofd.Exclusive, 0, func() { lock.Close() }); err != nil {
		return errdefs.Internal("event log: %w", err)
	}
	defer lock.Close()
	f, err := os.OpenFile(m.path+cursorSuffix, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return errdefs.Internal("event log: %w", err)
	}
	defer f.Close()
	if err := fn(f); err != nil {
		return errdefs.Internal("event log %s: %w", m.path, err)
	}
	return nil
}

// cursor is how far a mirror has come: the last event written, and the size of the file then. On disk it is one line of a fixed length,
// which is overwritten in place.
type cursor struct {
	seq  uint64
	size int64
}

const cursorFormat = "%020d %020d\n"

func readCursor(f *os.File) (cursor, error) {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 64))
	if err != nil || len(text) == 0 {
		return cursor{}, err
	}
	var c cursor
	if _, err := fmt.Fscanf(bytes.NewReader(text), cursorFormat, &c.seq, &c.size); err != nil {
		return cursor{}, errdefs.Internal("%s is damaged: remove it, and the mirror starts anew: %w", f.Name(), err)
	}
	return c, nil
}

func (c cursor) write(f *os.File) error {
	_, err := f.WriteAt(fmt.Appendf(nil, cursorFormat, c.seq, c.size), 0)
	return err
}
