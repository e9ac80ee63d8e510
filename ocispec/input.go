// Package ocispec turns a container's configuration and facts about the host into an OCI runtime spec.
//
// It is pure: Build reads no file, no environment and no clock, so that every option's effect is a golden file under testdata.
// Whatever has to be looked up (users, devices, sources of mounts) is part of the Input.
package ocispec

import (
	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/host"
)

// Input is everything that the spec depends on. Build changes nothing in it.
type Input struct {
	// Config is the container's configuration, its words normalized by package container's parsers.
	Config *container.Config
	Host   host.Facts
	// Rootfs is where the root file system is mounted.
	Rootfs string
	// User is Config.Process.User resolved in the root file system.
	User User
	// Mounts are Config.Mounts resolved to sources of the host (see Resolved). Build sorts them by the depth of their
	// destination, keeping the order of equals; one of a later equal destination replaces an earlier.
	Mounts []Mount
	// Files are bind mounts of files that the engine made: /etc/hosts, /etc/hostname, /etc/resolv.conf, /run/.containerenv.
	// One whose destination is in Mounts is left out.
	Files []Mount
	// NamespacePaths are the paths of those namespaces that are joined: by kind of runtime-spec (pid, ipc, uts, network, user,
	// cgroup). A network path is used for a network namespace of the container's own too, if the engine has made it.
	NamespacePaths map[string]string
	// ShmPath is the /dev/shm that is shared between containers; empty for one of its own.
	ShmPath string
	// CgroupsPath is for the spec's linux.cgroupsPath.
	CgroupsPath string
	// Systemd: CgroupsPath is in systemd's notation, and a scope is made.
	Systemd bool
	// Hostname is what the UTS namespace is named, and the value of HOSTNAME.
	Hostname string
	// Env is what the engine adds to the environment (TZ, proxies), before the configuration's own, which wins.
	Env []string
	// DefaultSeccomp applies the default profile where the configuration names none.
	DefaultSeccomp bool
	// Devices are Config.Devices as looked up on the host; of a privileged container, all of the host's.
	Devices []Device
	// InitBinary is the host's path of the init that is bind-mounted and run, when Config.Init.
	InitBinary string
	// DefaultCapabilities replaces the built-in ones (see DefaultCapabilities) when it is not nil.
	DefaultCapabilities []string
	// DefaultSysctls replaces the built-in ones (see DefaultSysctls) when it is not nil. Those of a namespace that is not the
	// container's own are left out.
	DefaultSysctls map[string]string
	// AppArmorProfile is the loaded profile for containers that name none; empty for none.
	AppArmorProfile string
	// ProcessLabel and MountLabel are the SELinux labels; they are used only where the host has SELinux.
	ProcessLabel, MountLabel string
	// ImageAnnotations are those of the image's manifest and configuration. Only what describes the image gets into the spec
	// (org.opencontainers.image.*): an image's author must not be able to steer the OCI runtime or systemd.
	ImageAnnotations map[string]string
}

// ExecInput is everything that the process document of an exec session depends on.
type ExecInput struct {
	Config  *container.Config
	Session *container.ExecSession
	Host    host.Facts
	// User is the session's user, or the container's, resolved in the root file system.
	User User
	// Hostname, Env, DefaultCapabilities, AppArmorProfile and ProcessLabel are as in the container's Input.
	Hostname            string
	Env                 []string
	DefaultCapabilities []string
	AppArmorProfile     string
	ProcessLabel        string
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
	// Options are mount(8)'s. Build adds rbind and rprivate to a bind mount, rprivate, nosuid, nodev and tmpcopyup to a tmpfs,
	// unless they say otherwise.
	Options []string
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
