package libpod

import "time"

// InspectContainerData is the document of "inspect" for a container.
type InspectContainerData struct {
	ID      string    `json:"Id"`
	Created time.Time `json:"Created"`
	// Path and Args are the command that runs: entry point and command.
	Path  string                 `json:"Path"`
	Args  []string               `json:"Args"`
	State *InspectContainerState `json:"State"`
	// Image is the image's ID, ImageName its reference.
	Image          string `json:"Image"`
	ImageDigest    string `json:"ImageDigest"`
	ImageName      string `json:"ImageName"`
	Rootfs         string `json:"Rootfs"`
	Pod            string `json:"Pod"`
	ResolvConfPath string `json:"ResolvConfPath"`
	HostnamePath   string `json:"HostnamePath"`
	HostsPath      string `json:"HostsPath"`
	StaticDir      string `json:"StaticDir"`
	OCIConfigPath  string `json:"OCIConfigPath,omitempty"`
	// OCIRuntime is the runtime's name.
	OCIRuntime    string `json:"OCIRuntime"`
	ConmonPidFile string `json:"ConmonPidFile"`
	PidFile       string `json:"PidFile"`
	// LogPath is Docker's; podman has it as HostConfig.LogConfig.Path.
	LogPath         string       `json:"LogPath"`
	Name            string       `json:"Name"`
	RestartCount    int32        `json:"RestartCount"`
	Driver          string       `json:"Driver"`
	Platform        string       `json:"Platform"` // Docker's: the operating system
	MountLabel      string       `json:"MountLabel"`
	ProcessLabel    string       `json:"ProcessLabel"`
	AppArmorProfile string       `json:"AppArmorProfile"`
	EffectiveCaps   []string     `json:"EffectiveCaps"`
	BoundingCaps    []string     `json:"BoundingCaps"`
	ExecIDs         []string     `json:"ExecIDs"`
	GraphDriver     *DriverData  `json:"GraphDriver"`
	SizeRw          *int64       `json:"SizeRw,omitempty"`     // bytes, with --size
	SizeRootFs      *int64       `json:"SizeRootFs,omitempty"` // bytes, with --size
	Mounts          []Mount      `json:"Mounts"`
	Dependencies    []string     `json:"Dependencies"`
	NetworkSettings *NetworkData `json:"NetworkSettings"`
	Namespace       string       `json:"Namespace"`
	IsInfra         bool         `json:"IsInfra"`
	IsService       bool         `json:"IsService"`
	// LockNumber is always 0: Berth has no lock table.
	LockNumber uint32                      `json:"lockNumber"`
	Config     *InspectContainerConfig     `json:"Config"`
	HostConfig *InspectContainerHostConfig `json:"HostConfig"`
}

// InspectContainerState is where a container is in its life.
type InspectContainerState struct {
	OciVersion string `json:"OciVersion"`
	// Status is podman's word; the booleans are what Docker's tools ask for.
	Status        string         `json:"Status"`
	Running       bool           `json:"Running"`
	Paused        bool           `json:"Paused"`
	Restarting    bool           `json:"Restarting"`
	OOMKilled     bool           `json:"OOMKilled"`
	Dead          bool           `json:"Dead"`
	Pid           int            `json:"Pid"`
	ConmonPid     int            `json:"ConmonPid,omitempty"`
	ExitCode      int32          `json:"ExitCode"`
	Error         string         `json:"Error"`
	StartedAt     time.Time      `json:"StartedAt"`
	FinishedAt    time.Time      `json:"FinishedAt"`
	Health        *HealthResults `json:"Health,omitempty"`
	CgroupPath    string         `json:"CgroupPath,omitempty"`
	StoppedByUser bool           `json:"StoppedByUser,omitempty"`
}

// HealthResults are the health checks so far.
type HealthResults struct {
	Status        string           `json:"Status"`
	FailingStreak int              `json:"FailingStreak"`
	Log           []HealthCheckLog `json:"Log"`
}

// HealthCheckLog is one health check.
type HealthCheckLog struct {
	Start    string `json:"Start"`
	End      string `json:"End"`
	ExitCode int    `json:"ExitCode"`
	Output   string `json:"Output"`
}

// DriverData are the directories of the writable layer.
type DriverData struct {
	Name string            `json:"Name"`
	Data map[string]string `json:"Data"`
}

