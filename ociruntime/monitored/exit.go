package monitored

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/internal/monitor/wire"
	"github.com/berth-engine/berth/ociruntime"
)

// ReadExit reads the exit record of a container or exec session from its run directory. ErrNotFound if there is none (yet).
func ReadExit(run string) (ociruntime.ExitRecord, error) {
	text, err := os.ReadFile(filepath.Join(run, wire.ExitFile))
	if errors.Is(err, fs.ErrNotExist) {
		return ociruntime.ExitRecord{}, errdefs.NotFound("no exit record in %s", run)
	}
	if err != nil {
		return ociruntime.ExitRecord{}, errdefs.Internal("exit record: %w", err)
	}
	return ParseExit(text)
}

// ParseExit parses an exit record, which is one line of text:
//
//	code=137 signal=9 oom=1 time=1774746000.000000001
//
// ErrInternal if it is damaged.
func ParseExit(text []byte) (ociruntime.ExitRecord, error) {
	e, err := wire.ParseExit(text)
	if err != nil {
		return ociruntime.ExitRecord{}, errdefs.Internal("exit record is damaged: %w", err)
	}
	return ociruntime.ExitRecord{Code: e.Code, Signal: e.Signal, OOM: e.OOM, Time: time.Unix(e.Sec, e.Nsec)}, nil
}
