package ocispec

import (
	"reflect"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/host"
)

// What a control group has where nobody sets a limit (Linux, admin-guide/cgroup-v1, in whose words the spec is; runc and crun convert
// them).
const (
	noLimit       = -1
	defaultShares = 1024
	defaultPeriod = 100000 // microseconds
	// allPIDs is the most processes that there can be (PID_MAX_LIMIT), allCPUTime the time of all processors that there can be in a
	// period: crun 1.8 writes a limit of -1 of the two so that the kernel refuses it.
	allPIDs    = 1 << 22
	allCPUTime = 8192 * defaultPeriod
)

// defaultWeight is a group's weight for block I/O where none is set.
func defaultWeight(h host.Facts) uint16 {
	if h.Cgroups.Mode == host.Unified {
		return 100
	}
	return 500
}

// Update is what a running container's control group has to be told so that its limits are those of after instead of before: the
// parts that differ, a limit that is taken away as one without bound. What this host cannot limit is left out, with a warning. Nil if
// nothing differs. A set of processors or memory nodes that is taken away stays in force: name all of the host's instead.
//
// ErrInvalidArgument when after cannot be right.
func Update(before, after container.Resources, h host.Facts) (*specs.LinuxResources, []string, error) {
	was, _, err := limits(before, h)
	if err != nil {
		return nil, nil, err
	}
	is, warnings, err := limits(after, h)
	if err != nil {
		return nil, nil, err
	}
	changed := &specs.LinuxResources{}
	if !reflect.DeepEqual(was.Memory, is.Memory) {
		changed.Memory = memoryChange(was.Memory, is.Memory)
	}
	if !reflect.DeepEqual(was.CPU, is.CPU) {
		changed.CPU = cpuChange(was.CPU, is.CPU)
	}
	if !reflect.DeepEqual(was.Pids, is.Pids) {
		changed.Pids = is.Pids
		if is.Pids == nil {
			changed.Pids = &specs.LinuxPids{Limit: pointer(int64(allPIDs))}
		}
	}
	if !reflect.DeepEqual(was.BlockIO, is.BlockIO) {
		changed.BlockIO = is.BlockIO
		if is.BlockIO == nil {
			changed.BlockIO = &specs.LinuxBlockIO{Weight: pointer(defaultWeight(h))}
		}
	}
	if reflect.DeepEqual(changed, &specs.LinuxResources{}) {
		return nil, warnings, nil
	}
	return changed, warnings, nil
}

// limits are the limits as Build has them.
func limits(r container.Resources, h host.Facts) (*specs.LinuxResources, []string, error) {
	b := &builder{Input: Input{Config: &container.Config{Resources: r}, Host: h}}
	b.spec.Linux = &specs.Linux{Resources: &specs.LinuxResources{}}
	if err := b.resources(); err != nil {
		return nil, nil, err
	}
	if b.spec.Linux.Resources == nil { // --cgroups disabled
		return &specs.LinuxResources{}, b.warnings, nil
	}
	return b.spec.Linux.Resources, b.warnings, nil
}

// memoryChange has all of is, since a limit of memory and swap is checked against that of memory, and what is there no more.
func memoryChange(was, is *specs.LinuxMemory) *specs.LinuxMemory {
	if was == nil {
		return is
	}
	m := specs.LinuxMemory{}
	if is != nil {
		m = *is
	}
	for _, limit := range []struct {
		was *int64
		is  **int64
	}{{was.Limit, &m.Limit}, {was.Swap, &m.Swap}, {was.Reservation, &m.Reservation}} {
		if limit.was != nil && *limit.is == nil {
			*limit.is = pointer(int64(noLimit))
		}
	}
	return &m
}

func cpuChange(was, is *specs.LinuxCPU) *specs.LinuxCPU {
	if was == nil {
		return is
	}
	c := specs.LinuxCPU{}
	if is != nil {
		c = *is
	}
	if was.Shares != nil && c.Shares == nil {
		c.Shares = pointer(uint64(defaultShares))
	}
	if was.Period != nil && c.Period == nil {
		c.Period = pointer(uint64(defaultPeriod))
	}
	if was.Quota != nil && c.Quota == nil {
		c.Quota = pointer(int64(allCPUTime))
	}
	return &c
}

func pointer[T any](v T) *T { return &v }
