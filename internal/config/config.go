// Package config reads containers.conf (containers.conf(5)), as far as Berth knows its keys.
//
// Values are kept as they are written, units and all: what they mean is for those to say who use them. Keys that Berth does not
// know are passed over, since the file is shared with other engines.
package config

// Config is what the files say. The zero value is that of no file at all: a field that no file sets is zero, and what a zero
// means is the engine's default.
type Config struct {
	Containers Containers
	Engine     Engine
	Berth      Berth
	// Files are those that were read, in order; later ones have won.
	Files []string
}

// Containers is the table [containers]: defaults for new containers.
type Containers struct {
	Annotations         []string // NAME=value
	AppArmorProfile     string
	CgroupNS            string
	Cgroups             string
	DefaultCapabilities []string
	DefaultSysctls      []string // NAME=value
	DefaultUlimits      []string // name=soft:hard
	Devices             []string
	DNSOptions          []string
	DNSSearches         []string
	DNSServers          []string
	Env                 []string // NAME=value
	EnvHost             *bool
	HTTPProxy           *bool
	HostContainersIP    string
	Init                bool
	InitPath            string
	IPCNS               string
	Label               *bool
	LabelOptions        []string
	LogDriver           string
	LogOptions          []string // name=value
	LogSizeMax          int64    // bytes; 0 when not set, negative for no limit
	LogTag              string
	Mounts              []string
	NetNS               string
	NoHosts             bool
	OOMScoreAdj         *int64
	PidNS               string
	PidsLimit           *int64 // 0 or less is no limit
	ReadOnly            bool
	RestartPolicy       string
	SeccompProfile      string
	ShmSize             string // bytes, or with a unit
	TZ                  string
	Umask               string
	UserNS              string
	UserNSSize          int64
	UTSNS               string
	Volumes             []string
}

// Berth is the table [berth], which other engines pass over.
type Berth struct {
	EventsMaxAge    string // a duration (time.ParseDuration)
	EventsMaxNumber *int64
}

// Engine is the table [engine].
type Engine struct {
	CgroupManager         string
	DatabaseBackend       string
	DetachKeys            *string // empty disables detaching
	Env                   []string
	EventsLogFile         string // events_logfile_path
	EventsLogFileMaxSize  string // bytes, or with a unit
	EventsLogger          string
	ImageDefaultTransport string
	ImageVolumeMode       string
	InfraImage            string
	MonitorPaths          []string // monitor_path
	Namespace             string
	PullPolicy            string
	Runtime               string
	// Runtimes are the places where a named OCI runtime may be, the first that exists wins.
	Runtimes    map[string][]string
	StaticDir   string
	StopTimeout *int64 // seconds
	TmpDir      string
	VolumePath  string
}
