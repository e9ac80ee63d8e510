package engine

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/internal/cgroup"
	"github.com/berth-engine/berth/store"
)

// StatsOptions choose containers and how often they are looked at.
type StatsOptions struct {
	// Containers are references; none means those that run at the time of each report.
	Containers []string
	// All, without Containers, reports those that do not run too.
	All bool
	// Interval is the time from one report to the next; zero is one report.
	Interval time.Duration
}

// ContainerStats is what one container uses. Of one that does not run only ID, Name, Status and Time are set.
type ContainerStats struct {
	ID, Name string
	Status   container.Status
	// Time is when the numbers were read, Uptime the time since the start.
	Time   time.Time
	Uptime time.Duration
	// CPU is the processor time used since the start, CPUUser and CPUSystem what of it programs and the kernel used.
	CPU, CPUUser, CPUSystem time.Duration
	// CPUPercent is the processor time used since the last report, or in the first since the start, in percent of that time: 100 is
	// one processor. CPUAverage is the same since the start in every report.
	CPUPercent, CPUAverage float64
	// Memory is in bytes, without page cache that would be given up first. MemoryLimit is the container's, else the machine's memory.
	Memory, MemoryLimit uint64
	MemoryPercent       float64
	PIDs                uint64
	// BlockRead and BlockWritten are bytes.
	BlockRead, BlockWritten uint64
	// Networks are the container's interfaces by name, without the loopback. Nil if it has the host's.
	Networks map[string]NetworkUse
}

// NetworkUse is what has passed through one interface, or all of them.
type NetworkUse struct {
	ReceivedBytes, ReceivedPackets, ReceivedErrors, ReceivedDropped uint64
	SentBytes, SentPackets, SentErrors, SentDropped                 uint64
}

// Network is the sum over the container's interfaces.
func (s *ContainerStats) Network() (sum NetworkUse) {
	for _, n := range s.Networks {
		sum.ReceivedBytes += n.ReceivedBytes
		sum.ReceivedPackets += n.ReceivedPackets
		sum.ReceivedErrors += n.ReceivedErrors
		sum.ReceivedDropped += n.ReceivedDropped
		sum.SentBytes += n.SentBytes
		sum.SentPackets += n.SentPackets
		sum.SentErrors += n.SentErrors
		sum.SentDropped += n.SentDropped
	}
	return sum
}

// Stats calls fn with what the containers use, from their control groups and network namespaces: once, or at every interval until ctx
// ends or fn fails, whose error is returned. It takes no lock and starts no process.
//
// ErrNotFound if one of o.Containers is not there at the first report; one that goes later is left out, and when all have gone, Stats
// returns nil.
func (s *Containers) Stats(ctx context.Context, o StatsOptions, fn func([]ContainerStats) error) error {
	w := &statsWatch{e: s.e, refs: slices.Clone(o.Containers), all: o.All, last: map[string]sample{}}
	w.memory = uint64(parseMeminfo(text("/proc/meminfo")).Total)
	stats, err := w.report(ctx)
	if err != nil {
		return err
	}
	if err := fn(stats); err != nil || o.Interval <= 0 {
		return err
	}
	ticker := time.NewTicker(o.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
		w.lenient = true
		if stats, err = w.report(ctx); err != nil || len(stats) == 0 && len(o.Containers) > 0 {
			return err
		}
		if err := fn(stats); err != nil {
			return err
		}
	}
}

// statsWatch is what one report leaves to the next.
type statsWatch struct {
	e       *Engine
	refs    []string
	all     bool
	lenient bool   // a container that is not there is left out
	memory  uint64 // the machine's, in bytes
	last    map[string]sample
}

// sample is how much processor time a run of a container had used at a time.
type sample struct {
	run uint64
	at  time.Time
	cpu time.Duration
}

func (w *statsWatch) report(ctx context.Context) ([]ContainerStats, error) {
	list, err := w.containers(ctx)
	if err != nil {
		return nil, err
	}
	stats := make([]ContainerStats, 0, len(list))
	seen := make(map[string]sample, len(list))
	for _, c := range list {
		s := w.measure(c)
		stats = append(stats, s)
		if s.Status.Alive() {
			seen[s.ID] = sample{run: c.State.Run, at: s.Time, cpu: s.CPU}
		}
	}
	w.last = seen
	return stats, nil
}

