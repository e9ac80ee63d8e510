package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/image"
)

// newPullCmd is berth pull.
func newPullCmd(a *app) *cobra.Command {
	var access accessFlags
	var platform platformFlags
	var policy string
	var quiet, allTags bool
	cmd := &cobra.Command{
		Use:   "pull [FLAGS] IMAGE...",
		Short: "Pull images from a registry",
		Long: `Pull images from a registry, or from where a transport says, and print their IDs.

IMAGE is a name ("debian:12", "docker.io/library/debian@sha256:…"); a name without a registry is looked
for where registries.conf says. Or it is docker-archive:FILE, oci-archive:FILE, oci:DIR or dir:DIR.

Several layers are pulled at a time. What was pulled of an image is kept only if all of it came.`,
		Example: `berth pull docker.io/library/debian:12
berth pull --platform linux/arm64 docker.io/library/busybox
berth pull --creds me registry.example.com/tool`,
		Args: minArgs(1),
		RunE: undoing(func(cmd *cobra.Command, refs []string) error {
			o := image.PullOptions{Policy: image.PullPolicy(policy), AllTags: allTags}
			var err error
			if o.Platform, err = platform.value(a); err != nil {
				return err
			}
			if o.Access, err = access.access(a, cmd.Flags()); err != nil {
				return err
			}
			if !quiet {
				o.Progress = a.err
			}
			return pullImages(cmd.Context(), a, refs, o)
		}),
	}
	f := cmd.Flags()
	access.flags(f)
	platform.flags(f)
	f.BoolVarP(&allTags, "all-tags", "a", false, "Pull every tag of the repository")
	f.BoolVarP(&quiet, "quiet", "q", false, "Show no progress")
	f.StringVar(&policy, "policy", "always", "When to ask the registry: always, missing, never or newer")
	completeFlag(cmd, "policy", "always", "missing", "never", "newer")
	return cmd
}

// pullImages pulls one after the other and goes on after a failure.
func pullImages(ctx context.Context, a *app, refs []string, o image.PullOptions) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	var failed error
	for _, ref := range refs {
		ids, err := s.Images.Pull(ctx, ref, o)
		for _, id := range ids {
			fmt.Fprintln(a.out, id)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			failed = said(report(a.err, err))
		}
	}
	return failed
}
