package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
)

// newCpCmd is berth cp.
func newCpCmd(a *app) *cobra.Command {
	var o engine.CopyOptions
	cmd := &cobra.Command{
		Use:   "cp [FLAGS] [CONTAINER:]SOURCE [CONTAINER:]DESTINATION",
		Short: "Copy files between a container and the host, or two containers",
		Long: `Copy a file or directory between a container, whether or not it runs, and the host, or between two containers.
A path in a container begins at its root; a path of the host that has a colon in it is written with ./ or / in front.

What is copied goes into a destination that is a directory, and becomes a destination that is not there yet, in a directory that is.
A source that ends in /. is a directory's contents. A link is copied itself, unless --follow-link is given.

With - as SOURCE a tar archive is read from standard input and unpacked into a directory of the container; with - as DESTINATION
one is written to standard output.

Copies belong to root in a container, and to you on the host, where they lose set-id bits and file capabilities; with --archive
they keep their owners and all of their mode.`,
		Example: `berth cp web:/var/log/app.log .
berth cp ./site/. web:/srv/www
tar -c conf | berth cp - web:/etc`,
		Args: exactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			from, to, err := a.copyEnds(args[0], args[1])
			if err != nil {
				return usageFault(cmd, err)
			}
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return interruption(ctx, a.copyFiles(ctx, from, to, o))
		},
		ValidArgsFunction: completeCopy(a),
	}
	f := cmd.Flags()
	f.BoolVarP(&o.Archive, "archive", "a", false, "Keep owners and all of the mode")
	f.BoolVarP(&o.FollowLink, "follow-link", "L", false, "Copy what a SOURCE that is a link leads to")
	f.BoolVar(&o.Overwrite, "overwrite", false, "Replace a directory by something else, and something else by a directory")
	f.Bool("pause", false, "Nothing is paused")
	f.BoolP("quiet", "q", false, "No progress is shown anyway")
	f.Lookup("pause").Hidden, f.Lookup("quiet").Hidden = true, true
	return cmd
}

func (a *app) copyFiles(ctx context.Context, from, to engine.Place, o engine.CopyOptions) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	return s.Containers.Copy(ctx, from, to, o)
}

// copyEnds makes places of the two arguments.
func (a *app) copyEnds(source, destination string) (from, to engine.Place, err error) {
	if source == "-" && destination == "-" {
		return from, to, errdefs.Invalid("source and destination are both -: one must be a path in a container")
	}
	switch {
	case source == "-" && isTerminal(a.in):
		return from, to, errdefs.Invalid("standard input is a terminal: redirect a tar archive into it")
	case source == "-":
		from.Reader = a.in
	default:
		if from, err = copyPlace(source); err != nil {
			return from, to, err
		}
	}
	switch {
	case destination == "-" && isTerminal(a.out):
		return from, to, errdefs.Invalid("refusing to write an archive to a terminal: redirect standard output")
	case destination == "-":
		to.Writer = a.out
	default:
		if to, err = copyPlace(destination); err != nil {
			return from, to, err
		}
	}
	if from.Container == "" && to.Container == "" {
		return from, to, errdefs.Invalid("neither %q nor %q is in a container: write CONTAINER:PATH for one of them", source, destination)
	}
	return from, to, nil
}

// copyPlace is CONTAINER:PATH, or a path of the host: what begins with a slash or a dot, or has no colon.
func copyPlace(arg string) (engine.Place, error) {
	ref, inside, ok := strings.Cut(arg, ":")
	if ok && ref != "" && !strings.HasPrefix(arg, "/") && !strings.HasPrefix(arg, ".") {
		return engine.Place{Container: ref, Path: inside}, nil
	}
	if arg == "" {
		return engine.Place{}, errdefs.Invalid("an empty path: write CONTAINER:PATH or a path of the host")
	}
	if filepath.IsAbs(arg) {
		return engine.Place{Path: arg}, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return engine.Place{}, errdefs.Invalid("%q: %w", arg, err)
	}
	// Not cleaned: what the path ends in, and .. after a link, mean something.
	return engine.Place{Path: dir + "/" + arg}, nil
}

// completeCopy completes the names of containers, and leaves paths to the shell.
func completeCopy(a *app) cobra.CompletionFunc {
	names := completeContainers(a)
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 1 || strings.ContainsAny(begun, ":/.") {
			return nil, cobra.ShellCompDirectiveDefault
		}
		found, _ := names(cmd, nil, begun)
		for i := range found {
			found[i] += ":"
		}
		return found, cobra.ShellCompDirectiveNoSpace
	}
}
