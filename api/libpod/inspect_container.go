package libpod

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
)

// InspectContainer makes the document of a container.
func InspectContainer(d *engine.Details) *InspectContainerData {
	c := &d.Config
	data := &InspectContainerData{
		ID: c.ID, Created: c.Created, Name: c.Name, Namespace: c.Namespace, Pod: c.Pod,
		State: inspectState(d),
		Image: c.Image.ID, ImageDigest: c.Image.Digest, ImageName: c.Image.Name, Rootfs: c.RootfsPath,
		ResolvConfPath: d.Paths.ResolvConf, HostnamePath: d.Paths.Hostname, HostsPath: d.Paths.Hosts,
		StaticDir: d.Paths.Root, OCIRuntime: d.RuntimeName,
		ConmonPidFile: d.Paths.MonitorPidFile, PidFile: d.Paths.PidFile, LogPath: d.Paths.Log,
		RestartCount: int32(d.State.Restarts), Driver: d.StorageDriver, Platform: c.Image.OS,
		AppArmorProfile: c.Security.AppArmor,
		EffectiveCaps:   list(d.EffectiveCaps), BoundingCaps: list(d.BoundingCaps), ExecIDs: list(d.Execs),
		GraphDriver:     inspectDriver(d),
		Mounts:          inspectMounts(d.Mounts),
		Dependencies:    list(c.Dependencies),
		NetworkSettings: inspectNetwork(c),
		Config:          inspectConfig(c),
		HostConfig:      inspectHostConfig(d),
	}
	if d.Paths.Bundle != "" && d.Spec != nil {
		data.OCIConfigPath = filepath.Join(d.Paths.Bundle, "config.json")
	}
	if args := c.Process.Args(); len(args) > 0 {
		data.Path, data.Args = args[0], list(args[1:])
	} else {
		data.Args = []string{}
	}
	if d.Size != nil {
		data.SizeRw, data.SizeRootFs = &d.Size.RW, &d.Size.RootFS
	}
	return data
}

func inspectState(d *engine.Details) *InspectContainerState {
	s := &d.State
	state := &InspectContainerState{
		OciVersion:    ociVersion(d.Spec),
		Status:        string(d.Status),
		Running:       d.Status == container.Running || d.Status == container.Stopping,
		Paused:        d.Status == container.Paused,
		Restarting:    d.Status == container.Restarting,
		OOMKilled:     s.OOMKilled,
		ExitCode:      int32(s.ExitCode),
		Error:         s.Error,
		StartedAt:     s.Started,
		FinishedAt:    s.Finished,
		StoppedByUser: s.StoppedByUser,
	}
	if d.Status.Alive() {
		state.Pid, state.ConmonPid = s.PID, s.MonitorPID
		state.CgroupPath = s.CgroupPath
	}
	if s.Health != nil {
		state.Health = &HealthResults{Status: s.Health.Status, FailingStreak: s.Health.FailingStreak, Log: []HealthCheckLog{}}
		for _, c := range s.Health.Log {
			state.Health.Log = append(state.Health.Log, HealthCheckLog{
				Start: c.Start.Format(time.RFC3339Nano), End: c.End.Format(time.RFC3339Nano), ExitCode: c.ExitCode, Output: c.Output,
			})
		}
	}
	return state
}

// ociVersion is the version of the runtime specification that the bundle was written for.
func ociVersion(spec []byte) string {
	var head struct {
		Version string `json:"ociVersion"`
	}
	if len(spec) == 0 || json.Unmarshal(spec, &head) != nil {
		return ""
	}
	return head.Version
}

func inspectDriver(d *engine.Details) *DriverData {
	data := map[string]string{}
	for name, value := range map[string]string{
		"LowerDir": strings.Join(d.LowerDirs, ":"), "UpperDir": d.UpperDir, "WorkDir": d.WorkDir, "MergedDir": d.Merged,
	} {
		if value != "" {
			data[name] = value
		}
	}
	return &DriverData{Name: d.StorageDriver, Data: data}
}

func inspectMounts(mounts []engine.ResolvedMount) []Mount {
	out := make([]Mount, 0, len(mounts))
	for _, m := range mounts {
		out = append(out, Mount{
			Type: m.Type, Name: m.Name, Source: m.Source, Destination: m.Destination, Driver: m.Driver,
			Mode: m.Mode, Options: list(m.Options), RW: m.RW, Propagation: m.Propagation,
		})
	}
	return out
}

func inspectNetwork(c *container.Config) *NetworkData {
	n := &NetworkData{Ports: PortBindings(c.Network.Ports)}
	if mode := NetworkMode(c.Network.Namespace); mode == "none" || mode == "host" {
		n.Networks = map[string]*Endpoint{mode: {NetworkID: mode, Aliases: []string{}}}
	}
	return n
}

