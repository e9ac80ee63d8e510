// Package container holds the records of containers, their exec sessions and what they are configured with, the state
// machine, and the text forms of what people write on a command line (mounts, devices, ulimits, restart policies).
//
// It is pure: nothing here reads the host, the store or the clock. Records are values; who hands one out hands out a copy.
package container

import (
	"time"
)

// Container is one container as a snapshot of the store shows it.
type Container struct {
	Config Config
	State  State
}

// Config is what a container was created with. It is immutable once written; only a rename, an update of limits or restart
// policy, and the Rewrite operations of the store change it.
type Config struct {
	// ID is 64 lower-case hexadecimal digits, unique across containers and pods.
	ID string `json:"id"`
	// Name is unique across containers and pods, and matches NamePattern.
	Name string `json:"name"`
	// Namespace is the store namespace, empty for none.
	Namespace string `json:"namespace,omitempty"`
	// Pod is the ID of the pod that the container is part of.
	Pod     string    `json:"pod,omitempty"`
	Created time.Time `json:"created"`
	// CreateCommand is the command line that made the container, for inspect.
	CreateCommand []string `json:"createCommand,omitempty"`
	// CIDFile is where the command wrote the ID; removed with the container.
	CIDFile string `json:"cidFile,omitempty"`

	// Image is what the container was made from. Zero when RootfsPath is set.
	Image Image `json:"image"`
	// RootfsPath is a directory of the host used as root file system instead of an image's layers.
	RootfsPath string `json:"rootfsPath,omitempty"`
	// RootfsOverlay puts a writable layer over RootfsPath instead of writing into it.
	RootfsOverlay bool `json:"rootfsOverlay,omitempty"`

	Process    Process    `json:"process"`
	Resources  Resources  `json:"resources"`
	Security   Security   `json:"security"`
	Namespaces Namespaces `json:"namespaces"`
	Network    Network    `json:"network"`

	// Mounts are all mounts asked for, the image's volumes included; image volumes come with Image set.
	Mounts   []Mount  `json:"mounts,omitempty"`
	Devices  []Device `json:"devices,omitempty"`
	ShmSize  int64    `json:"shmSize,omitempty"` // bytes
	ReadOnly bool     `json:"readOnly,omitempty"`
	// ReadWriteTmpfs mounts tmpfs at /dev, /dev/shm, /run, /tmp and /var/tmp of a read-only container, as podman does.
	ReadWriteTmpfs bool `json:"readWriteTmpfs,omitempty"`
	// Init runs Berth's own small init as the first process, which reaps and forwards signals.
	Init     bool   `json:"init,omitempty"`
	InitPath string `json:"initPath,omitempty"`

	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`

	// StopSignal is the number of the signal that asks the first process to end.
	StopSignal int `json:"stopSignal"`
	// StopTimeout is how many seconds stop waits before it kills.
	StopTimeout uint          `json:"stopTimeout"`
	Restart     RestartPolicy `json:"restart"`
	// AutoRemove removes the container when it has exited.
	AutoRemove bool        `json:"autoRemove,omitempty"`
	Health     *Health     `json:"health,omitempty"`
	Log        Log         `json:"log"`
	Runtime    string      `json:"runtime,omitempty"` // name or path asked for; empty for the engine's choice
	Hosts      HostsConfig `json:"hosts"`
	// Dependencies are the IDs of the containers whose namespaces are joined or that were named as required.
	Dependencies []string `json:"dependencies,omitempty"`
	// PreserveFDs is how many descriptors from 3 on are passed to the first process.
	PreserveFDs uint `json:"preserveFDs,omitempty"`
	// HostUsers are the names of users of the host that are added to /etc/passwd.
	HostUsers []string `json:"hostUsers,omitempty"`
	Timezone  string   `json:"timezone,omitempty"` // a name of the zone database, or "local"
	Umask     string   `json:"umask,omitempty"`    // four octal digits
}

// Image is the image that a container was made from, with what a start needs of it, so that a start reads no image store.
type Image struct {
	ID string `json:"id,omitempty"`
	// Name is the full reference; RawName is what the user wrote.
	Name    string `json:"name,omitempty"`
	RawName string `json:"rawName,omitempty"`
	Digest  string `json:"digest,omitempty"`
	// Layers are the directories of the image's layers, lowest first.
	Layers []string `json:"layers,omitempty"`
	// OS, Architecture and Variant of the image.
	OS           string `json:"os,omitempty"`
	Architecture string `json:"architecture,omitempty"`
	Variant      string `json:"variant,omitempty"`
	// Command is the image's own default command, kept for inspect.
	Command []string `json:"command,omitempty"`
}

// Process is what runs in the container.
type Process struct {
	// Entrypoint and Command are joined to the argument vector.
	Entrypoint []string `json:"entrypoint,omitempty"`
	Command    []string `json:"command,omitempty"`
	// Env holds NAME=value in order; later ones win.
	Env      []string `json:"env,omitempty"`
	WorkDir  string   `json:"workDir,omitempty"`
	User     string   `json:"user,omitempty"` // user[:group], names or numbers
	Groups   []string `json:"groups,omitempty"`
	Terminal bool     `json:"terminal,omitempty"`
	// Stdin keeps standard input open.
	Stdin bool `json:"stdin,omitempty"`
	// StdinOnce closes standard input when the first attached client that had it leaves.
	StdinOnce   bool `json:"stdinOnce,omitempty"`
	OOMScoreAdj *int `json:"oomScoreAdj,omitempty"`
	// Rlimits are clamped to what the host allows when the container starts.
	Rlimits []Rlimit `json:"rlimits,omitempty"`
}

// Args is the argument vector.
func (p Process) Args() []string {
	return append(append([]string(nil), p.Entrypoint...), p.Command...)
}

// Rlimit is one limit of setrlimit(2). Name is lower case without RLIMIT_ (nofile); -1 is unlimited.
type Rlimit struct {
	Name string `json:"name"`
	Soft int64  `json:"soft"`
	Hard int64  `json:"hard"`
	// Asked tells a limit the user wrote from a default: clamping it is worth a warning.
	Asked bool `json:"asked,omitempty"`
}

// Resources are the limits of the control group. Zero, or nil, means no limit; byte values are bytes.
type Resources struct {
	Memory            int64    `json:"memory,omitempty"`
	MemorySwap        int64    `json:"memorySwap,omitempty"` // memory and swap together; -1 unlimited
	MemoryReservation int64    `json:"memoryReservation,omitempty"`
	MemorySwappiness  *uint64  `json:"memorySwappiness,omitempty"`
	OOMKillDisable    bool     `json:"oomKillDisable,omitempty"`
	CPUShares         uint64   `json:"cpuShares,omitempty"`
	CPUPeriod         uint64   `json:"cpuPeriod,omitempty"` // microseconds
	CPUQuota          int64    `json:"cpuQuota,omitempty"`  // microseconds in a period
	CPUSetCPUs        string   `json:"cpusetCpus,omitempty"`
	CPUSetMems        string   `json:"cpusetMems,omitempty"`
	PidsLimit         int64    `json:"pidsLimit,omitempty"` // -1 unlimited
	BlkioWeight       uint16   `json:"blkioWeight,omitempty"`
	CgroupParent      string   `json:"cgroupParent,omitempty"`
	Cgroups           string   `json:"cgroups,omitempty"` // enabled (empty), disabled
	DeviceCgroupRules []string `json:"deviceCgroupRules,omitempty"`
}

// Security is what the processes may do.
type Security struct {
	Privileged      bool     `json:"privileged,omitempty"`
	CapAdd          []string `json:"capAdd,omitempty"`  // CAP_ names, or ALL
	CapDrop         []string `json:"capDrop,omitempty"` // CAP_ names, or ALL
	NoNewPrivileges bool     `json:"noNewPrivileges,omitempty"`
	// Seccomp is empty for the default profile, "unconfined", or the path of a profile.
	Seccomp string `json:"seccomp,omitempty"`
	// SeccompProfile is the content of the profile that Seccomp named when the container was created.
	SeccompProfile string `json:"seccompProfile,omitempty"`
	// AppArmor is empty for the default, "unconfined", or the name of a loaded profile.
	AppArmor string `json:"apparmor,omitempty"`
	// Labels are SELinux label options (user:U, role:R, type:T, level:L, disable, nested).
	Labels []string          `json:"labels,omitempty"`
	Mask   []string          `json:"mask,omitempty"`
	Unmask []string          `json:"unmask,omitempty"` // paths, or ALL
	Sysctl map[string]string `json:"sysctl,omitempty"`
}

// Namespaces says, for each kind, which namespace is used.
type Namespaces struct {
	PID    Namespace `json:"pid"`
	IPC    Namespace `json:"ipc"`
	UTS    Namespace `json:"uts"`
	Cgroup Namespace `json:"cgroup"`
	User   Namespace `json:"user"`
	// Hostname is set in a private UTS namespace; empty for the first 12 digits of the ID.
	Hostname string `json:"hostname,omitempty"`
	// UIDMap and GIDMap are the user namespace's maps, when User.Mode is private or auto.
	UIDMap []IDMap `json:"uidMap,omitempty"`
	GIDMap []IDMap `json:"gidMap,omitempty"`
}

// NamespaceMode is how a namespace is come by.
type NamespaceMode string

// The modes. The zero value is Default: private, except host for User.
const (
	Default       NamespaceMode = ""
	Private       NamespaceMode = "private"
	Host          NamespaceMode = "host"
	FromContainer NamespaceMode = "container" // Target is the container's ID
	FromPath      NamespaceMode = "ns"        // Target is a path
	FromPod       NamespaceMode = "pod"
	None          NamespaceMode = "none"      // network: loopback only; IPC: no /dev/shm
	Shareable     NamespaceMode = "shareable" // IPC: private, and others may join
	Auto          NamespaceMode = "auto"      // user: maps chosen by the engine
)

// Namespace is one namespace of a container.
type Namespace struct {
	Mode   NamespaceMode `json:"mode,omitempty"`
	Target string        `json:"target,omitempty"`
}

// IDMap maps Size IDs from ContainerID in the container to HostID on the host.
type IDMap struct {
	ContainerID int64 `json:"containerID"`
	HostID      int64 `json:"hostID"`
	Size        int64 `json:"size"`
}

// Network is how the container is connected.
type Network struct {
	// Namespace has mode none (loopback only), host, container or ns.
	Namespace Namespace `json:"namespace"`
	Ports     []Port    `json:"ports,omitempty"`
	// Networks are the networks that the container is connected to, by name. They change by connecting and disconnecting.
	Networks map[string]NetworkOptions `json:"networks,omitempty"`
}

// NetworkOptions is how a container is connected to one network. Zero fields are the network's to choose.
type NetworkOptions struct {
	// StaticIPs are addresses of the network's subnets.
	StaticIPs []string `json:"staticIPs,omitempty"`
	// StaticMAC is six hexadecimal bytes with colons.
	StaticMAC string `json:"staticMAC,omitempty"`
	// Aliases are further names that the container has in this network.
	Aliases []string `json:"aliases,omitempty"`
	// InterfaceName is the interface's name in the container.
	InterfaceName string `json:"interfaceName,omitempty"`
	// Options are the driver's own.
	Options map[string]string `json:"options,omitempty"`
}

// Port is one port published on the host. Kept in the record for the network backends and the port command.
type Port struct {
	HostIP        string `json:"hostIP,omitempty"`
	HostPort      uint16 `json:"hostPort"`
	ContainerPort uint16 `json:"containerPort"`
	Range         uint16 `json:"range"`
	Protocol      string `json:"protocol"`
}

// HostsConfig is what goes into /etc/hosts and /etc/resolv.conf.
type HostsConfig struct {
	Add        []string `json:"add,omitempty"` // NAME:IP
	NoHosts    bool     `json:"noHosts,omitempty"`
	NoHostname bool     `json:"noHostname,omitempty"`
	DNS        []string `json:"dns,omitempty"` // addresses, or the single word "none"
	DNSSearch  []string `json:"dnsSearch,omitempty"`
	DNSOptions []string `json:"dnsOptions,omitempty"`
}

// RestartPolicy says when an exited container is started again.
type RestartPolicy struct {
	// Name is no (or empty), always, on-failure or unless-stopped.
	Name string `json:"name,omitempty"`
	// MaxRetries bounds on-failure; zero is without bound.
	MaxRetries uint `json:"maxRetries,omitempty"`
}

// Health is a container's health check, as configured.
type Health struct {
	// Test is NONE, or CMD with arguments, or CMD-SHELL with one string (OCI image spec's Docker extension).
	Test          []string      `json:"test,omitempty"`
	Interval      time.Duration `json:"interval,omitempty"`
	Timeout       time.Duration `json:"timeout,omitempty"`
	StartPeriod   time.Duration `json:"startPeriod,omitempty"`
	StartInterval time.Duration `json:"startInterval,omitempty"`
	Retries       int           `json:"retries,omitempty"`
	OnFailure     string        `json:"onFailure,omitempty"` // none, kill, restart, stop
}

// Log is where a container's output goes.
type Log struct {
	// Driver is k8s-file, json-file or none.
	Driver string `json:"driver"`
	// Path is the log file; empty for the default in the container's directory.
	Path string `json:"path,omitempty"`
	// MaxSize, in bytes, rotates the file; 0 for never. MaxFiles is how many files are kept, the current one included.
	MaxSize  int64             `json:"maxSize,omitempty"`
	MaxFiles int               `json:"maxFiles,omitempty"`
	Tag      string            `json:"tag,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
}

