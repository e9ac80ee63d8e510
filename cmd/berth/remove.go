package main

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
)

// newRmCmd is berth rm.
func newRmCmd(a *app) *cobra.Command {
	var (
		sel    selection
		o      engine.RemoveOptions
		ignore bool
	)
	cmd := &cobra.Command{
		Use:     "rm [FLAGS] CONTAINER...",
		Aliases: []string{"remove"},
		Short:   "Remove containers",
		Long: `Remove containers with what they wrote. A container that runs is an error, unless --force stops it first.

Exit code 1 says that the only thing wrong was a container that is not there; 2 that one runs or is paused.`,
		Example: "berth rm web\nberth rm -f web db\nberth rm --filter status=exited",
		Args:    sel.check,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Timeout = timeoutFlag(cmd)
			return a.remove(cmd.Context(), sel, args, o, ignore || o.Force)
		},
	}
	f := cmd.Flags()
	sel.flags(f, "a", "") // -f is --force
	sel.cidfileFlag(f)
	f.BoolVarP(&o.Force, "force", "f", false, "Stop a container that runs; one that is not there is no error")
	f.BoolVarP(&o.Volumes, "volumes", "v", false, "Remove its anonymous volumes too")
	f.BoolVar(&o.Depend, "depend", false, "Remove the containers that depend on it first")
	f.IntP("time", "t", 0, "With --force, kill after this many `seconds` (default: the container's own)")
	f.BoolVarP(&ignore, "ignore", "i", false, "A container that is not there is no error")
	return cmd
}

// remove removes containers and prints the references of those that are gone.
func (a *app) remove(ctx context.Context, sel selection, args []string, o engine.RemoveOptions, ignore bool) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	refs, err := sel.refs(ctx, s.Containers, args, nil)
	if err != nil {
		return err
	}
	outcomes := removeAll(ctx, s.Containers, refs, o)
	return a.eachLine(ctx, refs, func(_ context.Context, ref string) (string, error) {
		removed, err := outcomes[ref].removed, outcomes[ref].err
		if ignore && errors.Is(err, errdefs.ErrNotFound) {
			return "", nil
		}
		if len(removed) > 1 {
			return strings.Join(removed, "\n"), err
		}
		return ref, err
	}, removeCode)
}

// removal is what became of one removal.
type removal struct {
	removed []string
	err     error
}

// removeAll removes several containers at once. One that others depend on is tried again when those are gone.
func removeAll(ctx context.Context, c containers, refs []string, o engine.RemoveOptions) map[string]removal {
	outcomes := make(map[string]removal, len(refs))
	var lock sync.Mutex
	var all sync.WaitGroup
	slots := make(chan struct{}, manyAtOnce)
	for _, ref := range refs {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			removed, err := c.Remove(ctx, ref, o)
			lock.Lock()
			defer lock.Unlock()
			outcomes[ref] = removal{removed, err}
		})
	}
	all.Wait()
	for progress := len(refs) > 1; progress; {
		progress = false
		for ref, was := range outcomes {
			if !errors.Is(was.err, errdefs.ErrConflict) {
				continue
			}
			removed, err := c.Remove(ctx, ref, o)
			outcomes[ref] = removal{removed, err}
			progress = progress || err == nil
		}
	}
	return outcomes
}

// removeCode is the exit code of rm: 1 if containers were not there and nothing else was wrong, 2 if one was in the way.
func removeCode(errs []error) int {
	code := exitFalse
	for _, err := range errs {
		switch {
		case errors.Is(err, errdefs.ErrNotFound):
		case errors.Is(err, errdefs.ErrConflict):
			code = max(code, exitConflict)
		default:
			return exitEngine
		}
	}
	return code
}
