// Package contract is package store's contract, written once for all back ends: who may see, add, change and remove what, over
// rows that a back end keeps without asking.
//
// A back end makes Rows for each transaction and wraps them in a Tx or an UpdateTx. Rows are refused by no rule: what is asked for
// is done, and what is not there is nil, false or empty, never an error. Errors are the back end's own: damage, a full disk, a
// transaction that has ended. Back ends without queries of their own get theirs from package keyed.
package contract

import (
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/volume"
)

// Rows are all that a back end keeps, in one transaction. Records that are given out are copies, those that come in are not kept.
type Rows struct {
	Objects      Objects
	Containers   Containers
	Pods         Pods
	Execs        Execs
	Volumes      Volumes
	References   References
	ExitCodes    ExitCodes
	Reservations Reservations
	Events       Events
	Meta         Meta
}

// Kind is what has an ID and a name.
type Kind string

// The kinds of objects.
const (
	Container Kind = "container"
	Pod       Kind = "pod"
)

// Object is what there is to know of a container or a pod before its record is read.
type Object struct {
	ID        string `json:"-"`
	Name      string `json:"name"`
	Kind      Kind   `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Pod       string `json:"pod,omitempty"` // of a container: the pod that it is in
}

// Objects are the IDs and names of containers and pods, all in one table.
type Objects interface {
	Object(id string) (o Object, found bool, err error)
	Named(name string) (o Object, found bool, err error)
	// WithPrefix returns at most two of the IDs of this kind that begin with the prefix, of this namespace unless it is empty.
	WithPrefix(kind Kind, prefix, namespace string) ([]string, error)
	Each(fn func(o Object) error) error
	Insert(o Object) error
	Rename(o Object, name string) error
	Delete(o Object) error
}

// Selection says which containers are meant; each empty field is no condition.
type Selection struct {
	Namespace string
	Image     string // the ID of the image that they were made from
	Pod       string
	Alive     bool // their status is not Created or Exited
}

// Containers are their configurations and states.
type Containers interface {
	Container(id string) (*container.Container, error)
	// Each calls fn for those that are selected, in the order they were inserted in, until it returns false. fn does not use rows.
	Each(s Selection, fn func(c *container.Container) bool) error
	Insert(c *container.Container) error
	SetConfig(c *container.Config) error
	SetState(id string, s container.State) error
	Delete(c *container.Config) error
}

// Pods are their configurations and states.
type Pods interface {
	Pod(id string) (*container.Pod, error)
	// Each calls fn for those of a namespace, of all if it is empty, in the order they were inserted in. fn does not use rows.
	Each(namespace string, fn func(p *container.Pod)) error
	Insert(p *container.Pod) error
	SetConfig(c *container.PodConfig) error
	SetState(id string, s container.PodState) error
	Delete(c *container.PodConfig) error
}

// Execs are exec sessions.
type Execs interface {
	Exec(id string) (*container.ExecSession, error)
	// WithPrefix returns at most two sessions whose IDs begin with the prefix, of containers of this namespace unless it is empty.
	WithPrefix(prefix, namespace string) ([]*container.ExecSession, error)
	// Of returns those of a container, of all if the ID is empty, in the order they were put in.
	Of(containerID string) ([]*container.ExecSession, error)
	Put(s *container.ExecSession) error
	Delete(s *container.ExecSession) error
}

// Volumes are the volumes' records.
type Volumes interface {
	Volume(name string) (*volume.Volume, error)
	// WithPrefix returns at most two whose names begin with the prefix.
	WithPrefix(prefix string) ([]*volume.Volume, error)
	// All returns them by name.
	All() ([]*volume.Volume, error)
	Put(v *volume.Volume) error
	Delete(name string) error
}

// Relation is a way in which a container refers to something.
type Relation string

// The relations.
const (
	Needs    Relation = "dependency"  // another container, by ID
	Mounts   Relation = "volume_use"  // a volume, by name
	Connects Relation = "network_use" // a network, by name
)

// References are what containers refer to, to be asked from the other side.
type References interface {
	// To returns the IDs of the containers that refer so to the target, sorted.
	To(r Relation, target string) ([]string, error)
	Insert(r Relation, target, containerID string) error
	Delete(r Relation, target, containerID string) error
}

// ExitCode is that of a container's last run.
type ExitCode struct {
	Namespace string    `json:"namespace,omitempty"`
	Code      int       `json:"code"`
	Recorded  time.Time `json:"recorded"`
	Removed   time.Time `json:"removed,omitzero"` // when its container was, zero while there is one
}

// ExitCodes are kept by the container's ID.
type ExitCodes interface {
	ExitCode(id string) (e ExitCode, found bool, err error)
	Each(fn func(id string, e ExitCode) error) error
	Put(id string, e ExitCode) error
	Delete(id string) error
	// Prune deletes those of containers that were removed before a time.
	Prune(before time.Time) error
}

// Reservation is a name that an ID has beside its own.
type Reservation struct {
	Name string
	ID   string
	At   time.Time
}

// Reservations are kept by name, and there are few.
type Reservations interface {
	Reservation(name string) (r Reservation, found bool, err error)
	// All returns them by name.
	All() ([]Reservation, error)
	Put(r Reservation) error
	Delete(name string) error
}

// Events are kept by sequence number.
type Events interface {
	After(seq uint64, fn func(event.Event) bool) error
	Since(t time.Time) (uint64, error)
	// Last is the highest number that was ever inserted, also after it was deleted.
	Last() (uint64, error)
	Insert(e event.Event) error
	// Skip makes Last at least seq.
	Skip(seq uint64) error
	DeleteThrough(seq uint64) error
}

// Meta is what the database knows of itself. What is not there is empty.
type Meta interface {
	Meta(key string) (string, error)
	SetMeta(key, value string) error
}

// The keys of Meta.
const (
	KeyPaths = "paths" // store.Paths, JSON
	KeyBoot  = "boot"  // boot ID
)
