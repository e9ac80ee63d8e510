// Package store keeps everything that Berth knows, and is where its processes meet.
//
// A Store is opened by any number of processes at once. View gives one consistent snapshot, Update one all-or-nothing change;
// the events that an Update appends are part of it. There are no other ways in. Records are values: what a reader is given is
// a copy that nobody changes under it.
//
// The rules that every back end keeps, and that storetest tests by name:
//
//   - Names and IDs are unique across containers and pods, whatever their namespace.
//   - A lookup takes a full ID, a name, or an unambiguous prefix of an ID, in this order. Nothing found is ErrNotFound; more
//     than one, ErrAmbiguous; an empty reference, ErrEmptyReference.
//   - A Store opened in a namespace sees only records of that namespace; opened without one it sees all.
//   - A container that others depend on, or that exec sessions refer to, cannot be removed: ErrConflict.
//   - A volume that containers use cannot be removed: ErrConflict.
//   - Exit codes outlive their container, for ExitCodeAge.
//   - Configurations change only through RewriteConfig.
//
// It holds no policy and starts no process; whether what a state says is still true is for the engine to find out.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/volume"
)

// ExitCodeAge is how long an exit code is kept after its container has been removed.
const ExitCodeAge = 5 * time.Minute

var (
	// ErrAmbiguous: a prefix fits more than one ID. Its class is ErrInvalidArgument.
	ErrAmbiguous = errors.New("ambiguous")
	// ErrEmptyReference: a lookup of the empty string. Its class is ErrInvalidArgument.
	ErrEmptyReference = errors.New("empty name or ID")
	// ErrNewer: the database was written by a newer version. Its class is ErrInternal.
	ErrNewer = errors.New("written by a newer version of berth")
	// ErrCorrupt: the database is damaged. Its class is ErrInternal.
	ErrCorrupt = errors.New("database is damaged")
)

// Durability says what an Update must survive.
type Durability int

const (
	// Synced changes survive a power cut once Update has returned: configurations, names, removals.
	Synced Durability = iota
	// Volatile changes survive the death of any process but not of the machine: what a reboot voids anyway (pids, statuses,
	// mounts). They cost no fsync. They are ordered: a later Synced change makes earlier Volatile ones survive too.
	Volatile
)

// Paths are the locations that a database was created with. They are compared at open; a difference is an ErrConflict that
// says which and what.
type Paths struct {
	Root        string
	RunRoot     string
	StorageRoot string
	StorageRun  string
	GraphDriver string
}

// Store is the database. All methods may be called concurrently.
type Store interface {
	// View runs fn on one consistent snapshot. It never waits for a writer. fn may be long; it must not keep tx.
	View(ctx context.Context, fn func(tx Tx) error) error
	// Update runs fn in the only write transaction and commits it with the given durability if fn returns nil; otherwise
	// nothing has happened. fn must be short, must not block and may be run more than once.
	Update(ctx context.Context, d Durability, fn func(tx UpdateTx) error) error
	// Watch returns a channel that gets a value after commits by any process (values are coalesced, spurious ones are
	// possible), until ctx ends. It does not poll.
	Watch(ctx context.Context) (<-chan struct{}, error)
	// Close releases the database. It is an error to use the Store afterwards.
	Close() error
}

// Tx reads.
type Tx interface {
	Containers() ContainerReader
	Execs() ExecReader
	Volumes() VolumeReader
	Events() EventReader
	// ExitCode is the last exit code of a container, which may have been removed less than ExitCodeAge ago. ErrNotFound.
	ExitCode(id string) (int, error)
	// BootID is the boot ID at the last Refresh, empty in a new database.
	BootID() (string, error)
}

// UpdateTx reads and writes; it sees its own writes.
type UpdateTx interface {
	Tx
	Writer() Writer
	ContainerWriter() ContainerWriter
	ExecWriter() ExecWriter
	VolumeWriter() VolumeWriter
}

