package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// createFlags are the flags that run and create have in common, as they are written. options (create_options.go) reads them.
type createFlags struct {
	identityFlags
	processFlags
	isolationFlags
	securityFlags
	limitFlags
	storageFlags
	networkFlags
	healthFlags
}

func (o *createFlags) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SetInterspersed(false)
	f.Bool("help", false, "Show this help") // -h is --hostname
	groupFlags(f, "The container", o.identityFlags.flags)
	groupFlags(f, "The process", o.processFlags.flags)
	groupFlags(f, "Mounts", o.storageFlags.flags)
	groupFlags(f, "Network", o.networkFlags.flags)
	groupFlags(f, "Limits", o.limitFlags.flags)
	groupFlags(f, "Security", o.securityFlags.flags)
	groupFlags(f, "Namespaces", o.isolationFlags.flags)
	groupFlags(f, "Health", o.healthFlags.flags)
	f.SetNormalizeFunc(otherSpelling)
}

// flagGroups are the headings of these flags, in the order of the help.
var flagGroups = []string{"The container", "The process", "Mounts", "Network", "Limits", "Security", "Namespaces", "Health"}

// spellings are names of flags that Docker and podman, or two versions of them, write differently.
var spellings = map[string]string{"net": "network", "tz": "timezone", "dns-opt": "dns-option"}

func otherSpelling(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	if other, ok := spellings[name]; ok {
		name = other
	}
	return pflag.NormalizedName(name)
}

// identityFlags say what the container is made from and what it is called.
type identityFlags struct {
	name, cidfile         string
	replace, remove       bool
	pull, platform        string
	os, arch, variant     string
	quiet, rootfs         bool
	labels, labelFiles    []string
	annotations, requires []string
	restart               string
	logDriver             string
	logOpts               []string
	gpus                  string
	disableTrust          bool
}

func (o *identityFlags) flags(f *pflag.FlagSet) {
	f.StringVar(&o.name, "name", "", "Call the container this (default: a name made of two words)")
	f.StringVar(&o.cidfile, "cidfile", "", "Write the container's ID to `file`, which must not exist")
	f.BoolVar(&o.replace, "replace", false, "Remove the container that has the name first, if there is one")
	f.BoolVar(&o.remove, "rm", false, "Remove the container when it has ended")
	f.StringVar(&o.pull, "pull", "missing", "Pull the image: always, missing, never, newer")
	f.StringVar(&o.platform, "platform", "", "Take the image for this platform, `os/arch[/variant]`")
	f.StringVar(&o.os, "os", "", "Take the image for this operating system")
	f.StringVar(&o.arch, "arch", "", "Take the image for this architecture")
	f.StringVar(&o.variant, "variant", "", "Take the image for this variant of the architecture")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "Do not show the progress of a pull")
	f.BoolVar(&o.rootfs, "rootfs", false, "The first argument is not an image but a directory, to be the root file system (DIR:O keeps it as it is)")
	f.StringArrayVarP(&o.labels, "label", "l", nil, "Set a label (`KEY=VALUE`, repeatable)")
	f.StringArrayVar(&o.labelFiles, "label-file", nil, "Read labels from `file`, one a line (repeatable)")
	f.StringArrayVar(&o.annotations, "annotation", nil, "Set an annotation, for the OCI runtime (`KEY=VALUE`, repeatable)")
	f.StringSliceVar(&o.requires, "requires", nil, "Start these containers first")
	f.StringVar(&o.restart, "restart", "", "Start again after an exit: no, on-failure[:N], always, unless-stopped (default no)")
	f.StringVar(&o.logDriver, "log-driver", "", "Log the output: k8s-file, json-file, none (default k8s-file)")
	f.StringArrayVar(&o.logOpts, "log-opt", nil, "Option of the log: path, max-size, max-file, tag (`KEY=VALUE`, repeatable)")
	f.StringVar(&o.gpus, "gpus", "", "")
	f.BoolVar(&o.disableTrust, "disable-content-trust", true, "")
	hide(f, "gpus", "disable-content-trust", "os", "arch", "variant")
}