// PortBindings are published ports by "PORT/PROTOCOL" of the container. A range has one entry a port.
func PortBindings(ports []container.Port) map[string][]HostPort {
	out := map[string][]HostPort{}
	for _, p := range ports {
		for i := range max(p.Range, 1) {
			key := fmt.Sprintf("%d/%s", p.ContainerPort+i, p.Protocol)
			out[key] = append(out[key], HostPort{HostIP: p.HostIP, HostPort: strconv.Itoa(int(p.HostPort + i))})
		}
	}
	return out
}

// NetworkMode is a network namespace as --network takes it.
func NetworkMode(n container.Namespace) string {
	if n.Mode == container.Default {
		return string(container.None)
	}
	return namespaceMode(n)
}

// namespaceMode is a namespace as its flag takes it: private, host, container:ID, ns:PATH.
func namespaceMode(n container.Namespace) string {
	switch {
	case n.Mode == container.Default:
		return string(container.Private)
	case n.Target != "":
		return string(n.Mode) + ":" + n.Target
	}
	return string(n.Mode)
}

func inspectConfig(c *container.Config) *InspectContainerConfig {
	p := &c.Process
	config := &InspectContainerConfig{
		Hostname: c.Namespaces.Hostname, User: p.User, Tty: p.Terminal, OpenStdin: p.Stdin, StdinOnce: p.StdinOnce,
		Env: list(p.Env), Cmd: list(p.Command), Image: c.Image.Name, WorkingDir: p.WorkDir, Entrypoint: list(p.Entrypoint),
		Labels: dict(c.Labels), Annotations: dict(c.Annotations),
		StopSignal: container.SignalName(c.StopSignal), StopTimeout: c.StopTimeout,
		CreateCommand: c.CreateCommand, Timezone: c.Timezone, Umask: c.Umask,
	}
	if config.Hostname == "" && len(c.ID) >= 12 {
		config.Hostname = c.ID[:12]
	}
	for _, m := range c.Mounts {
		if m.FromImage {
			if config.Volumes == nil {
				config.Volumes = map[string]struct{}{}
			}
			config.Volumes[m.Destination] = struct{}{}
		}
	}
	if h := c.Health; h != nil {
		config.Healthcheck = &Healthcheck{
			Test: h.Test, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod,
			StartInterval: h.StartInterval, Retries: h.Retries,
		}
		config.HealthcheckOnFailureAction = h.OnFailure
	}
	return config
}

func inspectHostConfig(d *engine.Details) *InspectContainerHostConfig {
	c := &d.Config
	r, sec, ns := &c.Resources, &c.Security, &c.Namespaces
	h := &InspectContainerHostConfig{
		Binds: binds(c.Mounts), Tmpfs: tmpfs(c.Mounts),
		CgroupManager: d.CgroupManager, CgroupMode: namespaceMode(ns.Cgroup), ContainerIDFile: c.CIDFile,
		LogConfig:   logConfig(c.Log, d.Paths.Log),
		NetworkMode: NetworkMode(c.Network.Namespace), PortBindings: PortBindings(c.Network.Ports),
		RestartPolicy: &RestartPolicy{Name: orDefault(c.Restart.Name, "no"), MaximumRetryCount: c.Restart.MaxRetries},
		AutoRemove:    c.AutoRemove, VolumesFrom: []string{},
		CapAdd: list(sec.CapAdd), CapDrop: list(sec.CapDrop), Privileged: sec.Privileged, SecurityOpt: securityOpts(sec),
		Sysctls: sec.Sysctl,
		DNS:     list(c.Hosts.DNS), DNSOptions: list(c.Hosts.DNSOptions), DNSSearch: list(c.Hosts.DNSSearch),
		ExtraHosts: list(c.Hosts.Add), GroupAdd: list(c.Process.Groups),
		IpcMode: namespaceMode(ns.IPC), PidMode: namespaceMode(ns.PID), UTSMode: namespaceMode(ns.UTS),
		UsernsMode: usernsMode(ns.User), IDMappings: idMappings(ns),
		Cgroups: orDefault(r.Cgroups, "default"), Links: []string{}, ReadonlyRootfs: c.ReadOnly,
		ShmSize: c.ShmSize, Runtime: d.RuntimeName, ConsoleSize: []uint{0, 0}, Init: c.Init,
		Devices: devices(c.Devices), DeviceCgroupRules: r.DeviceCgroupRules, Ulimits: ulimits(c.Process.Rlimits),
	}
	if c.Process.OOMScoreAdj != nil {
		h.OomScoreAdj = *c.Process.OOMScoreAdj
	}
	limits(h, r)
	return h
}

