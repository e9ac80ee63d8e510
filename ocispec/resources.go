package ocispec

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/host"
)

// resources fills in the limits. What this host cannot limit is left out, with a warning. Weights and shares are in the words of
// version 1; the runtime converts them for version 2.
func (b *builder) resources() error {
	r := b.Config.Resources
	if err := r.Validate(); err != nil {
		return err
	}
	if r.Cgroups == "disabled" {
		b.spec.Linux.CgroupsPath = ""
		b.spec.Linux.Resources = nil
		return nil
	}
	out := b.spec.Linux.Resources
	out.Memory = b.memory(r)
	out.CPU = b.cpu(r)
	if r.PidsLimit > 0 && b.can(true, "a limit of processes", "pids") {
		limit := r.PidsLimit
		out.Pids = &specs.LinuxPids{Limit: &limit}
	}
	if r.BlkioWeight != 0 && b.can(b.Host.Cgroups.BlkioWeight, "a weight for block I/O", b.v2("io", "blkio")) {
		weight := r.BlkioWeight
		out.BlockIO = &specs.LinuxBlockIO{Weight: &weight}
	}
	return nil
}

// v2 chooses the name that a controller has under this host's version.
func (b *builder) v2(second, first string) string {
	if b.Host.Cgroups.Mode == host.Unified {
		return second
	}
	return first
}

// can reports whether the controller is there and has what is asked for, and warns if not.
func (b *builder) can(supported bool, what, controller string) bool {
	if !b.Host.Cgroups.Has(controller) {
		b.warnings.add("%s is left out: this host has no %s controller", what, controller)
		return false
	}
	if !supported {
		b.warnings.add("%s is left out: this host's kernel does not support it", what)
	}
	return supported
}

// memory: where nothing is said of swap, a container may use as much swap as memory (Docker's and podman's rule).
func (b *builder) memory(r container.Resources) *specs.LinuxMemory {
	asked := r.Memory != 0 || r.MemorySwap != 0 || r.MemoryReservation != 0 || r.MemorySwappiness != nil || r.OOMKillDisable
	if !asked || !b.can(true, "a limit of memory", "memory") {
		return nil
	}
	m := &specs.LinuxMemory{Limit: positive(r.Memory), Reservation: positive(r.MemoryReservation)}
	switch {
	case r.MemorySwap != 0:
		if b.can(b.Host.Cgroups.SwapLimit, "a limit of swap", "memory") {
			swap := r.MemorySwap
			m.Swap = &swap
		}
	case r.Memory > 0 && b.Host.Cgroups.SwapLimit:
		swap := 2 * r.Memory
		m.Swap = &swap
	}
	v1 := b.Host.Cgroups.Version() == 1
	if r.MemorySwappiness != nil && b.can(v1, "swappiness", "memory") {
		swappiness := *r.MemorySwappiness
		m.Swappiness = &swappiness
	}
	if r.OOMKillDisable && b.can(v1, "disabling the OOM killer", "memory") {
		disable := true
		m.DisableOOMKiller = &disable
	}
	return m
}

func (b *builder) cpu(r container.Resources) *specs.LinuxCPU {
	c := &specs.LinuxCPU{}
	if (r.CPUShares != 0 || r.CPUPeriod != 0 || r.CPUQuota != 0) && b.can(true, "a share of CPU time", "cpu") {
		c.Shares, c.Period, c.Quota = positive(r.CPUShares), positive(r.CPUPeriod), nonzero(r.CPUQuota)
	}
	if (r.CPUSetCPUs != "" || r.CPUSetMems != "") && b.can(true, "a set of CPUs", "cpuset") {
		c.Cpus, c.Mems = r.CPUSetCPUs, r.CPUSetMems
	}
	if *c == (specs.LinuxCPU{}) {
		return nil
	}
	return c
}

// positive is nil for no limit.
func positive[N int64 | uint64](n N) *N {
	if n > 0 {
		return &n
	}
	return nil
}

func nonzero(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}
