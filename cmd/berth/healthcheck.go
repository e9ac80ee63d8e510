package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/container"
)

// newHealthcheckCmd is the parent of the health check's one command, as podman has it.
func newHealthcheckCmd(a *app) *cobra.Command {
	cmd := parentCmd("healthcheck", "Run a container's health check")
	cmd.AddCommand(newHealthcheckRunCmd(a))
	return cmd
}

func newHealthcheckRunCmd(a *app) *cobra.Command {
	var run uint64
	cmd := &cobra.Command{
		Use:   "run CONTAINER",
		Short: "Run a container's health check now",
		Long: `Run the health check of a running container once, beside those that are made at its interval, and keep the outcome.
The exit code is 0 if the check succeeded and 1 if it failed; then the container's health is printed.`,
		Example:           "berth healthcheck run web",
		Args:              exactArgs(1),
		ValidArgsFunction: first(completeContainers(a)),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.services(cmd.Context())
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("run") {
				return unlessGone(true, s.Containers.ScheduledHealthcheck(cmd.Context(), args[0], run))
			}
			return a.checkHealth(cmd.Context(), s, args[0])
		},
	}
	// What a monitor calls; people have no use for it.
	cmd.Flags().Uint64Var(&run, "run", 0, "The `number` of the run whose check is due")
	_ = cmd.Flags().MarkHidden("run")
	return cmd
}

func (a *app) checkHealth(ctx context.Context, s *services, ref string) error {
	r, err := s.Containers.Healthcheck(ctx, ref)
	if err != nil {
		return err
	}
	if last := r.Log[len(r.Log)-1]; last.ExitCode != 0 {
		fmt.Fprintln(a.out, r.Status)
		return said(exitFalse)
	}
	if r.Status != container.HealthHealthy {
		fmt.Fprintln(a.out, r.Status)
	}
	return nil
}
