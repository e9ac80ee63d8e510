package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/image"
)

// newContainerPruneCmd is berth container prune.
func newContainerPruneCmd(a *app) *cobra.Command {
	var (
		force   bool
		filters []string
	)
	cmd := &cobra.Command{
		Use:   "prune [FLAGS]",
		Short: "Remove all containers that do not run",
		Long: `Remove all containers that do not run, with their anonymous volumes, and print their IDs. It asks first, unless --force is
given. One that a container depends on which stays is left alone.

Filters are those of 'berth ps', above all label, label! and until.`,
		Example: "berth container prune\nberth container prune -f --filter until=24h",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fm, err := parseFilters(filters)
			if err != nil {
				return err
			}
			yes, err := confirm(a, "This will remove all containers that do not run.", force)
			if err != nil || !yes {
				return err
			}
			s, err := a.services(cmd.Context())
			if err != nil {
				return err
			}
			pruned, err := s.Containers.Prune(cmd.Context(), fm)
			if err != nil {
				return err
			}
			_, err = a.printPruned(pruned)
			return err
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "Do not ask")
	cmd.Flags().StringArrayVar(&filters, "filter", nil, "Only containers that match (`KEY=VALUE`, repeatable)")
	completeFlag(cmd, "filter", "label=", "until=")
	return cmd
}

// printPruned prints the IDs of the containers that are gone, and the errors of the others. It returns how many bytes were freed.
func (a *app) printPruned(pruned []engine.Pruned) (freed int64, err error) {
	for _, p := range pruned {
		if p.Err != nil {
			report(a.err, p.Err)
			err = said(exitEngine)
			continue
		}
		fmt.Fprintln(a.out, p.ID)
		freed += p.Freed
	}
	return freed, err
}

// systemPrune are the flags of berth system prune.
type systemPrune struct {
	all, force, volumes bool
	filters             []string
}

func newSystemPruneCmd(a *app) *cobra.Command {
	var o systemPrune
	cmd := &cobra.Command{
		Use:   "prune [FLAGS]",
		Short: "Remove containers, images and volumes that are not in use",
		Long: `Remove all containers that do not run, then the images without a name that no container was made from; with --all those with
a name too, and with --volumes the volumes that no container uses, and what is in them. It asks first, unless --force is given.

Filters are label, label! and until, as --filter KEY=VALUE.`,
		Example: "berth system prune\nberth system prune --all --volumes --force\nberth system prune --filter until=72h",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd.Context(), a)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&o.all, "all", "a", false, "Remove images with a name too")
	f.BoolVarP(&o.force, "force", "f", false, "Do not ask")
	f.BoolVar(&o.volumes, "volumes", false, "Remove volumes too")
	f.StringArrayVar(&o.filters, "filter", nil, "Remove only what fits, `KEY=VALUE`")
	completeFlag(cmd, "filter", "label=", "until=")
	return cmd
}

// warning says what is about to go.
func (o *systemPrune) warning() string {
	images := "images without a name"
	if o.all {
		images = "images"
	}
	text := "This removes all containers that do not run, and all " + images + " that no container was made from"
	if o.volumes {
		text += ", and all volumes that no container uses, with what is in them"
	}
	return text + "."
}

func (o *systemPrune) run(ctx context.Context, a *app) error {
	fm, err := parseFilters(o.filters)
	if err != nil {
		return err
	}
	if yes, err := confirm(a, o.warning(), o.force); err != nil || !yes {
		return err
	}
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	pruned, err := s.Containers.Prune(ctx, fm)
	if err != nil {
		return err
	}
	a.heading("Deleted Containers", len(pruned))
	freed, failed := a.printPruned(pruned)
	if o.volumes {
		names, err := s.Volumes.Prune(ctx, fm)
		slices.Sort(names)
		a.heading("Deleted Volumes", len(names))
		for _, name := range names {
			fmt.Fprintln(a.out, name)
		}
		failed = errors.Join(failed, err)
	}
	reports, err := s.Images.Prune(ctx, image.PruneOptions{All: o.all, Filters: fm})
	a.heading("Deleted Images", len(reports))
	for _, r := range reports {
		freed += r.Freed
		for _, id := range r.Deleted {
			fmt.Fprintln(a.out, id)
		}
	}
	fmt.Fprintf(a.out, "Total reclaimed space: %s\n", humanSize(freed))
	return errors.Join(failed, err)
}

// heading is a line above a list that has something in it.
func (a *app) heading(text string, n int) {
	if n > 0 {
		fmt.Fprintln(a.out, text)
	}
}
