package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
)

// newStopCmd is berth stop.
func newStopCmd(a *app) *cobra.Command {
	var (
		sel    selection
		o      engine.StopOptions
		ignore bool
	)
	cmd := &cobra.Command{
		Use:   "stop [FLAGS] CONTAINER...",
		Short: "Stop containers: ask them to end, then kill them",
		Long: `Send each container its stop signal (TERM unless it was made with another), wait for it to end, and kill it if it has
not after the timeout (10 seconds unless it was made with another). Several containers are stopped at the same time.
A container that does not run is left as it is, which is no error.`,
		Example: "berth stop web\nberth stop --time 30 db cache\nberth stop --all",
		Args:    sel.check,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Timeout = timeoutFlag(cmd)
			return a.onEach(cmd.Context(), sel, args, container.Status.Alive, func(ctx context.Context, c containers, ref string) error {
				return unlessGone(ignore, unlessDone(c.Stop(ctx, ref, o)))
			})
		},
	}
	f := cmd.Flags()
	sel.flags(f, "a", "f")
	sel.cidfileFlag(f)
	f.IntP("time", "t", 0, "Kill after this many `seconds`; -1 waits for ever (default: the container's own)")
	f.Int("timeout", 0, "The same as --time")
	f.Lookup("timeout").Hidden = true
	f.StringVarP(&o.Signal, "signal", "s", "", "Send this signal instead of the container's stop signal")
	f.BoolVarP(&ignore, "ignore", "i", false, "A container that is not there is no error")
	return cmd
}

// timeoutFlag is the value of --time or --timeout, nil if neither was given.
func timeoutFlag(cmd *cobra.Command) *int {
	for _, name := range []string{"time", "timeout"} {
		if cmd.Flags().Changed(name) {
			seconds, _ := cmd.Flags().GetInt(name)
			return &seconds
		}
	}
	return nil
}

// onEach chooses containers and works on each of them.
func (a *app) onEach(ctx context.Context, sel selection, args []string, eligible func(container.Status) bool, work func(ctx context.Context, c containers, ref string) error) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	refs, err := sel.refs(ctx, s.Containers, args, eligible)
	if err != nil {
		return err
	}
	return a.each(ctx, refs, func(ctx context.Context, ref string) error { return work(ctx, s.Containers, ref) })
}

// unlessDone drops the error of what was so already.
func unlessDone(err error) error {
	if errors.Is(err, errdefs.ErrNotModified) {
		return nil
	}
	return err
}

// unlessGone drops the error of a container that is not there, if that is to be ignored.
func unlessGone(ignore bool, err error) error {
	if ignore && errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	return err
}

// newKillCmd is berth kill.
func newKillCmd(a *app) *cobra.Command {
	var (
		sel    selection
		signal string
	)
	cmd := &cobra.Command{
		Use:   "kill [FLAGS] CONTAINER...",
		Short: "Send containers a signal, by default KILL",
		Long: `Send a signal to the first process of each container. Signals are written as names, with or without SIG, or numbers.
A container that does not run is an error.`,
		Example: "berth kill web\nberth kill --signal HUP web",
		Args:    sel.check,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.onEach(cmd.Context(), sel, args, container.Status.Alive, func(ctx context.Context, c containers, ref string) error {
				return c.Kill(ctx, ref, signal)
			})
		},
	}
	sel.flags(cmd.Flags(), "a", "f")
	sel.cidfileFlag(cmd.Flags())
	cmd.Flags().StringVarP(&signal, "signal", "s", "KILL", "The `signal` to send")
	return cmd
}

