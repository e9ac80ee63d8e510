// Package kind tells, by its first bytes, which back end a database file is of.
package kind

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/berth-engine/berth/errdefs"
)

// Kind is the name of a back end that keeps a file, as it is configured.
type Kind string

// The kinds.
const (
	None   Kind = "" // there is no file, or it is of no known kind
	SQLite Kind = "sqlite"
	Bolt   Kind = "bolt"
)

const (
	// sqliteMagic is what an SQLite database begins with (SQLite's "Database File Format", section 1.3.1).
	sqliteMagic = "SQLite format 3\x00"
	// boltMagic is behind the headers of bbolt's first two pages, of 16 bytes, in the machine's byte order (bbolt's meta pages).
	// The second one is looked for at the size of this machine's pages, which is what new files have.
	boltMagic = 0xED0CDAED
	boltAt    = 16
)

// Of returns the kind of the file at path.
//
// Closing the file drops this process's POSIX locks on it, which SQLite relies on: it is not for a file that the process has
// open as an SQLite database.
func Of(path string) (Kind, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return None, nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return None, errdefs.With(errdefs.ErrPermissionDenied, err)
	}
	if err != nil {
		return None, errdefs.With(errdefs.ErrInternal, err)
	}
	defer f.Close()
	head := make([]byte, os.Getpagesize()+boltAt+4)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return None, errdefs.With(errdefs.ErrInternal, err)
	}
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte(sqliteMagic)):
		return SQLite, nil
	case isBolt(head, boltAt), isBolt(head, os.Getpagesize()+boltAt):
		return Bolt, nil
	}
	return None, nil
}

func isBolt(head []byte, at int) bool {
	return len(head) >= at+4 && binary.NativeEndian.Uint32(head[at:]) == boltMagic
}
