// Package lock holds the locks between processes, one for each object.
//
// A Table is a file in the run directory. An object's lock is one byte of it, at an offset that follows from the object's ID:
// there is no table to fill up and no number to hand out or lose. The locks are open-file-description locks (fcntl(2)):
// each acquisition opens the file for itself, so that goroutines exclude each other as processes do, and the kernel frees a
// lock when its holder dies. Waiting is done in the kernel, never by polling.
//
// The file is empty and may lie on a tmpfs. Removing it while locks are held would let others pass; nobody does.
//
// Lock order is the caller's business: package engine takes pods first, then containers by ID, then one volume by name.
package lock

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/internal/ofd"
)

// Table is the locks of one run directory. It holds nothing open; its methods may be called concurrently.
type Table struct{ path string }

// Open returns the table of a run directory. Its file, "locks", and the directory are made when the first lock is taken.
func Open(dir string) *Table { return &Table{path: filepath.Join(dir, "locks")} }

// namePrefix tells a name from an ID, in which it cannot occur.
const namePrefix = "name:"

// Name returns the ID of a lock that belongs to no object with a hexadecimal ID: a volume's, or an engine-wide one. Names and
// IDs never share a lock.
func Name(name string) string { return namePrefix + name }

// idDigits is how many digits of an ID are needed: 62 bits of it and a rest.
const idDigits = 16

// offset is the byte of the file that is an object's lock. IDs have 0 to 2⁶²-1, by their first 62 bits; names have 2⁶² to
// 2⁶³-1, by the first 62 bits of their SHA-256. Two objects that had the same would only wait for each other.
func offset(id string) (int64, error) {
	if name, ok := strings.CutPrefix(id, namePrefix); ok {
		sum := sha256.Sum256([]byte(name))
		return 1<<62 | int64(binary.BigEndian.Uint64(sum[:])>>2), nil
	}
	if len(id) < idDigits {
		return 0, errdefs.Invalid("cannot lock %q: an ID of at least %d hexadecimal digits is needed", id, idDigits)
	}
	n, err := strconv.ParseUint(id[:idDigits], 16, 64)
	if err != nil {
		return 0, errdefs.Invalid("cannot lock %q: it is not a hexadecimal ID", id)
	}
	return int64(n >> 2), nil
}

// Lock waits until nobody else, in any process, has the lock of the object with this ID (or Name), and returns what unlocks it.
// ErrInvalidArgument for an ID that is none; the context's error if it ends first.
func (t *Table) Lock(ctx context.Context, id string) (unlock func(), err error) {
	return t.wait(ctx, id, ofd.Exclusive)
}

// RLock is Lock for those who may hold it together: it excludes Lock only.
func (t *Table) RLock(ctx context.Context, id string) (unlock func(), err error) {
	return t.wait(ctx, id, ofd.Shared)
}

// TryLock is Lock without waiting. It reports false if another has the lock.
func (t *Table) TryLock(id string) (unlock func(), ok bool, err error) {
	at, err := offset(id)
	if err != nil {
		return nil, false, err
	}
	f, ok, err := t.try(ofd.Exclusive, at)
	if err != nil || !ok {
		if f != nil {
			f.Close()
		}
		return nil, false, err
	}
	return release(f, at), true, nil
}

func (t *Table) wait(ctx context.Context, id string, k ofd.Kind) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	at, err := offset(id)
	if err != nil {
		return nil, err
	}
	f, ok, err := t.try(k, at)
	if err != nil {
		return nil, err
	}
	if ok {
		return release(f, at), nil
	}
	noteWait(f, at)
	// Who gives up leaves the request behind, which closes the file when it has been answered.
	if err := ofd.Lock(ctx, f, k, at, func() { f.Close() }); err != nil {
		if errors.Is(err, ctx.Err()) {
			return nil, err
		}
		f.Close()
		return nil, t.explain(err)
	}
	noteHeld(f)
	return release(f, at), nil
}

// try opens the file, making it if need be, and locks the byte if it can be had now.
func (t *Table) try(k ofd.Kind, at int64) (*os.File, bool, error) {
	open := func() (*os.File, error) { return os.OpenFile(t.path, os.O_RDWR|os.O_CREATE, 0o600) }
	f, err := open()
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(t.path), 0o700); err != nil {
			return nil, false, t.explain(err)
		}
		f, err = open()
	}
	if err != nil {
		return nil, false, t.explain(err)
	}
	ok, err := ofd.Try(f, k, at)
	if err != nil {
		f.Close()
		return nil, false, t.explain(err)
	}
	if ok {
		noteHeld(f)
	}
	return f, ok, nil
}

// release returns the function that unlocks, once. It unlocks before it closes: a child that is just being started has the
// description too, until it executes its program.
func release(f *os.File, at int64) func() {
	return func() {
		ofd.Unlock(f, at)
		f.Close()
	}
}

func (t *Table) explain(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return errdefs.Denied("%s: %w", t.path, err)
	}
	return errdefs.Internal("%s: cannot be locked: %w", t.path, err)
}
