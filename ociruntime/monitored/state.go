package monitored

import "path/filepath"

// StateDir is where the OCI runtime keeps what it knows of a container.
func (r *Runtime) StateDir(id string) string { return filepath.Join(r.o.StateRoot, id) }
