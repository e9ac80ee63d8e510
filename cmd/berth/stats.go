package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/api/libpod"
	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
)

// statsFlags are the flags of berth stats.
type statsFlags struct {
	all, latest, noStream, noReset, noTrunc bool

	interval int
	format   string
}

// newStatsCmd is berth stats.
func newStatsCmd(a *app) *cobra.Command {
	var o statsFlags
	cmd := &cobra.Command{
		Use:   "stats [FLAGS] [CONTAINER...]",
		Short: "Show what containers use",
		Long: `Show what containers use of the machine, again and again until it is interrupted: those named, or all that run.

CPU % is the processor time since the last report, and in the first report since the start; 100 % is one processor. Memory is
without page cache that would be given up first. A container that uses the host's network has no network I/O of its own.

--format is json, or a Go template, with "table" before it for titles. Fields: .ID .Name .CPUPerc .AvgCPU .CPUTime .MemUsage
.MemUsageBytes .MemLimit .MemPerc .NetIO .NetInput .NetOutput .BlockIO .BlockInput .BlockOutput .PIDs .UpTime.`,
		Example: `berth stats
berth stats --no-stream web db
berth stats --no-stream --format 'table {{.Name}}\t{{.MemUsage}}'`,
		Args: func(cmd *cobra.Command, args []string) error { return o.check(cmd, args) },
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.stats(cmd.Context(), o, args)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&o.all, "all", "a", false, "Containers that do not run too")
	f.StringVar(&o.format, "format", "", "json, or a Go `template`")
	f.IntVarP(&o.interval, "interval", "i", 5, "Report every so many `seconds`")
	f.BoolVarP(&o.latest, "latest", "l", false, "The container made last")
	f.BoolVar(&o.noReset, "no-reset", false, "Do not clear the screen before each report")
	f.BoolVar(&o.noStream, "no-stream", false, "Report once")
	f.BoolVar(&o.noTrunc, "no-trunc", false, "Show whole IDs")
	completeFlag(cmd, "format", "json")
	return cmd
}

func (o *statsFlags) check(cmd *cobra.Command, args []string) error {
	switch {
	case o.all && len(args) > 0, o.latest && len(args) > 0, o.all && o.latest:
		return usageFault(cmd, errdefs.Invalid("name containers, or choose them with --all or --latest: one of the three"))
	case o.interval < 1:
		return usageFault(cmd, errdefs.Invalid("--interval %d: the least is one second", o.interval))
	}
	return nil
}

// stats prints a listing for each report.
func (a *app) stats(ctx context.Context, o statsFlags, refs []string) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	so := engine.StatsOptions{Containers: refs, All: o.all}
	if o.latest {
		id, err := latest(ctx, s.Containers)
		if err != nil {
			return err
		}
		so.Containers = []string{id}
	}
	if !o.noStream {
		so.Interval = time.Duration(o.interval) * time.Second
	}
	clears := !o.noStream && !o.noReset && !isJSON(o.format) && isTerminal(a.out)
	return s.Containers.Stats(ctx, so, func(stats []engine.ContainerStats) error {
		if clears {
			fmt.Fprint(a.out, "\x1b[H\x1b[2J")
		}
		return a.printStats(o, stats)
	})
}

func (a *app) printStats(o statsFlags, stats []engine.ContainerStats) error {
	rows := make([]statsRow, len(stats))
	wire := make([]libpod.ContainerStats, len(stats))
	for i := range stats {
		r := statsRow{s: &stats[i], noTrunc: o.noTrunc}
		rows[i] = r
		wire[i] = libpod.ContainerStats{
			ID: r.ID(), Name: r.Name(), CPUTime: r.CPUTime(), CPUPercent: r.CPUPerc(), AverageCPU: r.AvgCPU(), MemUsage: r.MemUsage(),
			MemPercent: r.MemPerc(), NetIO: r.NetIO(), BlockIO: r.BlockIO(), PIDs: r.PIDs(),
		}
	}
	return listing{
		Format: o.format, Heads: statsHeads,
		Default: `{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}\t{{.CPUTime}}\t{{.AvgCPU}}`,
	}.print(a.out, rows, wire)
}

var statsHeads = map[string]string{
	"ID": "CONTAINER ID", "ContainerID": "CONTAINER ID", "CPUPerc": "CPU %", "CPU": "CPU %", "AvgCPU": "AVG CPU %", "CPUTime": "CPU TIME",
	"MemUsage": "MEM USAGE / LIMIT", "MemUsageBytes": "MEM USAGE / LIMIT", "MemPerc": "MEM %", "MemLimit": "MEM LIMIT",
	"NetIO": "NET I/O", "BlockIO": "BLOCK I/O", "PIDs": "PIDS", "PIDS": "PIDS", "UpTime": "UP TIME",
}

