package engine

import (
	"io"
	"os"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/image"
)

// CreateOptions describe a container to be made. The zero value of a field is the default, from the image or the
// configuration.
type CreateOptions struct {
	// Name is chosen at random when empty.
	Name string
	// Replace removes a container that has the name first.
	Replace       bool
	CIDFile       string
	CreateCommand []string

	// Image is a reference or an ID; Rootfs, instead, a directory of the host, with RootfsOverlay under a writable layer.
	Image         string
	Rootfs        string
	RootfsOverlay bool
	Pull          PullPolicy
	// Platform is os/arch[/variant].
	Platform string
	// Progress gets the pull's progress; nil for none.
	Progress io.Writer

	// Entrypoint, when not nil, replaces the image's and drops its command.
	Entrypoint *[]string
	Command    []string
	Env        []string // NAME=value
	UnsetEnv   []string
	UnsetAll   bool
	WorkDir    string
	User       string
	Groups     []string // names, numbers, or the word keep-groups
	Terminal   bool
	Stdin      bool
	StdinOnce  bool

	OOMScoreAdj *int
	Rlimits     []container.Rlimit
	Resources   container.Resources
	Security    container.Security
	// Namespaces' and Network's targets may be names of containers.
	Namespaces container.Namespaces
	Network    container.Network

	Mounts      []container.Mount
	VolumesFrom []string // CONTAINER[:OPTIONS]
	// ImageVolumes is what becomes of volumes that the image declares: anonymous (also ""), tmpfs or ignore.
	ImageVolumes   string
	Devices        []container.Device
	ShmSize        int64
	ReadOnly       bool
	ReadWriteTmpfs *bool
	Init           bool
	InitPath       string

	Labels      map[string]string
	Annotations map[string]string

	StopSignal  string
	StopTimeout *uint // seconds
	Restart     container.RestartPolicy
	AutoRemove  bool
	// Health overrides the image's check field by field; NoHealthcheck disables it.
	Health        *container.Health
	NoHealthcheck bool
	Log           container.Log
	Runtime       string
	Hosts         container.HostsConfig
	Requires      []string
	PreserveFDs   uint
	HostUsers     []string
	Timezone      string
	Umask         string
}

// PullPolicy says when an image is pulled.
type PullPolicy string

// The policies. The zero value is PullMissing.
const (
	PullMissing PullPolicy = "missing"
	PullAlways  PullPolicy = "always"
	PullNever   PullPolicy = "never"
	PullNewer   PullPolicy = "newer"
)

// Created is what Create made.
type Created struct {
	ID       string
	Name     string
	Warnings []string
}

// Size is a terminal's, in characters.
type Size struct{ Width, Height uint16 }

// Streams are the caller's ends of a process's standard streams. A nil one is not attached.
type Streams struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Resize gives the terminal's size, first and whenever it changes.
	Resize <-chan Size
	// DetachKeys, as in "ctrl-p,ctrl-q"; empty disables detaching.
	DetachKeys string
	// Started, if not nil, is called once, as soon as signals are for the process: before it is let run, or when the streams are connected to
	// one that runs. Containers.Kill then waits, if need be, until the start is over.
	Started func()
}

// StartOptions say how a container is started.
type StartOptions struct {
	// Size is the terminal's first size.
	Size Size
	// ExtraFiles are passed to the first process from descriptor 3 on.
	ExtraFiles []*os.File
	// ByPolicy marks a start by the restart policy.
	ByPolicy bool
}

// ExitStatus is how a process ended.
type ExitStatus struct {
	// Code is the exit code, 128+n after signal n, -1 when nobody could see it.
	Code      int
	OOMKilled bool
	Finished  time.Time
	Error     string
}

// WaitCondition is what Wait waits for.
type WaitCondition string

// The conditions: moby's, and any status of container.Status.
const (
	// WaitNotRunning returns at once if the container does not run.
	WaitNotRunning WaitCondition = "not-running"
	// WaitNextExit waits for the next exit, whatever the container does now.
	WaitNextExit WaitCondition = "next-exit"
	// WaitRemoved waits until it has been removed.
	WaitRemoved WaitCondition = "removed"
	// WaitHealthy and WaitUnhealthy wait until its health check has said so, in this run or a later one.
	WaitHealthy   WaitCondition = container.HealthHealthy
	WaitUnhealthy WaitCondition = container.HealthUnhealthy
)

