package monitored

import (
	"path/filepath"

	"github.com/berth-engine/berth/internal/monitor/wire"
	"github.com/berth-engine/berth/ociruntime"
)

// KillStray kills the process that an exec has left in a container when whoever started it and its monitor were killed before the
// start was over. run is the session's run directory, container the container's first process. What is not there, or not in that
// container, is left alone.
func KillStray(run string, container ociruntime.PID) {
	killStray(filepath.Join(run, wire.PIDFile), container)
}
