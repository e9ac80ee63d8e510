package monitored

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/internal/monitor/wire"
)

// Schedule writes the time into the run directory, as a whole, and tells the monitor to look.
func (r *Runtime) Schedule(ctx context.Context, run string, period time.Duration) error {
	if err := writeDue(run, period); err != nil {
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

func writeDue(run string, period time.Duration) error {
	path := filepath.Join(run, wire.DueFile)
	if period <= 0 {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	var clock unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &clock); err != nil {
		return err
	}
	var last int64
	if text, err := os.ReadFile(path); err == nil {
		last, _ = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	}
	due := nextBeat(clock.Nano(), last, period.Nanoseconds())
	if err := os.WriteFile(path+".new", fmt.Appendf(nil, "%d\n", due), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// nextBeat is the first time after now that is a number of periods after last; a period after now if there was none, or it is to come.
func nextBeat(now, last, period int64) int64 {
	if last <= 0 || last > now {
		return now + period
	}
	return last + ((now-last)/period+1)*period
}