// ContainerReader looks containers up.
type ContainerReader interface {
	// Container returns the container with this full ID. ErrNotFound.
	Container(id string) (*container.Container, error)
	// Lookup returns the container with this name, full ID, or unambiguous partial ID.
	// ErrNotFound, ErrAmbiguous, ErrEmptyReference.
	Lookup(ref string) (*container.Container, error)
	// All returns all containers, oldest first.
	All() ([]*container.Container, error)
	// Each calls fn for every container, in the order they were added, until fn returns false. fn may keep what it is given,
	// but must not use the transaction. A listing that keeps little of each takes half the time of All, and no memory.
	Each(fn func(c *container.Container) bool) error
	// Alive returns those whose status is one in which processes may exist (not created, exited), oldest first.
	Alive() ([]*container.Container, error)
	// ByImage returns those made from the image with this full ID.
	ByImage(imageID string) ([]*container.Container, error)
	// Dependents returns the IDs of the containers that depend on id.
	Dependents(id string) ([]string, error)
	// NameOwner returns the ID of the container or pod that has the name. ErrNotFound.
	NameOwner(name string) (string, error)
}

// ContainerWriter changes containers.
type ContainerWriter interface {
	// Add adds a container. ErrAlreadyExists if its name or ID is taken, ErrNotFound if a dependency does not exist,
	// ErrConflict if a dependency is in another namespace.
	Add(c *container.Container) error
	// SetState replaces the state. ErrNotFound.
	SetState(id string, s container.State) error
	// Rename gives the container another name. ErrNotFound, ErrAlreadyExists (renaming to its own name is no error).
	Rename(id, name string) error
	// RewriteConfig replaces the configuration but for ID, name, pod, namespace and dependencies, which must be equal
	// (ErrInvalidArgument). ErrNotFound.
	RewriteConfig(c container.Config) error
	// Remove removes the container. ErrNotFound; ErrConflict, naming them, while containers depend on it or exec sessions
	// refer to it. An exit code that was recorded stays readable for ExitCodeAge.
	Remove(id string) error
	// SetExitCode records the exit code of the container's last run.
	SetExitCode(id string, code int) error
}

// ExecReader looks exec sessions up.
type ExecReader interface {
	// Exec returns the session with this full ID or unambiguous partial ID. ErrNotFound, ErrAmbiguous, ErrEmptyReference.
	Exec(id string) (*container.ExecSession, error)
	// OfContainer returns the sessions of a container, oldest first.
	OfContainer(id string) ([]*container.ExecSession, error)
}

// ExecWriter changes exec sessions.
type ExecWriter interface {
	// Put adds the session or replaces it. ErrNotFound if its container does not exist.
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
	// Users returns the IDs of the containers that mount the volume.
	Users(name string) ([]string, error)
}

// VolumeWriter changes volumes. Which containers use a volume follows from the containers' configurations
// (container.Config.Mounts with Type volume and Source the volume's name).
type VolumeWriter interface {
	// Add adds a volume. ErrAlreadyExists.
	Add(v *volume.Volume) error
	// Set replaces a volume's record. ErrNotFound.
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
	// Refresh is called once after a reboot: it sets the boot ID and, of every container, clears the run state
	// (a container that was alive becomes Exited with exit code -1 if none was recorded), and removes all exec sessions.
	Refresh(bootID string) error
	// Prune removes exit codes of removed containers older than ExitCodeAge and, if there are more than keep, the oldest events.
	Prune(now time.Time, keep int) error
}

// Lookup errors made alike by all back ends.

// NoContainer is the ErrNotFound for a container.
func NoContainer(ref string) error { return errdefs.NotFound("no such container: %s", ref) }

// NoExec is the ErrNotFound for an exec session.
func NoExec(ref string) error { return errdefs.NotFound("no such exec session: %s", ref) }

// NoVolume is the ErrNotFound for a volume.
func NoVolume(ref string) error { return errdefs.NotFound("no such volume: %s", ref) }

// NameTaken is the ErrAlreadyExists for a name.
func NameTaken(name, owner string) error {
	return errdefs.AlreadyExists("name %q is already in use by %s: remove or rename that one, or choose another name", name, owner)
}
