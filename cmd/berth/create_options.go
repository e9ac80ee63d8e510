package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
)

// createOptions reads the flags' values and the arguments.
func (a *app) createOptions(f *pflag.FlagSet, o *createFlags, args []string) (engine.CreateOptions, error) {
	co := engine.CreateOptions{
		CreateCommand: a.args, Command: args[1:], Progress: a.progress(o.quiet), Runtime: a.settings.Runtime,
	}
	if o.rootfs {
		co.Rootfs, co.RootfsOverlay = rootfsArgument(args[0])
	} else {
		co.Image = args[0]
	}
	if co.Image == "" && co.Rootfs == "" {
		return co, errdefs.Invalid("the name of the image is empty")
	}
	for _, read := range []func(*pflag.FlagSet, *engine.CreateOptions) error{
		o.identityFlags.read, o.processFlags.read, o.isolationFlags.read, o.securityFlags.read,
		o.limitFlags.read, o.storageFlags.read, o.networkFlags.read, o.healthFlags.read,
	} {
		if err := read(f, &co); err != nil {
			return co, err
		}
	}
	if len(co.Network.Ports) > 0 || o.publishAll {
		fmt.Fprintln(a.err, "Warning: ports are not published: that takes a network, which this version does not have yet")
	}
	return co, nil
}

func (o *identityFlags) read(_ *pflag.FlagSet, co *engine.CreateOptions) (err error) {
	if o.gpus != "" {
		return errdefs.NotImplemented("--gpus is not there: give the devices with --device")
	}
	co.Name, co.Replace, co.AutoRemove, co.Requires = strings.TrimPrefix(o.name, "/"), o.replace, o.remove, o.requires
	if o.replace && o.name == "" {
		return errdefs.Invalid("--replace needs --name")
	}
	if o.cidfile != "" {
		if co.CIDFile, err = filepath.Abs(o.cidfile); err != nil {
			return errdefs.Invalid("--cidfile: %w", err)
		}
	}
	if co.Pull, err = pullPolicy(o.pull); err != nil {
		return err
	}
	if co.Platform, err = o.imagePlatform(); err != nil {
		return err
	}
	if co.Restart, err = restartPolicy(o.restart); err != nil {
		return err
	}
	if co.Labels, err = o.allLabels(); err != nil {
		return err
	}
	if co.Annotations, err = container.ParseLabels(o.annotations); err != nil {
		return fmt.Errorf("--annotation: %w", err)
	}
	return o.readLog(&co.Log)
}

// pullPolicy reads --pull. Docker's and podman's older true and false are there too.
func pullPolicy(text string) (engine.PullPolicy, error) {
	switch p := engine.PullPolicy(strings.ToLower(text)); p {
	case engine.PullAlways, engine.PullMissing, engine.PullNever, engine.PullNewer:
		return p, nil
	case "", "ifnotpresent":
		return engine.PullMissing, nil
	case "true":
		return engine.PullAlways, nil
	case "false":
		return engine.PullNever, nil
	}
	return "", errdefs.Invalid("--pull %q: choose always, missing, never or newer", text)
}

// imagePlatform joins --os, --arch and --variant, or is --platform.
func (o *identityFlags) imagePlatform() (string, error) {
	if o.os == "" && o.arch == "" && o.variant == "" {
		return o.platform, nil
	}
	if o.platform != "" {
		return "", errdefs.Invalid("--platform and --os, --arch, --variant exclude each other")
	}
	p := orElse(o.os, "linux") + "/" + orElse(o.arch, runtime.GOARCH)
	if o.variant != "" {
		p += "/" + o.variant
	}
	return p, nil
}

// allLabels are those of the files and those of the command line, which win.
func (o *identityFlags) allLabels() (map[string]string, error) {
	labels := map[string]string{}
	for _, path := range o.labelFiles {
		f, err := os.Open(path)
		if err != nil {
			return nil, errdefs.Invalid("--label-file: %w", err)
		}
		fromFile, err := container.ParseLabelFile(f, path)
		f.Close()
		if err != nil {
			return nil, err
		}
		maps.Copy(labels, fromFile)
	}
	own, err := container.ParseLabels(o.labels)
	if err != nil {
		return nil, err
	}
	maps.Copy(labels, own)
	return labels, nil
}

func (o *identityFlags) readLog(l *container.Log) error {
	if o.logDriver != "" {
		if err := container.CheckLogDriver(o.logDriver); err != nil {
			return err
		}
	}
	l.Driver = o.logDriver
	for _, opt := range o.logOpts {
		if err := l.Apply(opt); err != nil {
			return err
		}
	}
	return nil
}

