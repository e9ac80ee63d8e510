package container

// MountType is what is mounted.
type MountType string

// The types of mounts.
const (
	Bind   MountType = "bind"
	Tmpfs  MountType = "tmpfs"
	Volume MountType = "volume" // Source is the volume's name, empty for an anonymous one
)

// Mount is one mount in a container, as asked for.
type Mount struct {
	Type MountType `json:"type"`
	// Source is an absolute path of the host (bind) or a volume's name.
	Source string `json:"source,omitempty"`
	// Destination is an absolute, clean path in the container.
	Destination string `json:"destination"`
	ReadOnly    bool   `json:"readOnly,omitempty"`
	// Options are further mount(8) options: rbind, rprivate, nosuid, size=64m, mode=1777 …
	Options []string `json:"options,omitempty"`
	// Relabel is z (shared) or Z (private) for SELinux.
	Relabel string `json:"relabel,omitempty"`
	// Chown gives the source to the container's user (the U option).
	Chown bool `json:"chown,omitempty"`
	// NoCopy keeps a volume from being filled with the image's files.
	NoCopy bool `json:"noCopy,omitempty"`
	// Subpath mounts only this directory of a volume.
	Subpath string `json:"subpath,omitempty"`
	// CreateSource makes a missing source directory, as Docker's -v does.
	CreateSource bool `json:"createSource,omitempty"`
	// FromImage is set on volumes that the image declares.
	FromImage bool `json:"fromImage,omitempty"`
	// IDMap mounts the source through the container's user namespace (the idmap option).
	IDMap bool `json:"idmap,omitempty"`
}

// Device is a device of the host given to the container.
type Device struct {
	Source      string `json:"source"`
	Destination string `json:"destination"`
	// Access is a subset of rwm.
	Access string `json:"access"`
}
