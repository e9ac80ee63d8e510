package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
)

// newDiffCmd is berth diff, of a container or an image.
func newDiffCmd(a *app) *cobra.Command {
	cmd := diffCmd(a, diffOfEither)
	cmd.Use = "diff [FLAGS] CONTAINER|IMAGE"
	cmd.Short = "Show what a container has changed of its image's files"
	cmd.Long = `Show what a container has changed of its image's files, or what the topmost layer of an image changes in those
below. Before each path stands A for added, C for changed or D for deleted.

What is mounted in the container is not looked into.`
	cmd.GroupID = groupLook
	return cmd
}

// newContainerDiffCmd is berth container diff.
func newContainerDiffCmd(a *app) *cobra.Command {
	cmd := diffCmd(a, func(ctx context.Context, s *services, ref string) ([]engine.Change, error) {
		return s.Containers.Diff(ctx, ref)
	})
	cmd.Use = "diff [FLAGS] CONTAINER"
	cmd.Short = "Show what a container has changed of its image's files"
	return cmd
}

// newImageDiffCmd is berth image diff.
func newImageDiffCmd(a *app) *cobra.Command {
	cmd := diffCmd(a, func(ctx context.Context, s *services, ref string) ([]engine.Change, error) {
		return s.Images.Diff(ctx, ref)
	})
	cmd.Use = "diff [FLAGS] IMAGE"
	cmd.Short = "Show what the topmost layer of an image changes"
	cmd.Flags().Lookup("latest").Hidden = true
	return cmd
}

func diffOfEither(ctx context.Context, s *services, ref string) ([]engine.Change, error) {
	changes, err := s.Containers.Diff(ctx, ref)
	if !errors.Is(err, errdefs.ErrNotFound) {
		return changes, err
	}
	if there, ierr := s.Images.Exists(ctx, ref); ierr != nil || !there {
		return nil, errors.Join(errdefs.NotFound("no such container or image: %s", ref), ierr)
	}
	return s.Images.Diff(ctx, ref)
}

func diffCmd(a *app, of func(context.Context, *services, string) ([]engine.Change, error)) *cobra.Command {
	var sel selection
	var format string
	cmd := &cobra.Command{
		Example: "berth diff web\nberth diff --format json web",
		Args: func(cmd *cobra.Command, args []string) error {
			if sel.latest {
				return noArgs(cmd, args)
			}
			return exactArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "" && !isJSON(format) {
				return usageFault(cmd, errdefs.Invalid("--format %q: only json is there", format))
			}
			s, err := a.services(cmd.Context())
			if err != nil {
				return err
			}
			ref, _, err := sel.one(cmd.Context(), s.Containers, args)
			if err != nil {
				return err
			}
			changes, err := of(cmd.Context(), s, ref)
			if err != nil {
				return err
			}
			return printChanges(a.out, changes, isJSON(format))
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "json for one document")
	sel.latestFlag(cmd.Flags())
	completeFlag(cmd, "format", "json")
	return cmd
}

// changeDocument is podman's.
type changeDocument struct {
	Changed []string `json:"changed,omitempty"`
	Added   []string `json:"added,omitempty"`
	Deleted []string `json:"deleted,omitempty"`
}

func printChanges(w io.Writer, changes []engine.Change, asJSON bool) error {
	if !asJSON {
		for _, c := range changes {
			if _, err := fmt.Fprintf(w, "%s %s\n", c.Kind, c.Path); err != nil {
				return err
			}
		}
		return nil
	}
	var doc changeDocument
	for _, c := range changes {
		list := map[string]*[]string{"C": &doc.Changed, "A": &doc.Added, "D": &doc.Deleted}[c.Kind.String()]
		*list = append(*list, c.Path)
	}
	return printJSON(w, doc)
}
