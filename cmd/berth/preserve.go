package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// preserved are the n files from descriptor 3 on that the caller of the command left open, for --preserve-fds.
func preserved(n uint) ([]*os.File, error) {
	var files []*os.File
	for fd := 3; fd < 3+int(n); fd++ {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			// A descriptor that closes on exec is this program's own, whatever its number: it was not inherited.
			return nil, errdefs.Invalid("--preserve-fds %d: descriptor %d is not open", n, fd)
		}
		files = append(files, os.NewFile(uintptr(fd), fmt.Sprintf("fd%d", fd)))
	}
	return files, nil
}
