// Package store keeps everything that Berth knows, and is where its processes meet.
//
// A Store is opened by any number of processes at once. View gives one consistent snapshot, Update one all-or-nothing change;
// the events that an Update appends are part of it. There are no other ways in. Records are values: what a reader is given is
// a copy that nobody changes under it, and what a writer gave is not looked at again.
//
// The rules that every back end keeps, and that storetest tests by name:
//
// Names and IDs
//
//   - They are unique across containers and pods, whatever their namespace.
//   - A lookup takes a full ID, a name, or an unambiguous prefix of an ID, in this order. Nothing found is ErrNotFound; more
//     than one, ErrAmbiguous; an empty reference, ErrEmptyReference. A container is not found as a pod, nor a pod as a container.
//   - A name can be reserved for an ID before there is anything of that ID, and an ID may have more names than its own.
//     Reserving again what one has is no error; what another has is ErrAlreadyExists. Names go when their object goes, and one
//     that nothing came of is free after ReservationAge.
//   - A rename is one change: nobody sees both names, or neither.
//
// Namespaces
//
//   - A Store opened in a namespace sees, and changes, only containers and pods of it; opened without one it sees all. What is
//     not seen is ErrNotFound. Volumes are in no namespace.
//   - What is added to a Store with a namespace is of that namespace.
//   - Dependencies, and pods with their containers, stay within a namespace.
//
// References
//
//   - A container that others depend on, or that exec sessions refer to, cannot be removed: ErrConflict, which names them.
//   - A container in a pod depends on containers of that pod only, one in no pod on containers in no pod only. Nothing depends
//     on itself, also not through others.
//   - A container in a pod is added and removed through the pod's calls only, and those check that it is in that pod.
//   - A pod with containers cannot be removed: ErrConflict. Its containers can be removed all at once, whatever depends on
//     whatever among them.
//   - A volume that containers use cannot be removed: ErrConflict.
//   - What a container is connected to changes by Connect and Disconnect only, and can be asked for from both sides.
//
// What changes
//
//   - State is replaced freely; the networks and the name by calls of their own; all else of a configuration by RewriteConfig
//     and SafeRewriteConfig, within the limits that they give.
//   - An exit code outlives its container, for ExitCodeAge.
//   - After a reboot Refresh voids what the reboot did, and keeps configurations and names.
//   - A database belongs to the Paths that it was created with.
//
// It holds no policy and starts no process; whether what a state says is still true is for the engine to find out.
package store

import (
	"context"
	"errors"
	"time"

	"github.com/berth-engine/berth/errdefs"
)

// ExitCodeAge is how long an exit code is kept after its container has been removed.
const ExitCodeAge = 5 * time.Minute

// ReservationAge is how long a name stays reserved for an ID that nothing comes to have.
const ReservationAge = 5 * time.Minute

var (
	// ErrAmbiguous: a prefix fits more than one ID. Its class is ErrInvalidArgument.
	ErrAmbiguous = errors.New("ambiguous")
	// ErrEmptyReference: a lookup of the empty string. Its class is ErrInvalidArgument.
	ErrEmptyReference = errors.New("empty name or ID")
	// ErrNewer: the database was written by a newer version. Its class is ErrInternal.
	ErrNewer = errors.New("written by a newer version of berth")
	// ErrOtherKind: the database is kept by another back end. Its class is ErrConflict.
	ErrOtherKind = errors.New("kept by another back end")
	// ErrCorrupt: the database is damaged. Its class is ErrInternal.
	ErrCorrupt = errors.New("database is damaged")
)

// Durability says what an Update must survive.
type Durability int

const (
	// Synced changes survive a power cut once Update has returned: configurations, names, removals.
	Synced Durability = iota
	// Volatile changes survive the death of any process but not of the machine: what a reboot voids anyway (pids, statuses,
	// mounts). They cost no fsync where the back end can do without (sqlite). They are ordered: a later Synced change makes earlier Volatile ones survive too.
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

// RepairReport says what the repair of a damaged database did.
type RepairReport struct {
	// Kept is where the damaged database is now.
	Kept string
	// Containers, Pods, Execs, Volumes and Events count what is in the new database.
	Containers, Pods, Execs, Volumes, Events int
	// Lost says what could not be read, as far as that is known.
	Lost []string
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
	Pods() PodReader
	Execs() ExecReader
	Volumes() VolumeReader
	Names() NameReader
	Events() EventReader
	// ExitCode is the last exit code of a container, which may have been removed less than ExitCodeAge ago. ErrNotFound.
	ExitCode(id string) (int, error)
	// BootID is the boot ID at the last Refresh, empty in a new database.
	BootID() (string, error)
	// Paths are those that the database was created with, zero where the back end has no use for them (memory).
	Paths() (Paths, error)
}

// UpdateTx reads and writes; it sees its own writes. A call that is refused has changed nothing, and the transaction can go on.
type UpdateTx interface {
	Tx
	Writer() Writer
	ContainerWriter() ContainerWriter
	PodWriter() PodWriter
	ExecWriter() ExecWriter
	VolumeWriter() VolumeWriter
	NameWriter() NameWriter
}

// Lookup errors made alike by all back ends.

// NoContainer is the ErrNotFound for a container.
func NoContainer(ref string) error { return errdefs.NotFound("no such container: %s", ref) }

// NoExec is the ErrNotFound for an exec session.
func NoExec(ref string) error { return errdefs.NotFound("no such exec session: %s", ref) }

// NoPod is the ErrNotFound for a pod.
func NoPod(ref string) error { return errdefs.NotFound("no such pod: %s", ref) }

// NoVolume is the ErrNotFound for a volume.
func NoVolume(ref string) error { return errdefs.NotFound("no such volume: %s", ref) }

// NameTaken is the ErrAlreadyExists for a name.
func NameTaken(name, owner string) error {
	return errdefs.AlreadyExists("name %q is already in use by %s: remove or rename that one, or choose another name", name, owner)
}
