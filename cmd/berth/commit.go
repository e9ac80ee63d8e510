package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
)

// newCommitCmd is berth commit.
func newCommitCmd(a *app) *cobra.Command {
	var o engine.CommitOptions
	var iidfile string
	var quiet bool
	cmd := &cobra.Command{
		Use:   "commit [FLAGS] CONTAINER [IMAGE]",
		Short: "Make an image of a container",
		Long: `Make an image of a container's files and configuration, whether or not it runs. What is mounted in the container,
its volumes among it, is not part of the image.

A --change is an instruction of a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME or WORKDIR.`,
		Example: `berth commit web web:tried
berth commit -c 'CMD ["/bin/serve"]' -c 'EXPOSE 80' -m 'with the new pages' web web:2`,
		Args: rangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				o.Reference = args[1]
			}
			if _, err := os.Lstat(iidfile); iidfile != "" && err != nil && !errors.Is(err, os.ErrNotExist) {
				return usageFault(cmd, errdefs.Invalid("--iidfile: %w", err))
			}
			if !quiet {
				o.Progress = a.err
			}
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return interruption(ctx, a.commit(ctx, args[0], o, iidfile))
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&o.Changes, "change", "c", nil, "Apply this `instruction` of a Dockerfile")
	f.StringVarP(&o.Message, "message", "m", "", "Note this in the image's history")
	f.StringVarP(&o.Author, "author", "a", "", "Name its author")
	f.StringVarP(&o.Format, "format", "f", "oci", "Format of the image, oci or docker; only docker keeps a health check")
	f.BoolVarP(&o.Pause, "pause", "p", false, "Pause the container meanwhile")
	f.BoolVarP(&o.Squash, "squash", "s", false, "Make one layer of all")
	f.BoolVar(&o.IncludeVolumes, "include-volumes", false, "Declare the container's mounts as volumes of the image")
	f.StringVar(&iidfile, "iidfile", "", "Write the image's ID to this `file`")
	f.BoolVarP(&quiet, "quiet", "q", false, "Show no progress")
	completeFlag(cmd, "format", "oci", "docker")
	return cmd
}

func (a *app) commit(ctx context.Context, ref string, o engine.CommitOptions, iidfile string) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	id, err := s.Containers.Commit(ctx, ref, o)
	if err != nil {
		return err
	}
	if iidfile != "" {
		if err := os.WriteFile(iidfile, []byte("sha256:"+id), 0o644); err != nil {
			return errdefs.Invalid("--iidfile: the image is made, %s, but its ID could not be written: %w", id, err)
		}
	}
	_, err = fmt.Fprintln(a.out, id)
	return err
}