// processFlags say what runs.
type processFlags struct {
	entrypoint        string
	env               envFlags
	envHost           bool
	unsetEnv          []string
	unsetEnvAll       bool
	workdir, user     string
	groups, hostUsers []string
	tty, interactive  bool
	init              bool
	initPath          string
	stopSignal        string
	stopTimeout       int
	preserveFDs       uint
	timezone, umask   string
	httpProxy         bool
}

func (o *processFlags) flags(f *pflag.FlagSet) {
	f.StringVar(&o.entrypoint, "entrypoint", "", "Run this instead of the image's entry point: a command, or a JSON list; empty for none")
	o.env.flags(f)
	f.BoolVar(&o.envHost, "env-host", false, "Set this command's own environment too")
	f.StringArrayVar(&o.unsetEnv, "unsetenv", nil, "Leave out a variable of the image's environment (repeatable)")
	f.BoolVar(&o.unsetEnvAll, "unsetenv-all", false, "Leave out all variables but those set here")
	f.StringVarP(&o.workdir, "workdir", "w", "", "Run in this `directory` of the container")
	f.StringVarP(&o.user, "user", "u", "", "Run as this `user[:group]`, names or numbers")
	f.StringArrayVar(&o.groups, "group-add", nil, "Run with this further group, a name or a number (repeatable)")
	f.StringArrayVar(&o.hostUsers, "hostuser", nil, "Add this user of the host to the container's /etc/passwd (repeatable)")
	f.BoolVarP(&o.tty, "tty", "t", false, "Give the process a terminal")
	f.BoolVarP(&o.interactive, "interactive", "i", false, "Keep standard input open, and connect it")
	f.BoolVar(&o.init, "init", false, "Run a small init as the first process, which forwards signals and reaps zombies")
	f.StringVar(&o.initPath, "init-path", "", "Use this program of the host as the init")
	f.StringVar(&o.stopSignal, "stop-signal", "", "The `signal` that asks the process to end (default: the image's, else TERM)")
	f.IntVar(&o.stopTimeout, "stop-timeout", 10, "Seconds that stop waits before it kills")
	f.UintVar(&o.preserveFDs, "preserve-fds", 0, "Pass on this `number` of file descriptors from 3 on")
	f.StringVar(&o.timezone, "timezone", "", "Set the time zone, a name such as Europe/Berlin, or local")
	f.StringVar(&o.umask, "umask", "", "Set the umask, in `octal`")
	f.BoolVar(&o.httpProxy, "http-proxy", true, "Pass on the proxy variables of this command's environment")
}

// isolationFlags say which namespaces the container has.
type isolationFlags struct {
	pid, ipc, uts, cgroupns, userns string
	hostname                        string
	uidmap, gidmap                  []string
}

func (o *isolationFlags) flags(f *pflag.FlagSet) {
	f.StringVar(&o.pid, "pid", "", "PID namespace: private, host, container:NAME, ns:PATH (default private)")
	f.StringVar(&o.ipc, "ipc", "", "IPC namespace: private, host, shareable, none, container:NAME, ns:PATH (default private)")
	f.StringVar(&o.uts, "uts", "", "UTS namespace: private, host, container:NAME, ns:PATH (default private)")
	f.StringVar(&o.cgroupns, "cgroupns", "", "Control group namespace: private, host, container:NAME, ns:PATH (default private)")
	f.StringVar(&o.userns, "userns", "", "User namespace: host, auto, private with --uidmap, container:NAME, ns:PATH (default host)")
	f.StringVarP(&o.hostname, "hostname", "h", "", "Name the container's host this (default: the ID's first 12 digits)")
	f.StringArrayVar(&o.uidmap, "uidmap", nil, "Map user IDs (`CONTAINER:HOST:SIZE`, repeatable)")
	f.StringArrayVar(&o.gidmap, "gidmap", nil, "Map group IDs (`CONTAINER:HOST:SIZE`, repeatable; default: as --uidmap)")
}

// securityFlags say what the processes may do.
type securityFlags struct {
	privileged      bool
	capAdd, capDrop []string
	securityOpts    []string
	sysctls         []string
	devices         []string
	deviceRules     []string
}

