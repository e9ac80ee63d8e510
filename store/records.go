package store

import (
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/volume"
)

// ContainerReader looks containers up.
type ContainerReader interface {
	// Container returns the container with this full ID. ErrNotFound.
	Container(id string) (*container.Container, error)
	// Lookup returns the container with this full ID, name, or unambiguous partial ID.
	// ErrNotFound, ErrAmbiguous, ErrEmptyReference.
	Lookup(ref string) (*container.Container, error)
	// All returns all containers, oldest first.
	All() ([]*container.Container, error)
	// Each calls fn for every container, in the order they were added, until fn returns false. fn may keep what it is given,
	// but must not use the transaction. A listing that keeps little of each takes half the time of All, and no memory.
	Each(fn func(c *container.Container) bool) error
	// Alive returns those whose status is one in which processes may exist (not created, exited), oldest first.
	Alive() ([]*container.Container, error)
	// ByImage returns those made from the image with this full ID, oldest first.
	ByImage(imageID string) ([]*container.Container, error)
	// Dependents returns the IDs of the containers that depend on id, sorted. ErrNotFound.
	Dependents(id string) ([]string, error)
	// Connected returns the IDs of the containers that are connected to a network, sorted, whatever their namespace.
	Connected(network string) ([]string, error)
}

// ContainerWriter changes containers.
type ContainerWriter interface {
	// Add adds a container that is in no pod. ErrInvalidArgument if it lacks an ID, a name or a status, is of another namespace
	// than the Store's, or of a pod; ErrAlreadyExists if its name or ID is taken; ErrNotFound if a dependency does not exist;
	// ErrConflict if a dependency is in another namespace or in a pod.
	Add(c *container.Container) error
	// SetState replaces the state. ErrNotFound.
	SetState(id string, s container.State) error
	// Rename gives the container another name. ErrNotFound, ErrAlreadyExists (renaming to its own name is no error).
	Rename(id, name string) error
	// RewriteConfig replaces the configuration of the container with c's ID. It is for the engine itself, to say in newer words
	// what was meant all along. Name, namespace, pod and networks must be as they were (ErrInvalidArgument); dependencies
	// may change, by the rules of Add, and not so that a container comes to depend on itself (ErrConflict). ErrNotFound.
	RewriteConfig(c container.Config) error
	// SafeRewriteConfig replaces the configuration while others may be at work with the container, as update and rename do. The
	// name may change with it (ErrAlreadyExists); namespace, pod, networks and dependencies must be as they were
	// (ErrInvalidArgument). ErrNotFound.
	SafeRewriteConfig(c container.Config) error
	// Connect connects the container to a network. ErrNotFound; ErrAlreadyExists if it is connected to it.
	Connect(id, network string, o container.NetworkOptions) error
	// Disconnect disconnects it, and takes its options and aliases in that network along. ErrNotFound, also if it is not connected.
	Disconnect(id, network string) error
	// Remove removes a container that is in no pod (ErrInvalidArgument). ErrNotFound; ErrConflict, naming them, while containers
	// depend on it or exec sessions refer to it. An exit code that was recorded stays readable for ExitCodeAge.
	Remove(id string) error
	// SetExitCode records the exit code of the container's last run. ErrNotFound.
	SetExitCode(id string, code int) error
}

// PodReader looks pods up.
type PodReader interface {
	// Pod returns the pod with this full ID. ErrNotFound.
	Pod(id string) (*container.Pod, error)
	// Lookup returns the pod with this full ID, name, or unambiguous partial ID. ErrNotFound, ErrAmbiguous, ErrEmptyReference.
	Lookup(ref string) (*container.Pod, error)
	// All returns all pods, oldest first.
	All() ([]*container.Pod, error)
	// Containers returns the containers of a pod, oldest first. ErrNotFound.
	Containers(id string) ([]*container.Container, error)
	// Has reports whether the pod has the container with this full ID. ErrNotFound if there is no such pod.
	Has(id, containerID string) (bool, error)
}

// PodWriter changes pods and what is in them. ErrNotFound wherever the pod, or the container, does not exist.
type PodWriter interface {
	// Add adds a pod without containers. ErrInvalidArgument if it lacks an ID or a name or is of another namespace than the
	// Store's; ErrAlreadyExists if its name or ID is taken.
	Add(p *container.Pod) error
	// SetState replaces the state.
	SetState(id string, s container.PodState) error
	// RewriteConfig replaces the configuration of the pod with c's ID; name and namespace must be as they were
	// (ErrInvalidArgument).
	RewriteConfig(c container.PodConfig) error
	// Remove removes an empty pod. ErrConflict, naming them, while it has containers.
	Remove(id string) error
	// AddContainer adds a container to the pod and the store, by the rules of ContainerWriter.Add, but that its Config.Pod is
	// this pod (ErrInvalidArgument), its namespace is the pod's, and its dependencies are in the pod (ErrConflict).
	AddContainer(id string, c *container.Container) error
	// RemoveContainer removes a container of this pod (ErrInvalidArgument) as ContainerWriter.Remove does.
	RemoveContainer(id, containerID string) error
	// RemoveContainers removes all containers of the pod at once, with their exec sessions, whatever depends on whatever among
	// them. ErrConflict, and nothing is removed, if a container outside depends on one of them.
	RemoveContainers(id string) error
}

