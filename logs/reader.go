package logs

import (
	"bytes"
	"context"
	"io"
	"os"

	"github.com/berth-engine/berth/errdefs"
)

const (
	// chunk is how much is read at a time.
	chunk = 256 << 10
	// maxRecord is the longest record that is read; longer ones are skipped. Monitors write some KiB.
	maxRecord = 16 << 20
)

// reader is the state of one Read.
type reader struct {
	ctx       context.Context
	o         Options
	parse     func() parser
	emit      func(Line) error
	dir, base string

	parser parser
	buf    []byte
	// skipping: the record at hand is too long, and is passed over up to its newline.
	skipping bool
}

// drain delivers the whole records of f from off on, and returns the offset after the last.
func (r *reader) drain(f *os.File, off int64) (int64, error) {
	if r.buf == nil {
		r.buf = make([]byte, chunk)
	}
	have := 0
	for {
		if err := r.ctx.Err(); err != nil {
			return off, err
		}
		n, err := f.ReadAt(r.buf[have:], off+int64(have))
		if n > 0 {
			used, err := r.records(r.buf[:have+n], have)
			off += int64(used)
			if err != nil {
				return off, err
			}
			have = copy(r.buf, r.buf[used:have+n])
		}
		switch {
		case err == io.EOF:
			return off, nil
		case err != nil:
			return off, errdefs.Internal("reading log %s: %w", f.Name(), err)
		case have == len(r.buf):
			off += int64(r.grow(&have))
		}
	}
}

// grow makes room for a record longer than the buffer, or gives it up, and returns how many bytes are passed over.
func (r *reader) grow(have *int) int {
	if len(r.buf) < maxRecord {
		r.buf = append(r.buf, make([]byte, len(r.buf))...)
		return 0
	}
	r.skipping = true
	n := *have
	*have = 0
	return n
}

// records delivers the whole records at the start of data, of which the first seen bytes have no newline, and returns their
// length.
func (r *reader) records(data []byte, seen int) (used int, err error) {
	for {
		i := bytes.IndexByte(data[used+seen:], '\n')
		if i < 0 {
			return used, nil
		}
		i += seen
		seen = 0
		record := data[used : used+i]
		used += i + 1
		if r.skipping {
			r.skipping = false
			continue
		}
		if err := r.deliver(record); err != nil {
			return used, err
		}
	}
}

// finish reads to the end of a file that will not grow any more: its last record needs no newline.
func (r *reader) finish(f *os.File, off int64) error {
	off, err := r.drain(f, off)
	if err != nil {
		return err
	}
	n, err := f.ReadAt(r.buf, off)
	if n == 0 || r.skipping {
		r.skipping = false
		if err == io.EOF || err == nil {
			return nil
		}
		return errdefs.Internal("reading log %s: %w", f.Name(), err)
	}
	return r.deliver(r.buf[:n])
}

// deliver hands on one record, if it is well-formed and in the range of time.
func (r *reader) deliver(record []byte) error {
	if r.parser == nil {
		r.parser = r.parse()
	}
	var l Line
	if !r.parser.parse(record, &l) {
		return nil
	}
	if !r.o.Since.IsZero() && l.Time.Before(r.o.Since) {
		return nil
	}
	if !r.o.Until.IsZero() && l.Time.After(r.o.Until) {
		return errStop
	}
	return r.emit(l)
}