func (o *processFlags) read(f *pflag.FlagSet, co *engine.CreateOptions) (err error) {
	if f.Changed("entrypoint") {
		argv, err := commandList("--entrypoint", o.entrypoint)
		if err != nil {
			return err
		}
		co.Entrypoint = &argv
	}
	own, err := o.env.list()
	if err != nil {
		return err
	}
	co.Env = append(o.inherited(), own...)
	co.UnsetEnv, co.UnsetAll = o.unsetEnv, o.unsetEnvAll
	co.WorkDir, co.User, co.Groups, co.HostUsers = o.workdir, o.user, o.groups, o.hostUsers
	co.Terminal, co.Stdin = o.tty, o.interactive
	co.Init, co.InitPath = o.init || o.initPath != "", o.initPath
	co.StopSignal, co.PreserveFDs, co.Timezone = o.stopSignal, o.preserveFDs, o.timezone
	if err := o.check(); err != nil {
		return err
	}
	if o.umask != "" {
		if co.Umask, err = container.ParseUmask(o.umask); err != nil {
			return err
		}
	}
	if f.Changed("stop-timeout") {
		if o.stopTimeout < 0 {
			o.stopTimeout = int(^uint32(0) >> 1) // -1 waits for ever, which sixty-eight years are
		}
		seconds := uint(o.stopTimeout)
		co.StopTimeout = &seconds
	}
	return nil
}

// check refuses values before anything is made.
func (o *processFlags) check() error {
	if o.workdir != "" && !strings.HasPrefix(o.workdir, "/") {
		return errdefs.Invalid("--workdir %q: write an absolute path", o.workdir)
	}
	if o.user != "" {
		if err := container.CheckUser(o.user); err != nil {
			return err
		}
	}
	if o.stopSignal != "" {
		if _, err := container.ParseSignal(o.stopSignal); err != nil {
			return err
		}
	}
	return nil
}

