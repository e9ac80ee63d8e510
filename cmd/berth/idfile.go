package main

import (
	"errors"
	"os"

	"github.com/berth-engine/berth/errdefs"
)

// idFile is the file of --cidfile. It is made before the container, so that a path that cannot be written makes no container, and
// it is gone again if there is no container.
type idFile struct {
	file    *os.File // nil without --cidfile
	written bool
}

// newIDFile makes the file; no path makes one that does nothing. ErrAlreadyExists if it is there.
func newIDFile(path string) (*idFile, error) {
	if path == "" {
		return &idFile{}, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil, errdefs.AlreadyExists("--cidfile: %s is there already: remove it if its container is gone, or choose another", path)
	}
	if err != nil {
		return nil, errdefs.Invalid("--cidfile: %w", err)
	}
	return &idFile{file: f}, nil
}

// write writes the container's ID.
func (f *idFile) write(id string) error {
	if f.file == nil {
		return nil
	}
	f.written = true
	if _, err := f.file.WriteString(id); err != nil {
		return errdefs.Unavailable("--cidfile: %w", err)
	}
	return nil
}

// close closes the file, and removes it if no ID was written.
func (f *idFile) close() {
	if f.file == nil {
		return
	}
	f.file.Close()
	if !f.written {
		os.Remove(f.file.Name())
	}
}