// StopOptions say how a container is stopped.
type StopOptions struct {
	// Timeout in seconds before the kill; nil for the container's own; negative waits for ever.
	Timeout *int
	Signal  string
}

// RestartOptions say how a container is restarted.
type RestartOptions struct {
	Timeout *int
	// RunningOnly leaves a container that does not run alone.
	RunningOnly bool
}

// RemoveOptions say what Remove may do.
type RemoveOptions struct {
	// Force stops a running container first, and always ends with the container gone.
	Force bool
	// Volumes removes the anonymous volumes too.
	Volumes bool
	// Depend removes the containers that depend on it first.
	Depend bool
	// Timeout in seconds for the stop that Force implies; nil for the container's own.
	Timeout *int
}

// ListOptions select containers.
type ListOptions struct {
	// All lists those that do not run too.
	All bool
	// Last lists the newest n, whatever they do.
	Last int
	// Size computes sizes, which reads every file of the writable layers.
	Size bool
	// Namespaces reads the numbers of the namespaces of those that run.
	Namespaces bool
	// Filters are podman's and Docker's: id, name, label, label!, status, exited, ancestor, before, since, volume, network,
	// health, restart-policy, until, command. Values of one key are alternatives; keys must all hold.
	Filters map[string][]string
}

// Summary is a container in a list, without its environment, layers and the command line that made it, which Inspect has.
type Summary struct {
	*container.Container
	// Status is the true one: what the kernel says now, whatever the store still says.
	Status container.Status
	Size   *SizeInfo
	// Namespaces is set if ListOptions asked for it.
	Namespaces NamespaceIDs
}

// SizeInfo is how much disk a container takes, in bytes.
type SizeInfo struct {
	// RW is the writable layer; RootFS that and the image.
	RW, RootFS int64
}

// Details are a container and what was found out about it.
type Details struct {
	container.Container
	// Status is the true one.
	Status container.Status
	Image  *image.Image // nil when the image is gone or there is none
	Size   *SizeInfo
	Execs  []string
	// RuntimePath is the OCI runtime used, or that would be.
	RuntimeName, RuntimePath string
	// Mounts are the mounts with the host's sources.
	Mounts  []ResolvedMount
	Volumes []string
	// Paths of the host.
	Paths ContainerPaths
	// Spec is the OCI spec of the current or last run, as JSON; nil if there is none.
	Spec          []byte
	CgroupManager string // cgroupfs or systemd
	StorageDriver string
	BoundingCaps  []string
	EffectiveCaps []string
	// LowerDirs, UpperDir, WorkDir, Merged describe the overlay.
	LowerDirs                 []string
	UpperDir, WorkDir, Merged string
}

// ResolvedMount is one mount as inspect shows it.
type ResolvedMount struct {
	Type, Name, Source, Destination, Driver, Mode, Propagation string
	Options                                                    []string
	RW                                                         bool
}

// ContainerPaths are the files of the host that belong to a container.
type ContainerPaths struct {
	Root, Run, Bundle, Log, PidFile, MonitorPidFile string
	ResolvConf, Hostname, Hosts                     string
}

// LogsOptions select lines of a container's log.
type LogsOptions struct {
	Follow bool
	Since  time.Time
	Until  time.Time
	// Tail is how many lines from the end; negative for all.
	Tail int
}

// TopResult is a table of processes.
type TopResult struct {
	Titles    []string
	Processes [][]string
}

// ExecOptions describe an exec session.
type ExecOptions struct {
	Command     []string
	Env         []string
	User        string
	WorkDir     string
	Terminal    bool
	Stdin       bool
	Privileged  bool
	PreserveFDs uint
	DetachKeys  string
}

// EventsOptions select events.
type EventsOptions struct {
	// First and Last are the sequence numbers of the first and the last event to be sent; 0 for no such bound.
	First, Last uint64
	// Since and Until bound the time of an event: at or after Since, before Until.
	Since, Until time.Time
	// Follow goes on until Until, Last or the end of the context; otherwise those that exist are sent.
	Follow bool
	// Filters are Docker's and podman's; see event.ParseFilters.
	Filters map[string][]string
}

// EventFunc takes one event; an error ends the stream.
type EventFunc func(event.Event) error