// containers are those of this report.
func (w *statsWatch) containers(ctx context.Context) (list []*container.Container, err error) {
	err = w.e.store.View(ctx, func(tx store.Tx) error {
		list = nil
		if len(w.refs) == 0 {
			if list, err = tx.Containers().Alive(); err == nil && w.all {
				list, err = tx.Containers().All()
			}
			return err
		}
		for i, ref := range w.refs {
			c, err := tx.Containers().Lookup(ref)
			if w.lenient && errdefs.Class(err) == errdefs.ErrNotFound {
				continue
			}
			if err != nil {
				return err
			}
			w.refs[i] = c.Config.ID // whatever name it has at the next report
			list = append(list, c)
		}
		return nil
	})
	if len(w.refs) == 0 && !w.all {
		list = slices.DeleteFunc(list, func(c *container.Container) bool { return !w.e.trueStatus(c).Alive() })
	}
	return list, err
}

// measure reads the numbers of one container.
func (w *statsWatch) measure(c *container.Container) ContainerStats {
	idle := ContainerStats{ID: c.Config.ID, Name: c.Config.Name, Status: w.e.trueStatus(c), Time: now()}
	if !idle.Status.Alive() {
		return idle
	}
	s := idle
	s.Uptime = max(s.Time.Sub(c.State.Started), 0)
	if c.State.Started.IsZero() { // initialized, and not started yet
		s.Uptime = 0
	}
	w.measureGroup(&s, c)
	if c.Config.Network.Namespace.Mode != container.Host {
		s.Networks = parseNetDev(text("/proc/" + strconv.Itoa(c.State.PID) + "/net/dev"))
	}
	if !w.e.alive(c.State) { // it may have been another process's by now
		idle.Status = container.Exited
		return idle
	}
	return s
}

func (w *statsWatch) measureGroup(s *ContainerStats, c *container.Container) {
	if c.State.CgroupPath == "" {
		return // --cgroups disabled: nothing is counted
	}
	u, err := cgroup.Read(cgroup.Root, c.State.CgroupPath)
	if err != nil {
		w.e.log.Debug("reading a control group", "id", s.ID, "error", err)
		return
	}
	s.CPU, s.CPUUser, s.CPUSystem = u.CPU, u.CPUUser, u.CPUSystem
	s.Memory, s.MemoryLimit = u.Memory, u.MemoryLimit
	s.PIDs, s.BlockRead, s.BlockWritten = u.PIDs, u.BlockRead, u.BlockWritten
	if s.MemoryLimit == 0 || s.MemoryLimit > w.memory {
		s.MemoryLimit = w.memory
	}
	if s.MemoryLimit > 0 {
		s.MemoryPercent = 100 * float64(s.Memory) / float64(s.MemoryLimit)
	}
	s.CPUAverage = percent(s.CPU, s.Uptime)
	s.CPUPercent = s.CPUAverage
	if before, ok := w.last[s.ID]; ok && before.run == c.State.Run && s.CPU >= before.cpu {
		s.CPUPercent = percent(s.CPU-before.cpu, s.Time.Sub(before.at))
	}
}

func percent(part, whole time.Duration) float64 {
	if whole <= 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}

// netDevFields is how many numbers a line of net/dev has at least, those of what was sent beginning with the ninth.
const netDevFields = 12

// parseNetDev reads /proc/PID/net/dev (proc(5)): after two lines of titles a line for each interface.
func parseNetDev(text string) map[string]NetworkUse {
	interfaces := map[string]NetworkUse{}
	for line := range strings.Lines(text) {
		name, counters, ok := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		f := strings.Fields(counters)
		if !ok || name == "lo" || len(f) < netDevFields {
			continue
		}
		n := make([]uint64, netDevFields)
		for i := range n {
			n[i], _ = strconv.ParseUint(f[i], 10, 64)
		}
		interfaces[name] = NetworkUse{
			ReceivedBytes: n[0], ReceivedPackets: n[1], ReceivedErrors: n[2], ReceivedDropped: n[3],
			SentBytes: n[8], SentPackets: n[9], SentErrors: n[10], SentDropped: n[11],
		}
	}
	return interfaces
}
