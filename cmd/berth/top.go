package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/engine"
)

// newTopCmd is berth top.
func newTopCmd(a *app) *cobra.Command {
	var sel selection
	cmd := &cobra.Command{
		Use:   "top [FLAGS] CONTAINER [DESCRIPTOR... | PS-OPTIONS]",
		Short: "Show the processes of a container",
		Long: `Show the processes of a running container. Nothing of the container's own is run for it.

What is shown of each is chosen by descriptors (pid, user, args, …), or by options of ps(1) such as -ef or aux.`,
		Example: "berth top web\nberth top web pid user args\nberth top web -eo pid,comm",
		Args:    sel.checkOne(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.top(cmd.Context(), sel, args)
		},
	}
	cmd.Flags().SetInterspersed(false)
	sel.latestFlag(cmd.Flags())
	return cmd
}

func (a *app) top(ctx context.Context, sel selection, args []string) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	ref, rest, err := sel.one(ctx, s.Containers, args)
	if err != nil {
		return err
	}
	table, err := s.Containers.Top(ctx, ref, rest)
	if err != nil {
		return err
	}
	return printTop(a.out, table)
}

// printTop aligns the columns; the last one, mostly a command line, is as wide as it is.
func printTop(w io.Writer, t engine.TopResult) error {
	tw := tabwriter.NewWriter(w, 5, 1, 3, ' ', 0)
	fmt.Fprintln(tw, strings.Join(t.Titles, "\t"))
	for _, p := range t.Processes {
		fmt.Fprintln(tw, strings.Join(p, "\t"))
	}
	return tw.Flush()
}