// newRestartCmd is berth restart.
func newRestartCmd(a *app) *cobra.Command {
	var (
		sel selection
		o   engine.RestartOptions
	)
	cmd := &cobra.Command{
		Use:     "restart [FLAGS] CONTAINER...",
		Short:   "Stop containers that run, and start them",
		Example: "berth restart web\nberth restart --running",
		Args: func(cmd *cobra.Command, args []string) error {
			if o.RunningOnly && len(args) == 0 {
				sel.all = true
			}
			return sel.check(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Timeout = timeoutFlag(cmd)
			var eligible func(container.Status) bool
			if o.RunningOnly {
				eligible = container.Status.Alive
			}
			return a.onEach(cmd.Context(), sel, args, eligible, func(ctx context.Context, c containers, ref string) error {
				return unlessDone(c.Restart(ctx, ref, o))
			})
		},
	}
	f := cmd.Flags()
	sel.flags(f, "a", "f")
	sel.cidfileFlag(f)
	f.IntP("time", "t", 0, "Kill after this many `seconds`; -1 waits for ever (default: the container's own)")
	f.Int("timeout", 0, "The same as --time")
	f.Lookup("timeout").Hidden = true
	f.BoolVar(&o.RunningOnly, "running", false, "Restart only containers that run; all of them if none is named")
	return cmd
}

// newPauseCmd is berth pause.
func newPauseCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "pause [FLAGS] CONTAINER...",
		Short:   "Freeze the processes of containers",
		Example: "berth pause web\nberth unpause web",
	}
	return a.freezing(cmd, container.Running, containers.Pause)
}

// newUnpauseCmd is berth unpause.
func newUnpauseCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "unpause [FLAGS] CONTAINER...",
		Short:   "Let the processes of paused containers go on",
		Example: "berth unpause web\nberth unpause --all",
	}
	return a.freezing(cmd, container.Paused, containers.Unpause)
}

// freezing completes pause or unpause, which work on containers of one status.
func (a *app) freezing(cmd *cobra.Command, of container.Status, work func(c containers, ctx context.Context, ref string) error) *cobra.Command {
	var sel selection
	cmd.Args = sel.check
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		eligible := func(s container.Status) bool { return s == of }
		return a.onEach(cmd.Context(), sel, args, eligible, func(ctx context.Context, c containers, ref string) error {
			return work(c, ctx, ref)
		})
	}
	sel.flags(cmd.Flags(), "a", "f")
	sel.cidfileFlag(cmd.Flags())
	return cmd
}

// newInitCmd is berth init.
func newInitCmd(a *app) *cobra.Command {
	var sel selection
	cmd := &cobra.Command{
		Use:   "init [FLAGS] CONTAINER...",
		Short: "Prepare containers for their start, without starting them",
		Long: `Mount a container's file systems, make its namespaces and have the OCI runtime create it, so that what is wrong shows
before the start and hooks have run. Its first process waits for 'berth start'.`,
		Example: "berth create --name web docker.io/nginx\nberth init web\nberth start web",
		Args:    sel.check,
		RunE: func(cmd *cobra.Command, args []string) error {
			ready := func(s container.Status) bool { return s == container.Created || s == container.Exited }
			return a.onEach(cmd.Context(), sel, args, ready, func(ctx context.Context, c containers, ref string) error {
				return unlessDone(c.Init(ctx, ref))
			})
		},
	}
	sel.flags(cmd.Flags(), "a", "f")
	return cmd
}

// newRenameCmd is berth rename.
func newRenameCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "rename CONTAINER NAME",
		Short:   "Give a container another name",
		Example: "berth rename web web-old",
		Args:    exactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.services(cmd.Context())
			if err != nil {
				return err
			}
			return s.Containers.Rename(cmd.Context(), args[0], strings.TrimPrefix(args[1], "/"))
		},
	}
}

// newCleanupCmd is what a monitor becomes when its container has exited. People have no use for it.
func newCleanupCmd(a *app) *cobra.Command {
	var (
		run  uint64
		exec string
	)
	cmd := &cobra.Command{
		Use:    "cleanup [FLAGS] CONTAINER",
		Short:  "Take down what an exited container left, and apply its restart policy",
		Hidden: true,
		Args:   exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.services(cmd.Context())
			if err != nil {
				return err
			}
			if exec != "" {
				return unlessGone(true, s.Execs.Cleanup(cmd.Context(), exec))
			}
			return unlessGone(true, s.Containers.Cleanup(cmd.Context(), args[0], run))
		},
	}
	cmd.Flags().Uint64Var(&run, "run", 0, "The `number` of the run that has ended")
	cmd.Flags().StringVar(&exec, "exec", "", "Clean up after this exec session instead")
	return cmd
}
