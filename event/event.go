// Package event holds the record of a change of state, its kinds and its filters.
//
// An event is written in the transaction that makes the change (see package store), so there is one for every change and none
// for a change that did not happen. The words are those of Docker and podman.
package event

import "time"

// Type is the kind of object that an event is about.
type Type string

// The kinds of objects.
const (
	Container Type = "container"
	Image     Type = "image"
	Pod       Type = "pod"
	Volume    Type = "volume"
	Network   Type = "network"
	System    Type = "system"
)

// Action is what happened to the object.
type Action string

// The actions. Where Docker and podman differ (die and died, destroy and remove), Berth stores podman's word; the tables of
// the APIs translate, and filters accept both.
const (
	Attach     Action = "attach"
	Cleanup    Action = "cleanup"
	Commit     Action = "commit"
	Create     Action = "create"
	Exec       Action = "exec"
	ExecDied   Action = "exec_died"
	Died       Action = "died"
	Export     Action = "export"
	Import     Action = "import"
	Init       Action = "init"
	Kill       Action = "kill"
	LoadImage  Action = "loadfromarchive"
	Mount      Action = "mount"
	OOM        Action = "oom"
	Pause      Action = "pause"
	Prune      Action = "prune"
	Pull       Action = "pull"
	PullError  Action = "pull-error"
	Push       Action = "push"
	Refresh    Action = "refresh"
	Remove     Action = "remove"
	Rename     Action = "rename"
	Restart    Action = "restart"
	Save       Action = "save"
	Start      Action = "start"
	Stop       Action = "stop"
	Tag        Action = "tag"
	Unmount    Action = "unmount"
	Unpause    Action = "unpause"
	Untag      Action = "untag"
	Update     Action = "update"
	HealthStat Action = "health_status"
)

// Event is one change of state. It is a value; nothing in it is shared.
type Event struct {
	// Seq is the event's place in the order of all events of the store, from 1, without gaps on commit. Set by the store.
	Seq uint64 `json:"seq"`
	// Time is when the change was committed, to the nanosecond. Set by the store when zero.
	Time   time.Time `json:"time"`
	Type   Type      `json:"type"`
	Action Action    `json:"action"`
	// ID and Name are the object's; an image's Name is the reference used.
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	// Image is the image name of a container.
	Image string `json:"image,omitempty"`
	// ExitCode is set with Died and ExecDied.
	ExitCode *int `json:"exitCode,omitempty"`
	// Attributes are a container's labels and what else the action says of itself (signal, execID, oldName).
	Attributes map[string]string `json:"attributes,omitempty"`
}
