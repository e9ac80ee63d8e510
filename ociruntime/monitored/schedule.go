package monitored

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/internal/monitor/wire"
)

// Schedule writes the time into the run directory, as a whole, and tells the monitor to look.
func (r *Runtime) Schedule(ctx context.Context, run string, after time.Duration) error {
	if err := writeDue(run, after); err != nil {
		return errdefs.Internal("scheduling the periodic command: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	socket, err := dial(run)
	if errdefs.Class(err) == errdefs.ErrNotFound {
		return nil // no monitor: nothing will be run
	}
	if err != nil {
		return err
	}
	defer socket.Close()
	if _, err := socket.Write([]byte{wire.Look}); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		return errdefs.Internal("telling the monitor of a schedule: %w", err)
	}
	return nil
}

func writeDue(run string, after time.Duration) error {
	path := filepath.Join(run, wire.DueFile)
	if after <= 0 {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", fmt.Appendf(nil, "%d\n", now.Nano()+after.Nanoseconds()), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
