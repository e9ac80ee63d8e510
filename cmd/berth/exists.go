package main

import "github.com/spf13/cobra"

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
