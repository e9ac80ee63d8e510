package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
)

// newExistsCmd is berth container exists.
func newExistsCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "exists CONTAINER",
		Short: "Tell by the exit code whether a container is there",
		Long:  "Tell by the exit code whether a container is there: 0 if it is, 1 if not, 125 if that cannot be found out.",
		Args:  exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.services(cmd.Context())
			if err != nil {
				return err
			}
			there, err := s.Containers.Exists(cmd.Context(), args[0])
			if err == nil && !there {
				return said(exitFalse)
			}
			return err
		},
	}
}

// newContainerPruneCmd is berth container prune.
func newContainerPruneCmd(a *app) *cobra.Command {
	var (
		force   bool
		filters []string
	)
	cmd := &cobra.Command{
		Use:     "prune [FLAGS]",
		Short:   "Remove all containers that do not run",
		Example: "berth container prune\nberth container prune -f --filter until=24h",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			yes, err := confirm(a, "This will remove all containers that do not run.", force)
			if err != nil || !yes {
				return err
			}
			return a.pruneContainers(cmd.Context(), filters)
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "Do not ask")
	cmd.Flags().StringArrayVar(&filters, "filter", nil, "Only containers that match (`KEY=VALUE`, repeatable)")
	return cmd
}

// pruneContainers removes what does not run and prints the IDs.
func (a *app) pruneContainers(ctx context.Context, filters []string) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	sel := selection{all: true, filters: filters}
	refs, err := sel.refs(ctx, s.Containers, nil, func(st container.Status) bool { return !st.Alive() && st != container.Restarting })
	if err != nil {
		return err
	}
	return a.eachLine(ctx, refs, func(ctx context.Context, id string) (string, error) {
		_, err := s.Containers.Remove(ctx, id, engine.RemoveOptions{Volumes: true})
		if err != nil {
			return "", err
		}
		return id, nil
	}, removeCode)
}
