package container

// LimitChanges are changes of limits: nil leaves a limit as it is, zero takes it away.
type LimitChanges struct {
	Memory, MemorySwap, MemoryReservation *int64  // bytes; MemorySwap is memory and swap together, -1 unlimited
	MemorySwappiness                      *uint64 // 0 to 100
	CPUShares, CPUPeriod                  *uint64
	CPUQuota                              *int64
	CPUSetCPUs, CPUSetMems                *string
	PidsLimit                             *int64 // -1 unlimited
	BlkioWeight                           *uint16
}

// Empty reports whether nothing changes.
func (c LimitChanges) Empty() bool { return c == LimitChanges{} }

// Apply returns the limits after the changes. Without a word about swap, a limit of swap goes with the memory's.
func (c LimitChanges) Apply(r Resources) Resources {
	change(&r.Memory, c.Memory)
	change(&r.MemorySwap, c.MemorySwap)
	change(&r.MemoryReservation, c.MemoryReservation)
	if c.MemorySwappiness != nil {
		r.MemorySwappiness = c.MemorySwappiness
	}
	if c.Memory != nil && *c.Memory == 0 && c.MemorySwap == nil {
		r.MemorySwap = 0
	}
	change(&r.CPUShares, c.CPUShares)
	change(&r.CPUPeriod, c.CPUPeriod)
	change(&r.CPUQuota, c.CPUQuota)
	change(&r.CPUSetCPUs, c.CPUSetCPUs)
	change(&r.CPUSetMems, c.CPUSetMems)
	change(&r.PidsLimit, c.PidsLimit)
	change(&r.BlkioWeight, c.BlkioWeight)
	return r
}

func change[T any](to *T, by *T) {
	if by != nil {
		*to = *by
	}
}
