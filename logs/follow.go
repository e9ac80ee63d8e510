package logs

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/berth-engine/berth/errdefs"
)

// follow goes on with current from off, and with the files that come after it. Current is nil if there was no file yet.
func (r *reader) follow(w *watcher, current *os.File, off int64) error {
	owned := false // current was opened here
	defer func() {
		if owned {
			current.Close()
		}
	}()
	var until <-chan time.Time
	if !r.o.Until.IsZero() {
		t := time.NewTimer(time.Until(r.o.Until))
		defer t.Stop()
		until = t.C
	}
	ended := false
	for {
		// Before the reading, so that all that was written until then is read.
		ended = ended || closed(r.o.Done)
		var err error
		if current != nil {
			if off, err = r.drain(current, rewound(current, off)); err != nil {
				return err
			}
		}
		next, err := r.successor(current)
		if err != nil {
			return err
		}
		if next != nil {
			if current != nil {
				// What came between the reading and the rotation.
				if err := r.finish(current, off); err != nil {
					next.Close()
					return err
				}
			}
			if owned {
				current.Close()
			}
			current, off, owned = next, 0, true
			continue
		}
		if ended {
			if current == nil {
				return nil
			}
			return r.finish(current, off)
		}
		select {
		case _, ok := <-w.wake:
			ended = !ok
		case <-r.o.Done:
		case <-until:
			ended = true
		case <-r.ctx.Done():
			return r.ctx.Err()
		}
	}
}

// rewound is off, or 0 if the file was cut short, as engines do that rotate by truncating.
func rewound(f *os.File, off int64) int64 {
	if info, err := f.Stat(); err == nil && info.Size() < off {
		return 0
	}
	return off
}

// successor opens the file that was written next after current; nil if current is still the newest.
func (r *reader) successor(current *os.File) (*os.File, error) {
	var info fs.FileInfo
	if current != nil {
		var err error
		if info, err = current.Stat(); err != nil {
			return nil, errdefs.Internal("reading log: %w", err)
		}
		if newest, err := os.Stat(filepath.Join(r.dir, r.base)); err == nil && os.SameFile(newest, info) {
			return nil, nil
		}
	}
	for {
		list, err := r.consistent()
		if err != nil {
			return nil, err
		}
		list = slices.DeleteFunc(list, func(n named) bool { return n.packed })
		since := time.Time{}
		if info != nil {
			if i := slices.IndexFunc(list, func(n named) bool { return isFile(info, n) }); i >= 0 {
				list = list[:i]
			} else {
				// It was rotated away, or deleted: what came after it was written to after it.
				since = info.ModTime()
			}
		}
		next, again, err := r.oldest(list, since)
		if err != nil || !again {
			return next, err
		}
	}
}

// oldest opens the oldest file of a list that was written to at or after since; nil if there is none. Again says that the list
// is no longer true.
func (r *reader) oldest(list []named, since time.Time) (_ *os.File, again bool, _ error) {
	for _, n := range slices.Backward(list) {
		f, err := r.openNamed(n)
		if err != nil {
			return nil, false, err
		}
		if f == nil {
			return nil, true, nil
		}
		if !f.modified.Before(since) {
			return f.f, false, nil
		}
		f.close()
	}
	return nil, false, nil
}