// State is what has become of a container. It is written under the container's lock; whether a process runs is a fact of
// the kernel that PID with PIDStart, and BootID, let a reader check.
type State struct {
	Status Status `json:"status"`
	// PID is the first process; PIDStart its start time in clock ticks since boot (proc(5), stat field 22).
	PID      int    `json:"pid,omitempty"`
	PIDStart uint64 `json:"pidStart,omitempty"`
	// MonitorPID and MonitorStart are the same of the monitor.
	MonitorPID   int    `json:"monitorPid,omitempty"`
	MonitorStart uint64 `json:"monitorStart,omitempty"`
	// BootID is the kernel's boot ID of the run that this state speaks of.
	BootID string `json:"bootID,omitempty"`
	// Runtime is the path of the OCI runtime of this run.
	Runtime string `json:"runtime,omitempty"`
	// Run counts the starts, so that a late cleanup of an earlier run does nothing.
	Run      uint64    `json:"run,omitempty"`
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
	// ExitCode is the last exit code; 128+n after signal n; -1 when nobody could see it.
	ExitCode  int  `json:"exitCode"`
	OOMKilled bool `json:"oomKilled,omitempty"`
	// Error is why the last start failed.
	Error string `json:"error,omitempty"`
	// Mounted is where the root file system is mounted for people; empty when it is not.
	Mounted string `json:"mounted,omitempty"`
	// Mounts counts how often it has been mounted for people and not unmounted.
	Mounts uint `json:"mounts,omitempty"`
	// CgroupPath is relative to the root of the hierarchies.
	CgroupPath string `json:"cgroupPath,omitempty"`
	// StoppedByUser keeps the restart policy from starting the container again.
	StoppedByUser bool `json:"stoppedByUser,omitempty"`
	// RemoveVolumes says, of a container being removed, that its anonymous volumes go too.
	RemoveVolumes bool `json:"removeVolumes,omitempty"`
	// Again: a user's restart has stopped it and is about to start it, so that it is not removed at its end.
	Again bool `json:"again,omitempty"`
	// Restarts counts what the restart policy did since the last start by a user.
	Restarts uint          `json:"restarts,omitempty"`
	Health   *HealthResult `json:"health,omitempty"`
}