// nothing stands for a number that there is not.
const nothing = "--"

// statsRow is one container as the templates of berth stats see it, by the names that Docker and podman have for its values.
type statsRow struct {
	s       *engine.ContainerStats
	noTrunc bool
}

func (r statsRow) runs() bool { return r.s.Status.Alive() }

// ID, ContainerID and Container are the ID, short unless asked for in full.
func (r statsRow) ID() string          { return shortID(r.s.ID, r.noTrunc) }
func (r statsRow) ContainerID() string { return r.ID() }
func (r statsRow) Container() string   { return r.ID() }

// Name is the container's.
func (r statsRow) Name() string { return r.s.Name }

// CPUPerc and CPU are the processor time since the last report.
func (r statsRow) CPUPerc() string { return r.percent(r.s.CPUPercent) }
func (r statsRow) CPU() string     { return r.CPUPerc() }

// AvgCPU is the processor time since the start, in percent.
func (r statsRow) AvgCPU() string { return r.percent(r.s.CPUAverage) }

// CPUTime is the processor time since the start, UpTime the time since then.
func (r statsRow) CPUTime() string { return r.duration(r.s.CPU) }
func (r statsRow) UpTime() string  { return r.duration(r.s.Uptime) }

// CPUNano and CPUSystemNano are in nanoseconds.
func (r statsRow) CPUNano() int64       { return int64(r.s.CPU) }
func (r statsRow) CPUSystemNano() int64 { return int64(r.s.CPUSystem) }

// MemUsage is the memory in use and its limit in decimal units, MemUsageBytes the same in binary ones.
func (r statsRow) MemUsage() string      { return r.pair(r.s.Memory, r.s.MemoryLimit, humanSize) }
func (r statsRow) MemUsageBytes() string { return r.pair(r.s.Memory, r.s.MemoryLimit, binarySize) }

// MemLimit is in bytes, MemPerc the part of it in use.
func (r statsRow) MemLimit() uint64 { return r.s.MemoryLimit }
func (r statsRow) MemPerc() string  { return r.percent(r.s.MemoryPercent) }

// NetIO is what was received and sent.
func (r statsRow) NetIO() string {
	if r.s.Networks == nil {
		return nothing + " / " + nothing
	}
	return r.pair(r.NetInput(), r.NetOutput(), humanSize)
}

// NetInput and NetOutput are in bytes.
func (r statsRow) NetInput() uint64  { return r.s.Network().ReceivedBytes }
func (r statsRow) NetOutput() uint64 { return r.s.Network().SentBytes }

// BlockIO is what was read from and written to block devices.
func (r statsRow) BlockIO() string { return r.pair(r.s.BlockRead, r.s.BlockWritten, humanSize) }

// BlockInput and BlockOutput are in bytes.
func (r statsRow) BlockInput() uint64  { return r.s.BlockRead }
func (r statsRow) BlockOutput() uint64 { return r.s.BlockWritten }

// PIDs is how many processes and threads there are; PIDS is podman's spelling.
func (r statsRow) PIDs() string {
	if !r.runs() {
		return nothing
	}
	return strconv.FormatUint(r.s.PIDs, 10)
}
func (r statsRow) PIDS() string { return r.PIDs() }

func (r statsRow) percent(p float64) string {
	if !r.runs() {
		return nothing
	}
	return fmt.Sprintf("%.2f%%", p)
}

func (r statsRow) duration(d time.Duration) string {
	if !r.runs() {
		return nothing
	}
	return d.Round(time.Microsecond).String()
}

func (r statsRow) pair(a, b uint64, text func(int64) string) string {
	if !r.runs() {
		return nothing + " / " + nothing
	}
	return text(int64(a)) + " / " + text(int64(b))
}

// MarshalJSON makes {{json .}} Docker's: one flat object of texts.
func (r statsRow) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{
		"BlockIO": r.BlockIO(), "CPUPerc": r.CPUPerc(), "Container": r.Container(), "ID": r.ID(), "MemPerc": r.MemPerc(),
		"MemUsage": r.MemUsageBytes(), "Name": r.Name(), "NetIO": r.NetIO(), "PIDs": r.PIDs(),
	})
}