// NameReader looks names of containers and pods up, whatever their namespace.
type NameReader interface {
	// Owner returns the ID that has the name, as its own or reserved. ErrNotFound.
	Owner(name string) (string, error)
	// Of returns the name of the container or pod with this full ID. ErrNotFound.
	Of(id string) (string, error)
	// All returns all names by ID: each object's own first, then the reserved ones, sorted.
	All() (map[string][]string, error)
}

// NameWriter reserves names beside those that containers and pods have by themselves.
type NameWriter interface {
	// Reserve reserves a name for an ID, which may be one that nothing has yet: for ReservationAge, or as long as something has
	// that ID. Reserving what it has is no error. ErrAlreadyExists, ErrInvalidArgument (an empty name or ID).
	Reserve(name, id string) error
	// Release gives a reserved name up; one that is free already is no error. ErrConflict for an object's own name, which goes
	// with it or by a rename.
	Release(name string) error
}

// ExecReader looks exec sessions up.
type ExecReader interface {
	// Exec returns the session with this full ID or unambiguous partial ID. ErrNotFound, ErrAmbiguous, ErrEmptyReference.
	Exec(id string) (*container.ExecSession, error)
	// OfContainer returns the sessions of a container, oldest first; none if it does not exist.
	OfContainer(id string) ([]*container.ExecSession, error)
}

// ExecWriter changes exec sessions.
type ExecWriter interface {
	// Put adds the session or replaces it. ErrNotFound if its container does not exist; ErrConflict if a session of this ID is
	// another container's.
	Put(s *container.ExecSession) error
	// Remove removes the session; removing one that is not there is no error.
	Remove(id string) error
	// RemoveOf removes all sessions of a container.
	RemoveOf(containerID string) error
	// PruneExited removes sessions that ended, or were made and never started, more than ExitCodeAge before now.
	PruneExited(now time.Time) error
}

// VolumeReader looks volumes up.
type VolumeReader interface {
	// Volume returns the volume with this name. ErrNotFound.
	Volume(name string) (*volume.Volume, error)
	// Lookup takes a full name or an unambiguous prefix. ErrNotFound, ErrAmbiguous, ErrEmptyReference.
	Lookup(ref string) (*volume.Volume, error)
	// All returns all volumes by name.
	All() ([]*volume.Volume, error)
	// Users returns the IDs of the containers that mount the volume, sorted, whatever their namespace.
	Users(name string) ([]string, error)
}

// VolumeWriter changes volumes. Which containers use a volume follows from the containers' configurations
// (container.Config.Mounts with Type volume and Source the volume's name).
type VolumeWriter interface {
	// Add adds a volume. ErrAlreadyExists, ErrInvalidArgument (no name).
	Add(v *volume.Volume) error
	// Set replaces all of the record of the volume with v's name. ErrNotFound.
	Set(v *volume.Volume) error
	// Remove removes the record. ErrNotFound; ErrConflict, naming them, while containers use it.
	Remove(name string) error
}

// EventReader reads the events, oldest first.
type EventReader interface {
	// After calls fn for each event with a sequence number above seq, in order, until fn returns false.
	After(seq uint64, fn func(event.Event) bool) error
	// Since returns the sequence number just before the first event at or after t.
	Since(t time.Time) (uint64, error)
	// Last is the newest sequence number, 0 if there was no event yet.
	Last() (uint64, error)
}

// Writer writes what belongs to no one record.
type Writer interface {
	// Append adds an event to the transaction and gives it its sequence number, and the time if it has none.
	Append(e event.Event) error
	// Refresh is called once after a reboot: it sets the boot ID and, of every container, clears the run state (a container
	// that was alive becomes Exited with exit code -1 if none was recorded), of every pod the control group, and removes all exec
	// sessions. Configurations and names stay.
	Refresh(bootID string) error
	// Prune removes exit codes of removed containers older than ExitCodeAge, reservations older than ReservationAge that nothing
	// came of and, if there are more than keep, the oldest events.
	Prune(now time.Time, keep int) error
}
