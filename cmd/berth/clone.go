package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
)

// newCloneCmd is berth container clone.
func newCloneCmd(a *app) *cobra.Command {
	var (
		o      engine.CloneOptions
		limits changedLimits
		run    bool
	)
	cmd := &cobra.Command{
		Use:   "clone [FLAGS] CONTAINER [NAME [IMAGE]]",
		Short: "Make a container that is configured as another",
		Long: `Make a container that is configured as another, from the same image or another one, and print its ID. It begins with nothing
written, has anonymous volumes of its own, and shares the named ones. Without NAME it is called CONTAINER-clone.`,
		Example: "berth container clone web\nberth container clone --memory 1g --run web web2\nberth container clone --destroy --force web web2 docker.io/nginx:1.27",
		Args:    rangeArgs(1, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if o.Limits, err = limits.read(cmd.Flags()); err != nil {
				return usageFault(cmd, err)
			}
			if len(args) > 1 && args[1] != "" {
				if o.Name != "" {
					return usageFault(cmd, errdefs.Invalid("give the name as an argument or by --name: not both"))
				}
				o.Name = args[1]
			}
			if len(args) > 2 {
				o.Image = args[2]
			}
			if o.Force && !o.Destroy {
				return usageFault(cmd, errdefs.Invalid("--force goes with --destroy"))
			}
			o.Name = strings.TrimPrefix(o.Name, "/")
			return a.clone(cmd.Context(), args[0], o, run)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Name, "name", "", "Call the new container this")
	f.BoolVar(&o.Destroy, "destroy", false, "Remove the original")
	f.BoolVarP(&o.Force, "force", "f", false, "With --destroy, remove an original that runs")
	f.BoolVar(&run, "run", false, "Start the new container")
	limits.flags(f)
	return cmd
}

func (a *app) clone(ctx context.Context, ref string, o engine.CloneOptions, run bool) error {
	open := a.services
	if run {
		open = a.servicesToStart
	}
	s, err := open(ctx)
	if err != nil {
		return err
	}
	made, err := s.Containers.Clone(ctx, ref, o)
	if err != nil {
		return err
	}
	for _, w := range made.Warnings {
		fmt.Fprintf(a.err, "Warning: %s\n", w)
	}
	fmt.Fprintln(a.out, made.ID)
	if !run {
		return nil
	}
	return s.Containers.Start(ctx, made.ID, engine.StartOptions{})
}