// Mount is one mount of a container.
type Mount struct {
	Type        string   `json:"Type"`
	Name        string   `json:"Name,omitempty"`
	Source      string   `json:"Source"`
	Destination string   `json:"Destination"`
	Driver      string   `json:"Driver"`
	Mode        string   `json:"Mode"`
	Options     []string `json:"Options"`
	RW          bool     `json:"RW"`
	Propagation string   `json:"Propagation"`
}

// NetworkData is how a container is connected.
type NetworkData struct {
	EndpointID             string                `json:"EndpointID"`
	Gateway                string                `json:"Gateway"`
	IPAddress              string                `json:"IPAddress"`
	IPPrefixLen            int                   `json:"IPPrefixLen"`
	IPv6Gateway            string                `json:"IPv6Gateway"`
	GlobalIPv6Address      string                `json:"GlobalIPv6Address"`
	GlobalIPv6PrefixLen    int                   `json:"GlobalIPv6PrefixLen"`
	MacAddress             string                `json:"MacAddress"`
	Bridge                 string                `json:"Bridge"`
	SandboxID              string                `json:"SandboxID"`
	HairpinMode            bool                  `json:"HairpinMode"`
	LinkLocalIPv6Address   string                `json:"LinkLocalIPv6Address"`
	LinkLocalIPv6PrefixLen int                   `json:"LinkLocalIPv6PrefixLen"`
	Ports                  map[string][]HostPort `json:"Ports"`
	SandboxKey             string                `json:"SandboxKey"`
	Networks               map[string]*Endpoint  `json:"Networks,omitempty"`
}

// HostPort is where a port is published.
type HostPort struct {
	HostIP   string `json:"HostIp"`
	HostPort string `json:"HostPort"`
}

// Endpoint is one network that a container is on.
type Endpoint struct {
	NetworkID   string   `json:"NetworkID"`
	EndpointID  string   `json:"EndpointID"`
	Gateway     string   `json:"Gateway"`
	IPAddress   string   `json:"IPAddress"`
	IPPrefixLen int      `json:"IPPrefixLen"`
	MacAddress  string   `json:"MacAddress"`
	Aliases     []string `json:"Aliases"`
}

// InspectContainerConfig is what the container's process was configured with.
type InspectContainerConfig struct {
	Hostname     string              `json:"Hostname"`
	DomainName   string              `json:"Domainname"`
	User         string              `json:"User"`
	AttachStdin  bool                `json:"AttachStdin"`
	AttachStdout bool                `json:"AttachStdout"`
	AttachStderr bool                `json:"AttachStderr"`
	Tty          bool                `json:"Tty"`
	OpenStdin    bool                `json:"OpenStdin"`
	StdinOnce    bool                `json:"StdinOnce"`
	Env          []string            `json:"Env"`
	Cmd          []string            `json:"Cmd"`
	Image        string              `json:"Image"`
	Volumes      map[string]struct{} `json:"Volumes"`
	WorkingDir   string              `json:"WorkingDir"`
	Entrypoint   []string            `json:"Entrypoint"`
	OnBuild      *string             `json:"OnBuild"`
	Labels       map[string]string   `json:"Labels"`
	Annotations  map[string]string   `json:"Annotations"`
	StopSignal   string              `json:"StopSignal"`
	Healthcheck  *Healthcheck        `json:"Healthcheck,omitempty"`

	HealthcheckOnFailureAction string   `json:"HealthcheckOnFailureAction,omitempty"`
	CreateCommand              []string `json:"CreateCommand,omitempty"`
	Timezone                   string   `json:"Timezone,omitempty"`
	SystemdMode                bool     `json:"SystemdMode,omitempty"`
	Umask                      string   `json:"Umask,omitempty"`
	Timeout                    uint     `json:"Timeout"`
	StopTimeout                uint     `json:"StopTimeout"`
}

// Healthcheck is Docker's image specification's: durations are nanoseconds.
type Healthcheck struct {
	Test          []string      `json:"Test,omitempty"`
	Interval      time.Duration `json:"Interval,omitempty"`
	Timeout       time.Duration `json:"Timeout,omitempty"`
	StartPeriod   time.Duration `json:"StartPeriod,omitempty"`
	StartInterval time.Duration `json:"StartInterval,omitempty"`
	Retries       int           `json:"Retries,omitempty"`
}

