package container

import "github.com/berth-engine/berth/errdefs"

// Validate checks the limits against each other. ErrInvalidArgument.
func (r Resources) Validate() error {
	switch {
	case r.Memory < 0:
		return errdefs.Invalid("memory limit %d is negative", r.Memory)
	case r.MemoryReservation < 0:
		return errdefs.Invalid("memory reservation %d is negative", r.MemoryReservation)
	case r.MemorySwap < -1:
		return errdefs.Invalid("memory and swap limit %d is negative: -1 is without limit", r.MemorySwap)
	case r.MemorySwap > 0 && r.Memory == 0:
		return errdefs.Invalid("a limit of swap needs one of memory: give --memory too")
	case r.MemorySwap > 0 && r.MemorySwap < r.Memory:
		return errdefs.Invalid("the limit of memory and swap together, %d, is below the limit of memory, %d", r.MemorySwap, r.Memory)
	case r.Memory > 0 && r.MemoryReservation > r.Memory:
		return errdefs.Invalid("the memory reservation, %d, is above the memory limit, %d", r.MemoryReservation, r.Memory)
	case r.MemorySwappiness != nil && *r.MemorySwappiness > 100:
		return errdefs.Invalid("swappiness %d is not within 0 and 100", *r.MemorySwappiness)
	case r.BlkioWeight != 0 && (r.BlkioWeight < 10 || r.BlkioWeight > 1000):
		return errdefs.Invalid("block I/O weight %d is not within 10 and 1000", r.BlkioWeight)
	case r.PidsLimit < -1:
		return errdefs.Invalid("limit of processes %d is negative: -1 is without limit", r.PidsLimit)
	case r.Cgroups != "" && r.Cgroups != "enabled" && r.Cgroups != "disabled":
		return errdefs.Invalid("cgroups %q is neither enabled nor disabled", r.Cgroups)
	case r.Cgroups == "disabled" && r.limited():
		return errdefs.Invalid("a container without a control group of its own has no limits, and no place for it: leave out the limits and --cgroup-parent, or --cgroups disabled")
	}
	return r.validateCPU()
}

// limited reports whether anything is asked of the control group.
func (r Resources) limited() bool {
	return r.Memory != 0 || r.MemorySwap != 0 || r.MemoryReservation != 0 || r.MemorySwappiness != nil || r.OOMKillDisable ||
		r.CPUShares != 0 || r.CPUPeriod != 0 || r.CPUQuota != 0 || r.CPUSetCPUs != "" || r.CPUSetMems != "" || r.PidsLimit > 0 ||
		r.BlkioWeight != 0 || r.CgroupParent != "" || len(r.DeviceCgroupRules) > 0
}

// The bounds of the kernel's scheduler for a period and a quota, in microseconds.
const (
	minCPUPeriod = 1000
	maxCPUPeriod = 1000000
	minCPUQuota  = 1000
)

func (r Resources) validateCPU() error {
	switch {
	case r.CPUPeriod != 0 && (r.CPUPeriod < minCPUPeriod || r.CPUPeriod > maxCPUPeriod):
		return errdefs.Invalid("CPU period %d is not within %d and %d microseconds", r.CPUPeriod, minCPUPeriod, maxCPUPeriod)
	case r.CPUQuota > 0 && r.CPUQuota < minCPUQuota:
		return errdefs.Invalid("CPU quota %d is below %d microseconds", r.CPUQuota, minCPUQuota)
	}
	if err := checkCPUList("CPUs", r.CPUSetCPUs); err != nil {
		return err
	}
	return checkCPUList("memory nodes", r.CPUSetMems)
}
