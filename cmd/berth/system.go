package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/engine"
)

// system is what info, events and the system commands need of the engine; *engine.System has it.
type system interface {
	Info(ctx context.Context) (*engine.Info, error)
	Events(ctx context.Context, o engine.EventsOptions, fn engine.EventFunc) error
	DiskUsage(ctx context.Context) (*engine.DiskUsage, error)
	Locks(ctx context.Context) ([]engine.LockHolder, error)
}

// newSystemCmd is the parent of the system commands.
func newSystemCmd(a *app) *cobra.Command {
	cmd := parentCmd("system", "Commands of the whole: disk usage, soundness, facts")
	cmd.AddCommand(newSystemDfCmd(a), newSystemCheckCmd(a), newSystemLocksCmd(a), newSystemPruneCmd(a), newSystemMigrateCmd(a), newInfoCmd(a), newEventsCmd(a))
	return cmd
}

func newSystemCheckCmd(a *app) *cobra.Command {
	var repair, quiet bool
	cmd := &cobra.Command{
		Use:   "check [FLAGS]",
		Short: "Check that what is kept is sound, and repair it",
		Long: `Check the database, the images' layers, and that what is on disk and what the database lists agree.

With --repair, what nothing needs is removed and a damaged database is rebuilt from what can still be
read of it; the damaged file is kept beside it. The exit code is 1 if something is wrong and was not
repaired.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return checkSystem(cmd.Context(), a, repair, quiet)
		},
	}
	cmd.Flags().BoolVarP(&repair, "repair", "r", false, "Repair what can be repaired")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "Print nothing, tell by the exit code")
	return cmd
}

func checkSystem(ctx context.Context, a *app, repair, quiet bool) error {
	log, err := a.logger()
	if err != nil {
		return err
	}
	report, err := a.check(ctx, a.settings, log, repair)
	if err != nil {
		return err
	}
	open := 0
	for _, p := range report.Problems {
		if !p.Repaired {
			open++
		}
		if !quiet {
			fmt.Fprintln(a.out, problemLine(p))
		}
	}
	if !quiet && len(report.Problems) == 0 {
		fmt.Fprintln(a.out, "No problems found.")
	}
	if open > 0 {
		if !quiet && !repair {
			fmt.Fprintln(a.err, "Run 'berth system check --repair' to repair what can be repaired.")
		}
		return said(exitFalse)
	}
	return nil
}

func problemLine(p engine.Problem) string {
	line := p.Object + ": " + p.What
	if p.Repaired {
		line += " (repaired: " + p.Remedy + ")"
	} else if p.Remedy != "" {
		line += "; " + p.Remedy
	}
	return line
}