// ExecSession is one process run in a running container besides its first.
type ExecSession struct {
	ID        string   `json:"id"`
	Container string   `json:"container"`
	Command   []string `json:"command"`
	Env       []string `json:"env,omitempty"`
	User      string   `json:"user,omitempty"`
	WorkDir   string   `json:"workDir,omitempty"`
	Terminal  bool     `json:"terminal,omitempty"`
	Stdin     bool     `json:"stdin,omitempty"`
	// Privileged gives the process all capabilities.
	Privileged bool `json:"privileged,omitempty"`
	// Check: the process is a health check, whose outcome is told instead of its coming and going.
	Check       bool      `json:"check,omitempty"`
	PreserveFDs uint      `json:"preserveFDs,omitempty"`
	DetachKeys  string    `json:"detachKeys,omitempty"`
	Created     time.Time `json:"created"`
	// Status is Created, Running or Exited.
	Status       Status    `json:"status"`
	PID          int       `json:"pid,omitempty"`
	PIDStart     uint64    `json:"pidStart,omitempty"`
	MonitorPID   int       `json:"monitorPid,omitempty"`
	MonitorStart uint64    `json:"monitorStart,omitempty"`
	ExitCode     int       `json:"exitCode"`
	Finished     time.Time `json:"finished,omitzero"`
}
