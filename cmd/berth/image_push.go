package main

import (
	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/image"
)

// newPushCmd is berth push.
func newPushCmd(a *app) *cobra.Command {
	var access accessFlags
	var o image.PushOptions
	var quiet bool
	var level int
	cmd := &cobra.Command{
		Use:   "push [FLAGS] IMAGE [DESTINATION]",
		Short: "Push an image to a registry",
		Long: `Push an image to a registry under its own name, or to DESTINATION: another name, or docker-archive:FILE,
oci-archive:FILE, oci:DIR or dir:DIR.`,
		Example: "berth push registry.example.com/tool:2\nberth push --format oci tool oci-archive:/tmp/tool.tar",
		Args:    rangeArgs(1, 2),
		RunE: undoing(func(cmd *cobra.Command, args []string) error {
			var err error
			if o.Access, err = access.access(a, cmd.Flags()); err != nil {
				return err
			}
			if cmd.Flags().Changed("compression-level") {
				o.Level = &level
			}
			if !quiet {
				o.Progress = a.err
			}
			destination := ""
			if len(args) == 2 {
				destination = args[1]
			}
			s, err := a.services(cmd.Context())
			if err != nil {
				return err
			}
			_, err = s.Images.Push(cmd.Context(), args[0], destination, o)
			return err
		}),
		ValidArgsFunction: completeImages(a),
	}
	f := cmd.Flags()
	access.flags(f)
	f.StringVarP(&o.Format, "format", "f", "", "Write a manifest of this kind: oci, v2s2 or v2s1 (default: the image's own)")
	f.StringVar(&o.Compression, "compression-format", "", "Compress layers by gzip, zstd or zstd:chunked")
	f.IntVar(&level, "compression-level", 0, "Compress this hard; what the numbers mean is the format's")
	f.StringVar(&o.DigestFile, "digestfile", "", "Write the digest of what was pushed to this `file`")
	f.BoolVarP(&quiet, "quiet", "q", false, "Show no progress")
	completeFlag(cmd, "format", "oci", "v2s2", "v2s1")
	completeFlag(cmd, "compression-format", "gzip", "zstd", "zstd:chunked")
	return cmd
}
