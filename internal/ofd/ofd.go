// Package ofd takes byte-range locks that belong to an open file description (fcntl(2), F_OFD_SETLK): they exclude every other
// open of the file, in this process as in others, and the kernel frees them when the last descriptor is closed, however its
// holder dies.
package ofd

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Kind is what a lock excludes.
type Kind int16

const (
	// Shared excludes Exclusive ones. The file must be open for reading.
	Shared Kind = unix.F_RDLCK
	// Exclusive excludes all others. The file must be open for writing.
	Exclusive Kind = unix.F_WRLCK
)

// Try locks one byte, if it can be had now.
func Try(f *os.File, k Kind, offset int64) (bool, error) {
	err := set(f, unix.F_OFD_SETLK, int16(k), offset)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return false, nil
	}
	return err == nil, err
}

// Lock locks one byte, waiting in the kernel for as long as it takes. When ctx ends first, its error is returned; the request
// cannot be taken back, so that abandoned is called, possibly much later, when it has been answered: it must release the lock
// (Unlock, or closing f), and until then f must not be used for the same byte.
func Lock(ctx context.Context, f *os.File, k Kind, offset int64, abandoned func()) error {
	answer := make(chan error)
	go func() {
		err := set(f, unix.F_OFD_SETLKW, int16(k), offset)
		select {
		case answer <- err:
		case <-ctx.Done():
			abandoned()
		}
	}()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Unlock releases one byte.
func Unlock(f *os.File, offset int64) error {
	return set(f, unix.F_OFD_SETLK, unix.F_UNLCK, offset)
}

// set calls fcntl while f is kept from being closed under it.
func set(f *os.File, cmd int, kind int16, offset int64) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = raw.Control(func(fd uintptr) {
		lk := unix.Flock_t{Type: kind, Whence: io.SeekStart, Start: offset, Len: 1}
		for {
			if result = unix.FcntlFlock(fd, cmd, &lk); result != unix.EINTR {
				return
			}
		}
	})
	return errors.Join(err, result)
}
