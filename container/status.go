package container

// Status is where a container is in its life. There is one status and no booleans beside it:
//
//	created ──init──▶ initialized ──start──▶ running ◀──unpause── paused
//	   │                   │                 │   │ └────pause──────▲
//	   │                   └──────exit───────┤   └──stop──▶ stopping
//	   └────────────────start───────────────▶│                 │
//	exited ◀─────cleanup──── stopped ◀───────┴───────exit──────┘
//	   │  ▲
//	   │  └─ restarting (waits for its restart policy's delay)
//	   └──start──▶ running                     any ──rm──▶ removing ──▶ (gone)
//
// stopped means that the process has ended and its mounts and network are still to be taken down; exited, that this is done.
type Status string

// The statuses, by podman's words; Restarting is Docker's.
const (
	// Created: configured in the store; nothing of it exists on the host but its configuration.
	Created Status = "created"
	// Initialized: the OCI runtime has created it; its first process waits to be started.
	Initialized Status = "initialized"
	// Running: its first process runs.
	Running Status = "running"
	// Paused: its processes are frozen.
	Paused Status = "paused"
	// Stopping: a stop has been sent and has not ended yet.
	Stopping Status = "stopping"
	// Stopped: the process has ended, the host is still to be cleaned up.
	Stopped Status = "stopped"
	// Exited: ended and cleaned up.
	Exited Status = "exited"
	// Restarting: ended and cleaned up, to be started again by its restart policy.
	Restarting Status = "restarting"
	// Removing: a removal has begun and will be finished by whoever touches the container next.
	Removing Status = "removing"
)

// Alive reports whether a container of this status has processes.
func (s Status) Alive() bool {
	switch s {
	case Initialized, Running, Paused, Stopping:
		return true
	}
	return false
}

// Docker returns the status in Docker's words: created, running, paused, restarting, removing, exited, dead.
func (s Status) Docker() string {
	switch s {
	case Created, Initialized:
		return "created"
	case Running, Stopping:
		return "running"
	case Stopped, Exited:
		return "exited"
	}
	return string(s)
}
