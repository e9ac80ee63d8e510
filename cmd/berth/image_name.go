package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/image"
)

// newTagCmd is berth tag.
func newTagCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "tag IMAGE NAME...",
		Short:   "Give an image more names",
		Example: "berth tag debian registry.example.com/base:1",
		Args:    minArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.services(cmd.Context())
			if err != nil {
				return err
			}
			return s.Images.Tag(cmd.Context(), args[0], args[1:])
		},
		ValidArgsFunction: completeImages(a),
	}
}

// newUntagCmd is berth untag.
func newUntagCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "untag IMAGE [NAME...]",
		Short: "Take names off an image",
		Long:  "Take names off an image, all of them if none is given. The image itself stays.",
		Args:  minArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.services(cmd.Context())
			if err != nil {
				return err
			}
			return s.Images.Untag(cmd.Context(), args[0], args[1:])
		},
		ValidArgsFunction: completeImages(a),
	}
}

// newRmiCmd is berth rmi, and image rm.
func newRmiCmd(a *app) *cobra.Command {
	var o image.RemoveOptions
	var all, ignore bool
	cmd := &cobra.Command{
		Use:   "rmi [FLAGS] IMAGE...",
		Short: "Remove images",
		Long: `Take the names given off their images, and remove those that have no name left. An image that
containers were made from is not removed; with --force the containers are removed first.

Exit code 1 says that the only thing wrong was an image that is not there; 2 that one is in use.`,
		Example: "berth rmi debian\nberth rmi $(berth images -q --filter dangling=true)",
		Args:    namedOrAll("images", &all),
		RunE: func(cmd *cobra.Command, args []string) error {
			return removeImages(cmd.Context(), a, args, o, ignore || o.Force)
		},
		ValidArgsFunction: completeImages(a),
	}
	f := cmd.Flags()
	f.BoolVarP(&all, "all", "a", false, "All images")
	f.BoolVarP(&o.Force, "force", "f", false, "Remove the containers made from an image first, and by ID all its names; an image that is not there is no error")
	f.BoolVarP(&ignore, "ignore", "i", false, "An image that is not there is no error")
	f.BoolVar(&o.NoPrune, "no-prune", false, "Leave parts that nothing stands on any more")
	return cmd
}

// removeImages removes the images named, all without names. One that was removed together with another is not asked for again.
func removeImages(ctx context.Context, a *app, refs []string, o image.RemoveOptions, ignore bool) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	if len(refs) == 0 {
		found, err := s.Images.List(ctx, image.ListOptions{All: true})
		if err != nil {
			return err
		}
		// All names go, and an image may be gone with another already. Containers stay, unless --force is given.
		ignore = true
		for _, i := range found {
			refs = append(refs, removalRefs(i, o.Force)...)
		}
	}
	var errs []error
	for _, ref := range refs {
		reports, err := s.Images.Remove(ctx, []string{ref}, o)
		printRemoved(a, reports)
		if err != nil && !(ignore && errdefs.Class(err) == errdefs.ErrNotFound) {
			report(a.err, err)
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return said(removeCode(errs))
	}
	return nil
}

// removalRefs are what to remove for all of an image to go: each of its names, or the image itself.
func removalRefs(i image.Image, force bool) []string {
	if force || len(i.Names) == 0 {
		return []string{i.ID}
	}
	return i.Names
}

// printRemoved prints what became of each image, as Docker and podman do.
func printRemoved(a *app, reports []image.RemoveReport) {
	for _, r := range reports {
		for _, name := range r.Untagged {
			fmt.Fprintln(a.out, "Untagged:", name)
		}
		for _, id := range r.Deleted {
			fmt.Fprintln(a.out, "Deleted:", id)
		}
	}
}

// newImagePruneCmd is berth image prune.
func newImagePruneCmd(a *app) *cobra.Command {
	var all, force bool
	var filters []string
	cmd := &cobra.Command{
		Use:   "prune [FLAGS]",
		Short: "Remove images that are not used",
		Long: `Remove images without a name that no container was made from; with --all, those with a name too. It
asks first, unless --force is given.

Filters are until, label and label!, as --filter KEY=VALUE.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fm, err := parseFilters(filters)
			if err != nil {
				return err
			}
			warning := "This removes all images without a name that no container was made from."
			if all {
				warning = "This removes all images that no container was made from."
			}
			if ok, err := confirm(a, warning, force); err != nil || !ok {
				return err
			}
			return pruneImages(cmd.Context(), a, image.PruneOptions{All: all, Filters: fm})
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&all, "all", "a", false, "Remove images with a name too")
	f.BoolVarP(&force, "force", "f", false, "Do not ask")
	f.StringArrayVar(&filters, "filter", nil, "Remove only images that fit, `KEY=VALUE`")
	completeFlag(cmd, "filter", "label=", "until=")
	return cmd
}

// pruneImages removes images that no container was made from: those without a name, or all.
func pruneImages(ctx context.Context, a *app, o image.PruneOptions) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	reports, err := s.Images.Prune(ctx, o)
	for _, r := range reports {
		for _, id := range r.Deleted {
			fmt.Fprintln(a.out, id)
		}
	}
	return err
}
