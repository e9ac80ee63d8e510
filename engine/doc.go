// Package engine runs containers: what the berth command can do, a Go program can do through Open.
//
// An Engine speaks in values and references: there is no container handle to go stale. Its services are Containers, Execs,
// Images, Volumes and System, one file a verb. Any number of engines, in any number of processes, may share a root directory;
// they meet in the store, in the locks and in the run directory.
//
// Every verb that changes a container is a visible list of named steps (see steps.go), each idempotent and with an undo, so
// that a process killed between any two leaves something that the next operation finishes or undoes.
//
// Locks are taken in one order: containers by ID, then the store's transaction. None is held while attached, following a log,
// waiting for an exit or pulling.
package engine
