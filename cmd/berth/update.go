package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
)

// newUpdateCmd is berth update.
func newUpdateCmd(a *app) *cobra.Command {
	var (
		sel     selection
		limits  changedLimits
		health  healthFlags
		restart string
	)
	cmd := &cobra.Command{
		Use:   "update [FLAGS] CONTAINER...",
		Short: "Change the limits, restart policy and health check of containers",
		Long: `Change what containers may use, when they are started again and how their health is checked. What no flag names stays as
it is. A container that runs has its new limits at once. A limit of 0 takes it away. A container that runs and had no health check
when it was started is checked from its next start on.`,
		Example: "berth update --memory 512m --cpus 1.5 web\nberth update --restart unless-stopped web db\nberth update --pids-limit 0 web",
		Args:    sel.checkOne(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := updateOptions(cmd, &limits, &health, restart)
			if err != nil {
				return usageFault(cmd, err)
			}
			return a.update(cmd.Context(), sel, args, o)
		},
	}
	f := cmd.Flags()
	sel.latestFlag(f)
	limits.flags(f)
	health.flags(f)
	f.StringVar(&restart, "restart", "", "Start again after an exit: no, on-failure[:N], always, unless-stopped")
	return cmd
}

// updateOptions reads the flags' values.
func updateOptions(cmd *cobra.Command, limits *changedLimits, health *healthFlags, restart string) (o engine.UpdateOptions, err error) {
	f := cmd.Flags()
	if o.Limits, err = limits.read(f); err != nil {
		return o, err
	}
	if f.Changed("restart") {
		policy, err := container.ParseRestart(restart)
		if err != nil {
			return o, err
		}
		o.Restart = &policy
	}
	if o.Health, err = health.check(); err != nil {
		return o, err
	}
	o.NoHealthcheck = health.disabled
	if o.Limits.Empty() && o.Restart == nil && o.Health == nil && !o.NoHealthcheck {
		return o, errdefs.Invalid("nothing to change: give a limit, --restart or a flag of the health check")
	}
	return o, nil
}

func (a *app) update(ctx context.Context, sel selection, args []string, o engine.UpdateOptions) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	refs, err := sel.refs(ctx, s.Containers, args, nil)
	if err != nil {
		return err
	}
	return a.each(ctx, refs, func(ctx context.Context, ref string) error {
		warnings, err := s.Containers.Update(ctx, ref, o)
		for _, w := range warnings {
			fmt.Fprintf(a.err, "Warning: %s\n", w)
		}
		return err
	})
}

// changedLimits are the flags of limits that can be changed: the flags of berth run, of which only those given count.
type changedLimits struct{ limitFlags }

func (o *changedLimits) flags(f *pflag.FlagSet) {
	all := pflag.NewFlagSet("", pflag.ContinueOnError)
	o.limitFlags.flags(all)
	for _, name := range []string{
		"memory", "memory-swap", "memory-reservation", "memory-swappiness", "cpus", "cpu-shares", "cpu-period", "cpu-quota",
		"cpuset-cpus", "cpuset-mems", "pids-limit", "blkio-weight",
	} {
		f.AddFlag(all.Lookup(name))
	}
}

// read returns the changes that the flags ask for.
func (o *changedLimits) read(f *pflag.FlagSet) (c container.LimitChanges, err error) {
	var co engine.CreateOptions
	if err := o.limitFlags.values(f, &co); err != nil {
		return c, err
	}
	r := &co.Resources
	given(f, "memory", &c.Memory, &r.Memory)
	given(f, "memory-swap", &c.MemorySwap, &r.MemorySwap)
	given(f, "memory-reservation", &c.MemoryReservation, &r.MemoryReservation)
	if r.MemorySwappiness != nil {
		c.MemorySwappiness = r.MemorySwappiness
	}
	given(f, "cpu-shares", &c.CPUShares, &r.CPUShares)
	given(f, "cpu-period", &c.CPUPeriod, &r.CPUPeriod)
	given(f, "cpu-quota", &c.CPUQuota, &r.CPUQuota)
	given(f, "cpus", &c.CPUPeriod, &r.CPUPeriod)
	given(f, "cpus", &c.CPUQuota, &r.CPUQuota)
	given(f, "cpuset-cpus", &c.CPUSetCPUs, &r.CPUSetCPUs)
	given(f, "cpuset-mems", &c.CPUSetMems, &r.CPUSetMems)
	given(f, "pids-limit", &c.PidsLimit, &r.PidsLimit)
	given(f, "blkio-weight", &c.BlkioWeight, &r.BlkioWeight)
	return c, nil
}

// given sets a change if its flag was given.
func given[T any](f *pflag.FlagSet, flag string, change **T, value *T) {
	if f.Changed(flag) {
		*change = value
	}
}
