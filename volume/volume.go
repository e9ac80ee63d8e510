// Package volume holds the record of a volume and the drivers that keep volumes' contents.
package volume

import "time"

// Volume is storage that outlives the containers which mount it.
type Volume struct {
	// Name is unique. Anonymous volumes have 64 hexadecimal digits.
	Name string `json:"name"`
	// Driver is local.
	Driver string `json:"driver"`
	// Mountpoint is the directory of the host that holds the contents.
	Mountpoint string            `json:"mountpoint"`
	Labels     map[string]string `json:"labels,omitempty"`
	Options    map[string]string `json:"options,omitempty"`
	Created    time.Time         `json:"created"`
	// Anonymous volumes go with the container that they were made for, when it is removed with its volumes.
	Anonymous bool `json:"anonymous,omitempty"`
	// UID and GID own the root of the volume; set at the first mount.
	UID int `json:"uid,omitempty"`
	GID int `json:"gid,omitempty"`
	// NeedsCopyUp is set until the first mount has copied the image's files at the mount point into the empty volume.
	NeedsCopyUp bool `json:"needsCopyUp,omitempty"`
	// NeedsChown is set until the first mount has given the volume its owner.
	NeedsChown bool `json:"needsChown,omitempty"`
}
