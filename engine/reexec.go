package engine

import "go.podman.io/storage/pkg/reexec"

// Reexecuted must be called first thing in main by a program that pulls or loads images, which must end if it is true: layers are
// unpacked by the same program, started again in a root directory of its own.
func Reexecuted() bool { return reexec.Init() }
