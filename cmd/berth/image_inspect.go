package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/api/libpod"
)

// newImageInspectCmd is berth image inspect.
func newImageInspectCmd(a *app) *cobra.Command {
	o := inspectFlags{kind: "image"}
	cmd := &cobra.Command{
		Use:     "inspect [FLAGS] IMAGE...",
		Short:   "Show all that is known of images",
		Example: "berth image inspect debian\nberth image inspect -f '{{.Config.Cmd}} {{.Size}}' debian",
		Args:    minArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.inspect(cmd.Context(), o, args)
		},
		ValidArgsFunction: completeImages(a),
	}
	cmd.Flags().StringVarP(&o.format, "format", "f", "", "json, or a Go `template` executed for each image")
	return cmd
}

// imageDocument is the document of inspect for an image.
func imageDocument(ctx context.Context, s *services, ref string) (any, error) {
	img, err := s.Images.Inspect(ctx, ref)
	if err != nil {
		return nil, err
	}
	return libpod.InspectImage(img), nil
}

// newImageExistsCmd is berth image exists.
func newImageExistsCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "exists IMAGE",
		Short: "Tell by the exit code whether an image is there",
		Long:  "Tell by the exit code whether an image is in the store: 0 if it is, 1 if not, 125 if that cannot be found out.",
		Args:  exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.services(cmd.Context())
			if err != nil {
				return err
			}
			there, err := s.Images.Exists(cmd.Context(), args[0])
			if err == nil && !there {
				return said(exitFalse)
			}
			return err
		},
		ValidArgsFunction: completeImages(a),
	}
}