// inherited is what of this command's own environment goes into the container's.
func (o *processFlags) inherited() []string {
	if o.envHost {
		return os.Environ()
	}
	if !o.httpProxy {
		return nil
	}
	var env []string
	for _, name := range []string{"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// commandList reads a command that is one word or a JSON list. Empty is an empty list.
func commandList(flag, text string) ([]string, error) {
	if strings.HasPrefix(text, "[") {
		var argv []string
		if err := json.Unmarshal([]byte(text), &argv); err != nil {
			return nil, errdefs.Invalid("%s %s: not a JSON list of strings", flag, text)
		}
		return argv, nil
	}
	if text == "" {
		return []string{}, nil
	}
	return []string{text}, nil
}

func (o *isolationFlags) read(_ *pflag.FlagSet, co *engine.CreateOptions) (err error) {
	ns := &co.Namespaces
	for _, n := range []struct {
		kind container.NamespaceKind
		text string
		to   *container.Namespace
	}{
		{container.PIDNamespace, o.pid, &ns.PID},
		{container.IPCNamespace, o.ipc, &ns.IPC},
		{container.UTSNamespace, o.uts, &ns.UTS},
		{container.CgroupNamespace, o.cgroupns, &ns.Cgroup},
		{container.UserNamespace, o.userns, &ns.User},
	} {
		if n.text == "" {
			continue
		}
		if *n.to, err = container.ParseNamespace(n.kind, n.text); err != nil {
			return err
		}
	}
	if ns.UIDMap, err = idMaps(o.uidmap); err != nil {
		return fmt.Errorf("--uidmap: %w", err)
	}
	if ns.GIDMap, err = idMaps(o.gidmap); err != nil {
		return fmt.Errorf("--gidmap: %w", err)
	}
	if o.hostname != "" {
		if err := container.CheckHostname(o.hostname); err != nil {
			return err
		}
	}
	ns.Hostname = o.hostname
	return o.completeMaps(ns)
}

func idMaps(values []string) ([]container.IDMap, error) {
	var maps []container.IDMap
	for _, v := range values {
		m, err := container.ParseIDMap(v)
		if err != nil {
			return nil, err
		}
		maps = append(maps, m)
	}
	return maps, nil
}

// completeMaps makes a user namespace of maps, and one map of the other.
func (o *isolationFlags) completeMaps(ns *container.Namespaces) error {
	if len(ns.UIDMap) == 0 && len(ns.GIDMap) == 0 {
		return nil
	}
	switch ns.User.Mode {
	case container.Default, container.Private:
		ns.User.Mode = container.Private
	default:
		return errdefs.Invalid("--userns %s and --uidmap exclude each other", o.userns)
	}
	if len(ns.GIDMap) == 0 {
		ns.GIDMap = ns.UIDMap
	}
	if len(ns.UIDMap) == 0 {
		ns.UIDMap = ns.GIDMap
	}
	return nil
}

func (o *securityFlags) read(_ *pflag.FlagSet, co *engine.CreateOptions) (err error) {
	sec := &co.Security
	sec.Privileged = o.privileged
	if sec.CapAdd, err = container.ParseCapabilities(o.capAdd); err != nil {
		return fmt.Errorf("--cap-add: %w", err)
	}
	if sec.CapDrop, err = container.ParseCapabilities(o.capDrop); err != nil {
		return fmt.Errorf("--cap-drop: %w", err)
	}
	for _, opt := range o.securityOpts {
		if err := sec.Apply(opt); err != nil {
			return err
		}
	}
	if err := readSeccomp(sec); err != nil {
		return err
	}
	for _, s := range o.sysctls {
		name, value, err := container.ParseSysctl(s)
		if err != nil {
			return fmt.Errorf("--sysctl: %w", err)
		}
		if sec.Sysctl == nil {
			sec.Sysctl = map[string]string{}
		}
		sec.Sysctl[name] = value
	}
	for _, s := range o.devices {
		d, err := container.ParseDevice(s)
		if err != nil {
			return fmt.Errorf("--device: %w", err)
		}
		co.Devices = append(co.Devices, d)
	}
	co.Resources.DeviceCgroupRules = o.deviceRules
	return nil
}

// readSeccomp reads the seccomp profile that the options name.
func readSeccomp(sec *container.Security) error {
	if sec.Seccomp == "" || sec.Seccomp == container.Unconfined {
		return nil
	}
	data, err := os.ReadFile(sec.Seccomp)
	if err != nil {
		return errdefs.Invalid("--security-opt seccomp=%s: %w", sec.Seccomp, err)
	}
	sec.SeccompProfile = string(data)
	return nil
}

func (o *limitFlags) read(f *pflag.FlagSet, co *engine.CreateOptions) (err error) {
	r := &co.Resources
	for _, size := range []struct {
		flag, text string
		to         *int64
		parse      func(string) (int64, error)
	}{
		{"memory", o.memory, &r.Memory, container.ParseSize},
		{"memory-swap", o.memorySwap, &r.MemorySwap, container.ParseSizeOrUnlimited},
		{"memory-reservation", o.memoryReservation, &r.MemoryReservation, container.ParseSize},
		{"shm-size", o.shmSize, &co.ShmSize, container.ParseSize},
	} {
		if size.text == "" {
			continue
		}
		if *size.to, err = size.parse(size.text); err != nil {
			return fmt.Errorf("--%s: %w", size.flag, err)
		}
	}
	if o.swappiness >= 0 {
		swappiness := uint64(o.swappiness)
		r.MemorySwappiness = &swappiness
	}
	if f.Changed("oom-score-adj") {
		co.OOMScoreAdj = &o.oomScoreAdj
	}
	r.CPUShares, r.CPUPeriod, r.CPUQuota, r.CPUSetCPUs, r.CPUSetMems = o.cpuShares, o.cpuPeriod, o.cpuQuota, o.cpusetCPUs, o.cpusetMems
	r.OOMKillDisable, r.PidsLimit, r.BlkioWeight, r.CgroupParent = o.oomKillDisable, o.pidsLimit, o.blkioWeight, o.cgroupParent
	if f.Changed("pids-limit") && o.pidsLimit == 0 {
		r.PidsLimit = -1 // Docker's and podman's 0 is no limit
	}
	if err := o.readCPUs(r); err != nil {
		return err
	}
	switch o.cgroups {
	case "", "enabled":
	case "disabled":
		r.Cgroups = o.cgroups
	default:
		return errdefs.Invalid("--cgroups %q: choose enabled or disabled", o.cgroups)
	}
	for _, s := range o.ulimits {
		if s == container.HostLimits {
			co.Rlimits = append(co.Rlimits, ownLimits()...)
			continue
		}
		l, err := container.ParseUlimit(s)
		if err != nil {
			return err
		}
		co.Rlimits = append(co.Rlimits, l)
	}
	return r.Validate()
}

// readCPUs reads --cpus, which is a period and a quota.
func (o *limitFlags) readCPUs(r *container.Resources) (err error) {
	if o.cpus == "" {
		return nil
	}
	if o.cpuPeriod != 0 || o.cpuQuota != 0 {
		return errdefs.Invalid("--cpus and --cpu-period, --cpu-quota exclude each other")
	}
	if r.CPUPeriod, r.CPUQuota, err = container.ParseCPUs(o.cpus); err != nil {
		return fmt.Errorf("--cpus: %w", err)
	}
	return nil
}

func (o *storageFlags) read(f *pflag.FlagSet, co *engine.CreateOptions) error {
	cwd, err := os.Getwd()
	if err != nil {
		return errdefs.Unavailable("the working directory is not to be found: %w", err)
	}
	for _, list := range []struct {
		flag   string
		values []string
		parse  func(string) (container.Mount, error)
	}{
		{"volume", o.volumes, func(s string) (container.Mount, error) { return container.ParseVolume(s, cwd) }},
		{"mount", o.mounts, func(s string) (container.Mount, error) { return container.ParseMount(s, cwd) }},
		{"tmpfs", o.tmpfs, container.ParseTmpfs},
	} {
		for _, value := range list.values {
			m, err := list.parse(value)
			if err != nil {
				return fmt.Errorf("--%s: %w", list.flag, err)
			}
			co.Mounts = append(co.Mounts, m)
		}
	}
	kind, ok := imageVolumeKinds[o.imageVolumes]
	if !ok {
		return errdefs.Invalid("--image-volume %q: choose anonymous, tmpfs or ignore", o.imageVolumes)
	}
	co.ImageVolumes, co.VolumesFrom, co.ReadOnly = kind, o.volumesFrom, o.readOnly
	if f.Changed("read-only-tmpfs") {
		co.ReadWriteTmpfs = &o.readOnlyTmpfs
	}
	return nil
}

func (o *networkFlags) read(_ *pflag.FlagSet, co *engine.CreateOptions) (err error) {
	if len(o.network) > 1 {
		return errdefs.NotImplemented("--network more than once: networks are still to come")
	}
	for _, text := range o.network {
		if co.Network.Namespace, err = networkNamespace(text); err != nil {
			return err
		}
	}
	for _, p := range o.publish {
		port, err := container.ParsePort(p)
		if err != nil {
			return fmt.Errorf("--publish: %w", err)
		}
		co.Network.Ports = append(co.Network.Ports, port)
	}
	var hosts []string
	for _, h := range o.addHosts {
		names, err := container.ParseAddHost(h)
		if err != nil {
			return err
		}
		hosts = append(hosts, names...)
	}
	co.Hosts = container.HostsConfig{
		Add: hosts, NoHosts: o.noHosts, NoHostname: o.noHostname,
		DNS: o.dns, DNSSearch: o.dnsSearch, DNSOptions: o.dnsOptions,
	}
	return nil
}

// networkNamespace reads --network. A name, or bridge, is a network, and there are none yet.
func networkNamespace(text string) (container.Namespace, error) {
	kind, _, _ := strings.Cut(text, ":")
	switch kind {
	case "none", "host", "container", "ns", "private":
		return container.ParseNamespace(container.NetworkNamespace, text)
	case "":
		return container.Namespace{}, nil
	}
	return container.Namespace{}, errdefs.NotImplemented(
		"--network %s: networks are still to come; choose none, host, container:NAME or ns:PATH", text)
}

func (o *healthFlags) read(f *pflag.FlagSet, co *engine.CreateOptions) (err error) {
	co.NoHealthcheck = o.disabled
	h := container.Health{Retries: int(o.retries), OnFailure: o.onFailure}
	changed := o.retries > 0 || o.onFailure != ""
	if o.cmd != "" {
		if h.Test, err = container.ParseHealthCommand(o.cmd); err != nil {
			return err
		}
		changed = true
	}
	for _, d := range []struct {
		flag, text string
		to         *time.Duration
	}{
		{"--health-interval", o.interval, &h.Interval}, {"--health-timeout", o.timeout, &h.Timeout},
		{"--health-start-period", o.startPeriod, &h.StartPeriod}, {"--health-start-interval", o.startInterval, &h.StartInterval},
	} {
		if d.text == "" {
			continue
		}
		if *d.to, err = container.ParseHealthDuration(d.flag, d.text); err != nil {
			return err
		}
		changed = true
	}
	if changed {
		co.Health = &h
		return h.Validate()
	}
	return nil
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
