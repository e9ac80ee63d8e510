package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
)

// The flags that say what a container gets of the host: limits, mounts, network; and how its health is checked.

func (o *limitFlags) read(f *pflag.FlagSet, co *engine.CreateOptions) error {
	if err := o.values(f, co); err != nil {
		return err
	}
	return co.Resources.Validate()
}

// values reads the flags' values, each for itself.
func (o *limitFlags) values(f *pflag.FlagSet, co *engine.CreateOptions) (err error) {
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
	return nil
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

func (o *healthFlags) read(_ *pflag.FlagSet, co *engine.CreateOptions) (err error) {
	co.NoHealthcheck = o.disabled
	co.Health, err = o.check()
	return err
}

// check is the health check that the flags give, with zero for what they do not; nil for none of them.
func (o *healthFlags) check() (*container.Health, error) {
	h := container.Health{Retries: int(o.retries), OnFailure: o.onFailure}
	changed := o.retries > 0 || o.onFailure != ""
	var err error
	if o.cmd != "" {
		if h.Test, err = container.ParseHealthCommand(o.cmd); err != nil {
			return nil, err
		}
		changed = true
	}
	for _, d := range []struct {
		flag, text string
		to         *time.Duration
	}{
		{"health-interval", o.interval, &h.Interval}, {"health-timeout", o.timeout, &h.Timeout},
		{"health-start-period", o.startPeriod, &h.StartPeriod}, {"health-start-interval", o.startInterval, &h.StartInterval},
	} {
		if d.text == "" {
			continue
		}
		if *d.to, err = container.ParseHealthDuration(d.flag, d.text); err != nil {
			return nil, err
		}
		changed = true
	}
	if !changed {
		return nil, nil
	}
	return &h, h.Validate()
}