// InspectContainerHostConfig is what the container was given of the host.
type InspectContainerHostConfig struct {
	Binds           []string              `json:"Binds"`
	CgroupManager   string                `json:"CgroupManager"`
	CgroupMode      string                `json:"CgroupMode"`
	ContainerIDFile string                `json:"ContainerIDFile"`
	LogConfig       *LogConfig            `json:"LogConfig"`
	NetworkMode     string                `json:"NetworkMode"`
	PortBindings    map[string][]HostPort `json:"PortBindings"`
	RestartPolicy   *RestartPolicy        `json:"RestartPolicy"`
	AutoRemove      bool                  `json:"AutoRemove"`
	VolumeDriver    string                `json:"VolumeDriver"`
	VolumesFrom     []string              `json:"VolumesFrom"`
	CapAdd          []string              `json:"CapAdd"`
	CapDrop         []string              `json:"CapDrop"`
	DNS             []string              `json:"Dns"`
	DNSOptions      []string              `json:"DnsOptions"`
	DNSSearch       []string              `json:"DnsSearch"`
	ExtraHosts      []string              `json:"ExtraHosts"`
	GroupAdd        []string              `json:"GroupAdd"`
	IpcMode         string                `json:"IpcMode"`
	Cgroup          string                `json:"Cgroup"`
	Cgroups         string                `json:"Cgroups"`
	Links           []string              `json:"Links"`
	OomScoreAdj     int                   `json:"OomScoreAdj"`
	PidMode         string                `json:"PidMode"`
	Privileged      bool                  `json:"Privileged"`
	PublishAllPorts bool                  `json:"PublishAllPorts"`
	ReadonlyRootfs  bool                  `json:"ReadonlyRootfs"`
	SecurityOpt     []string              `json:"SecurityOpt"`
	Tmpfs           map[string]string     `json:"Tmpfs"`
	Sysctls         map[string]string     `json:"Sysctls,omitempty"`
	UTSMode         string                `json:"UTSMode"`
	UsernsMode      string                `json:"UsernsMode"`
	IDMappings      *IDMappings           `json:"IDMappings,omitempty"`
	ShmSize         int64                 `json:"ShmSize"`
	Runtime         string                `json:"Runtime"`
	ConsoleSize     []uint                `json:"ConsoleSize"`
	Isolation       string                `json:"Isolation"`

	CPUShares         uint64   `json:"CpuShares"`
	Memory            int64    `json:"Memory"`
	NanoCPUs          int64    `json:"NanoCpus"`
	CgroupParent      string   `json:"CgroupParent"`
	BlkioWeight       uint16   `json:"BlkioWeight"`
	CPUPeriod         uint64   `json:"CpuPeriod"`
	CPUQuota          int64    `json:"CpuQuota"`
	CpusetCpus        string   `json:"CpusetCpus"`
	CpusetMems        string   `json:"CpusetMems"`
	Devices           []Device `json:"Devices"`
	DeviceCgroupRules []string `json:"DeviceCgroupRules,omitempty"`
	MemoryReservation int64    `json:"MemoryReservation"`
	MemorySwap        int64    `json:"MemorySwap"`
	MemorySwappiness  int64    `json:"MemorySwappiness"` // -1: not set
	OomKillDisable    bool     `json:"OomKillDisable"`
	Init              bool     `json:"Init,omitempty"`
	PidsLimit         int64    `json:"PidsLimit"`
	Ulimits           []Ulimit `json:"Ulimits"`
}

// LogConfig is where the output goes.
type LogConfig struct {
	Type   string            `json:"Type"`
	Config map[string]string `json:"Config"`
	Path   string            `json:"Path"`
	Tag    string            `json:"Tag"`
	Size   string            `json:"Size"`
}

// RestartPolicy says when an exited container is started again.
type RestartPolicy struct {
	Name              string `json:"Name"`
	MaximumRetryCount uint   `json:"MaximumRetryCount"`
}

// IDMappings are the maps of the user namespace, each "CONTAINER:HOST:SIZE".
type IDMappings struct {
	UIDMap []string `json:"UidMap"`
	GIDMap []string `json:"GidMap"`
}

// Device is a device of the host.
type Device struct {
	PathOnHost        string `json:"PathOnHost"`
	PathInContainer   string `json:"PathInContainer"`
	CgroupPermissions string `json:"CgroupPermissions"`
}

// Ulimit is one limit of setrlimit(2); the name is RLIMIT_NOFILE and so on.
type Ulimit struct {
	Name string `json:"Name"`
	Soft int64  `json:"Soft"`
	Hard int64  `json:"Hard"`
}