func (o *securityFlags) flags(f *pflag.FlagSet) {
	f.BoolVar(&o.privileged, "privileged", false, "Give it all capabilities and devices, and no seccomp profile")
	f.StringSliceVar(&o.capAdd, "cap-add", nil, "Add a capability, or ALL (repeatable)")
	f.StringSliceVar(&o.capDrop, "cap-drop", nil, "Drop a capability, or ALL (repeatable)")
	f.StringArrayVar(&o.securityOpts, "security-opt", nil,
		"Security option: no-new-privileges, seccomp=, apparmor=, label=, mask=, unmask= (repeatable)")
	f.StringArrayVar(&o.sysctls, "sysctl", nil, "Set a kernel parameter of its namespaces (`NAME=VALUE`, repeatable)")
	f.StringArrayVar(&o.devices, "device", nil, "Give it a device of the host (`HOST[:CONTAINER][:rwm]`, repeatable)")
	f.StringArrayVar(&o.deviceRules, "device-cgroup-rule", nil, "Allow devices by type and number (`c 1:3 rwm`, repeatable)")
}

// limitFlags say what the container may use.
type limitFlags struct {
	memory, memorySwap, memoryReservation string
	swappiness                            int64
	oomKillDisable                        bool
	oomScoreAdj                           int
	cpus                                  string
	cpuShares, cpuPeriod                  uint64
	cpuQuota                              int64
	cpusetCPUs, cpusetMems                string
	pidsLimit                             int64
	blkioWeight                           uint16
	cgroupParent, cgroups                 string
	ulimits                               []string
	shmSize                               string
}

func (o *limitFlags) flags(f *pflag.FlagSet) {
	f.StringVarP(&o.memory, "memory", "m", "", "Limit memory (`size`: a number with b, k, m or g)")
	f.StringVar(&o.memorySwap, "memory-swap", "", "Limit memory and swap together (`size`; -1 for no limit)")
	f.StringVar(&o.memoryReservation, "memory-reservation", "", "Ask for this much memory when it is scarce (`size`)")
	f.Int64Var(&o.swappiness, "memory-swappiness", -1, "Inclination to swap, 0 to 100; -1 leaves it to the host")
	f.BoolVar(&o.oomKillDisable, "oom-kill-disable", false, "Do not kill it when it is out of memory")
	f.IntVar(&o.oomScoreAdj, "oom-score-adj", 0, "Inclination of the kernel to kill it, -1000 to 1000")
	f.StringVar(&o.cpus, "cpus", "", "Limit the processor time to so many processors (`number` with decimals)")
	f.Uint64VarP(&o.cpuShares, "cpu-shares", "c", 0, "Weight of its processor time; 1024 is ordinary")
	f.Uint64Var(&o.cpuPeriod, "cpu-period", 0, "Period of the processor time's limit, in `microseconds`")
	f.Int64Var(&o.cpuQuota, "cpu-quota", 0, "Processor time in each period, in `microseconds`")
	f.StringVar(&o.cpusetCPUs, "cpuset-cpus", "", "Run on these processors only (`0-3,8`)")
	f.StringVar(&o.cpusetMems, "cpuset-mems", "", "Use these memory nodes only (`0-3`)")
	f.Int64Var(&o.pidsLimit, "pids-limit", 0, "Limit the number of processes; -1 for no limit (default 2048)")
	f.Uint16Var(&o.blkioWeight, "blkio-weight", 0, "Weight of its disk use, 10 to 1000")
	f.StringVar(&o.cgroupParent, "cgroup-parent", "", "Put its control group below this one (`path`)")
	f.StringVar(&o.cgroups, "cgroups", "", "Make control groups: enabled, disabled (default enabled)")
	f.StringArrayVar(&o.ulimits, "ulimit", nil, "Set a limit (`NAME=SOFT[:HARD]`, -1 for none; or host; repeatable)")
	f.StringVar(&o.shmSize, "shm-size", "", "Size of /dev/shm (`size`; default 64m)")
}

// storageFlags say what is mounted.
type storageFlags struct {
	volumes, mounts, tmpfs, volumesFrom []string
	imageVolumes                        string
	readOnly, readOnlyTmpfs             bool
}

