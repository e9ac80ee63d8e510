// Package ocispec turns a container's configuration and facts about the host into an OCI runtime spec.
//
// It is pure: Build reads no file and no clock, so that every option's effect is a golden file under testdata.
package ocispec

import (
	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/host"
)

// Input is everything that the spec depends on.
type Input struct {
	Config *container.Config
	Host   host.Facts
	// Rootfs is where the root file system is mounted.
	Rootfs string
	// User is Config.Process.User resolved in the root file system.
	User User
	// Mounts are Config.Mounts resolved to sources of the host, in the order to be mounted.
	Mounts []Mount
	// Files are bind mounts of files that the engine made: /etc/hosts, /etc/hostname, /etc/resolv.conf, /run/.containerenv.
	Files []Mount
	// Namespaces' paths for those that are joined: by kind of runtime-spec (pid, ipc, uts, network, user, cgroup).
	NamespacePaths map[string]string
	// ShmPath is the /dev/shm that is shared between containers; empty for one of its own.
	ShmPath string
	// CgroupsPath is for the spec's linux.cgroupsPath.
	CgroupsPath string
	// Hostname is what the UTS namespace is named.
	Hostname string
	// Timezone is set when TZ should be.
	Env []string
	// Seccomp is the profile to apply: nil for none.
	DefaultSeccomp bool
	// Devices are Config.Devices as looked up on the host.
	Devices []Device
	// InitBinary is the host's path of the init that is bind-mounted and run, when Config.Init.
	InitBinary string
}

// User is a resolved user.
type User struct {
	UID, GID uint32
	Groups   []uint32
	Home     string
	Name     string
}

// Mount is a resolved mount.
type Mount struct {
	Type        string // bind, tmpfs
	Source      string
	Destination string
	Options     []string
	// UIDMap and GIDMap make an id-mapped mount.
	UIDMap, GIDMap []container.IDMap
}

// Device is a device node of the host.
type Device struct {
	Path     string // in the container
	Type     string // c, b, p, u
	Major    int64
	Minor    int64
	FileMode uint32
	UID, GID uint32
	Access   string
}
