package engine

import (
	"context"
	"time"
)

// System answers what concerns the whole: the machine, the store, disk usage and events. None of its methods takes an
// object's lock.
type System struct{ e *Engine }

// Version is what this engine was built from. There is no other process to ask, so it never fails.
func (s *System) Version(context.Context) (VersionInfo, error) { return Build(), nil }

// Info is what an engine works with, read when it is asked for.
type Info struct {
	Host       HostInfo
	Runtimes   []RuntimeInfo
	Store      StoreInfo
	Registries RegistriesInfo
	Version    VersionInfo
}

// HostInfo is the machine.
type HostInfo struct {
	Hostname     string
	OS, Arch     string
	Kernel       string // uname's release
	Distribution Distribution
	CPUs         int
	CPU          CPUUse
	Memory       Memory
	// Uptime of the machine.
	Uptime time.Duration

	CgroupVersion     int // 1 or 2
	CgroupMode        string
	CgroupControllers []string
	// CgroupManager is cgroupfs or systemd.
	CgroupManager string
	Systemd       bool

	Rootless                   bool
	AppArmor, SELinux, Seccomp bool
	// Capabilities are those that a container has by default.
	Capabilities []string

	LogDriver string
	// EventLogger is where events are written besides the store (file, journald), or "store".
	EventLogger string
	Monitor     Program
}

// Distribution is what os-release(5) says.
type Distribution struct{ ID, Version, Codename, PrettyName string }

// CPUUse is how the processors' time since boot was spent, in percent.
type CPUUse struct{ User, System, Idle float64 }

// Memory in bytes, from proc(5)'s meminfo. Free is what is unused, Available what could be had without swapping.
type Memory struct{ Total, Free, Available, SwapTotal, SwapFree int64 }

// Program is a program of the host.
type Program struct {
	// Path is empty, and Problem says why, when it was not found.
	Path    string
	Version string
	Problem string
}

// RuntimeInfo is an OCI runtime that Berth could use.
type RuntimeInfo struct {
	Name    string
	Path    string // empty if it is not there
	Version string
	// Chosen: new containers use it unless told otherwise.
	Chosen bool
	// Reason says why it was chosen, or why it was not.
	Reason string
}

// StoreInfo is what is kept, and where.
type StoreInfo struct {
	Root, RunRoot string
	// Database is the back end's name, DatabasePath its file.
	Database, DatabasePath string
	GraphRoot, VolumePath  string
	GraphDriver            string
	// BackingFS is the kind of file system that Root is on.
	BackingFS string
	// Allocated and Used bytes of that file system.
	Allocated, Used int64

	Containers, Running, Paused, Stopped int
	Images                               int
	Volumes                              int
	// Events is the sequence number of the newest event.
	Events uint64
}

// RegistriesInfo is what registries.conf says.
type RegistriesInfo struct {
	// Search are the registries tried for a name without one.
	Search  []string
	Blocked []string
}
