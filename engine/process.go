package engine

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/ociruntime"
)

// runRecord is what a run directory says of its run, from when the process exists on: enough for another process to take over a
// start whose starter was killed before it was in the store.
type runRecord struct {
	Run     uint64
	PID     ociruntime.PID
	Monitor ociruntime.PID
	// Released: the process may have been let run.
	Released bool
}

// processFile is the name of the record in a run directory.
const processFile = "process"

func writeRunRecord(dir string, r runRecord) error {
	path := filepath.Join(dir, processFile)
	text := fmt.Sprintf("%d %d %d %d %d %t\n", r.Run, r.PID.Pid, r.PID.Start, r.Monitor.Pid, r.Monitor.Start, r.Released)
	// Renamed into place: a reader finds the record before or after, never half of one.
	err := os.WriteFile(path+".new", []byte(text), 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return errdefs.Internal("writing %s: %w", path, err)
	}
	return nil
}

// readRunRecord reads the record. ErrNotFound if there is none, or a part of one only.
func readRunRecord(dir string) (r runRecord, err error) {
	data, err := os.ReadFile(filepath.Join(dir, processFile))
	if err == nil {
		_, err = fmt.Sscanf(string(data), "%d %d %d %d %d %t\n", &r.Run, &r.PID.Pid, &r.PID.Start, &r.Monitor.Pid, &r.Monitor.Start, &r.Released)
	}
	if err != nil {
		return runRecord{}, errdefs.NotFound("no process in %s", dir)
	}
	return r, nil
}