func (o *storageFlags) flags(f *pflag.FlagSet) {
	f.StringArrayVarP(&o.volumes, "volume", "v", nil,
		"Mount a directory or file of the host, or a volume by name (`SOURCE:DEST[:OPTIONS]`, repeatable)")
	f.StringArrayVar(&o.mounts, "mount", nil, "Mount (`type=bind|volume|tmpfs,source=…,target=…`, repeatable)")
	f.StringArrayVar(&o.tmpfs, "tmpfs", nil, "Mount an empty tmpfs (`DEST[:OPTIONS]`, repeatable)")
	f.StringArrayVar(&o.volumesFrom, "volumes-from", nil, "Mount the volumes of another container (`NAME[:OPTIONS]`, repeatable)")
	f.StringVar(&o.imageVolumes, "image-volume", "", "Volumes that the image declares: anonymous, tmpfs, ignore (default anonymous)")
	f.BoolVar(&o.readOnly, "read-only", false, "Make the root file system read-only")
	f.BoolVar(&o.readOnlyTmpfs, "read-only-tmpfs", true, "With --read-only, keep /run, /tmp and /var/tmp writable, as tmpfs")
}

// networkFlags say how the container is connected.
type networkFlags struct {
	network                    []string
	publish                    []string
	publishAll                 bool
	expose                     []string
	addHosts                   []string
	dns, dnsSearch, dnsOptions []string
	noHosts, noHostname        bool
}

func (o *networkFlags) flags(f *pflag.FlagSet) {
	f.StringArrayVar(&o.network, "network", nil,
		"Network: none, host, container:NAME, ns:PATH (default none: networks between containers are still to come)")
	f.StringArrayVarP(&o.publish, "publish", "p", nil, "Publish a port (`[IP:][HOST:]CONTAINER[/PROTOCOL]`); without effect until there are networks")
	f.BoolVarP(&o.publishAll, "publish-all", "P", false, "Publish all ports that the image exposes; without effect until there are networks")
	f.StringArrayVar(&o.expose, "expose", nil, "Accepted: it only documents a port")
	f.StringArrayVar(&o.addHosts, "add-host", nil, "Add a line to /etc/hosts (`NAME:IP`, repeatable)")
	f.StringArrayVar(&o.dns, "dns", nil, "Write this name server to /etc/resolv.conf, or none for no such file (repeatable)")
	f.StringArrayVar(&o.dnsSearch, "dns-search", nil, "Write this search domain to /etc/resolv.conf (repeatable)")
	f.StringArrayVar(&o.dnsOptions, "dns-option", nil, "Write this option to /etc/resolv.conf (repeatable)")
	f.BoolVar(&o.noHosts, "no-hosts", false, "Leave the image's /etc/hosts as it is")
	f.BoolVar(&o.noHostname, "no-hostname", false, "Leave the image's /etc/hostname as it is")
}

// healthFlags say how the container's health is checked.
type healthFlags struct {
	cmd, interval, timeout, startPeriod, startInterval, onFailure string

	retries  uint
	disabled bool
}

func (o *healthFlags) flags(f *pflag.FlagSet) {
	f.StringVar(&o.cmd, "health-cmd", "", "Check the health with this command, or a JSON list; none for no check")
	f.StringVar(&o.interval, "health-interval", "", "Time between checks (`duration`; default 30s)")
	f.StringVar(&o.timeout, "health-timeout", "", "Time that a check may take (`duration`; default 30s)")
	f.StringVar(&o.startPeriod, "health-start-period", "", "Time in which failures do not count (`duration`)")
	f.StringVar(&o.startInterval, "health-start-interval", "", "Time between checks in the start period (`duration`)")
	f.StringVar(&o.onFailure, "health-on-failure", "", "When it becomes unhealthy: none, kill, restart, stop (default none)")
	f.UintVar(&o.retries, "health-retries", 0, "Failures in a row until it is unhealthy (default 3)")
	f.BoolVar(&o.disabled, "no-healthcheck", false, "Do not check the health, whatever the image says")
}

// hide keeps flags out of the help that are there only so that nobody's scripts break.
func hide(f *pflag.FlagSet, names ...string) {
	for _, name := range names {
		f.Lookup(name).Hidden = true
	}
}