// limits are the control group's.
func limits(h *InspectContainerHostConfig, r *container.Resources) {
	h.CPUShares, h.CPUPeriod, h.CPUQuota = r.CPUShares, r.CPUPeriod, r.CPUQuota
	if r.CPUPeriod > 0 && r.CPUQuota > 0 {
		h.NanoCPUs = int64(float64(r.CPUQuota) / float64(r.CPUPeriod) * 1e9)
	}
	h.CpusetCpus, h.CpusetMems = r.CPUSetCPUs, r.CPUSetMems
	h.Memory, h.MemorySwap, h.MemoryReservation = r.Memory, r.MemorySwap, r.MemoryReservation
	h.MemorySwappiness = -1
	if r.MemorySwappiness != nil {
		h.MemorySwappiness = int64(*r.MemorySwappiness)
	}
	h.OomKillDisable, h.PidsLimit, h.BlkioWeight, h.CgroupParent = r.OOMKillDisable, r.PidsLimit, r.BlkioWeight, r.CgroupParent
}

// binds are the bind mounts and named volumes as -v takes them.
func binds(mounts []container.Mount) []string {
	out := []string{}
	for _, m := range mounts {
		if m.Type == container.Tmpfs || m.FromImage {
			continue
		}
		options := append([]string{access(m.ReadOnly)}, m.Options...)
		if m.Relabel != "" {
			options = append(options, m.Relabel)
		}
		out = append(out, m.Source+":"+m.Destination+":"+strings.Join(options, ","))
	}
	return out
}

func tmpfs(mounts []container.Mount) map[string]string {
	out := map[string]string{}
	for _, m := range mounts {
		if m.Type == container.Tmpfs {
			out[m.Destination] = strings.Join(append([]string{access(m.ReadOnly)}, m.Options...), ",")
		}
	}
	return out
}

func access(readOnly bool) string {
	if readOnly {
		return "ro"
	}
	return "rw"
}

func logConfig(l container.Log, path string) *LogConfig {
	size := "0B"
	config := map[string]string{}
	if l.MaxSize > 0 {
		size = units.HumanSize(float64(l.MaxSize))
		config["max-size"] = strconv.FormatInt(l.MaxSize, 10)
	}
	if l.MaxFiles > 0 {
		config["max-file"] = strconv.Itoa(l.MaxFiles)
	}
	if l.Path != "" {
		path = l.Path
	}
	return &LogConfig{Type: l.Driver, Config: config, Path: path, Tag: l.Tag, Size: size}
}

// securityOpts are the settings as --security-opt takes them.
func securityOpts(s *container.Security) []string {
	out := []string{}
	add := func(name, value string) {
		if value != "" {
			out = append(out, name+"="+value)
		}
	}
	if s.NoNewPrivileges {
		out = append(out, "no-new-privileges")
	}
	add("seccomp", s.Seccomp)
	add("apparmor", s.AppArmor)
	for _, l := range s.Labels {
		add("label", l)
	}
	add("mask", strings.Join(s.Mask, ":"))
	add("unmask", strings.Join(s.Unmask, ":"))
	return out
}

// usernsMode is empty for the host's user namespace, as in Docker and podman.
func usernsMode(n container.Namespace) string {
	if n.Mode == container.Default || n.Mode == container.Host {
		return ""
	}
	return namespaceMode(n)
}

func idMappings(ns *container.Namespaces) *IDMappings {
	if len(ns.UIDMap) == 0 && len(ns.GIDMap) == 0 {
		return nil
	}
	return &IDMappings{UIDMap: idMap(ns.UIDMap), GIDMap: idMap(ns.GIDMap)}
}

func idMap(maps []container.IDMap) []string {
	out := make([]string, 0, len(maps))
	for _, m := range maps {
		out = append(out, fmt.Sprintf("%d:%d:%d", m.ContainerID, m.HostID, m.Size))
	}
	return out
}

func devices(ds []container.Device) []Device {
	out := make([]Device, 0, len(ds))
	for _, d := range ds {
		out = append(out, Device{PathOnHost: d.Source, PathInContainer: d.Destination, CgroupPermissions: d.Access})
	}
	return out
}

func ulimits(rs []container.Rlimit) []Ulimit {
	out := make([]Ulimit, 0, len(rs))
	for _, r := range rs {
		out = append(out, Ulimit{Name: "RLIMIT_" + strings.ToUpper(r.Name), Soft: r.Soft, Hard: r.Hard})
	}
	return out
}

// list makes nil an empty list, which is what clients expect to read.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func dict(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
