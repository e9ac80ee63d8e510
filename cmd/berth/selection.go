package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
)

// selection is which containers a command works on: those named, or those that its flags choose.
type selection struct {
	all, latest bool
	filters     []string
	cidfiles    []string
}

// flags adds the flags of a command that takes several containers. all and filter are the short forms of --all and --filter.
func (s *selection) flags(f *pflag.FlagSet, all, filter string) {
	f.BoolVarP(&s.all, "all", all, false, "All containers that this can be done to")
	s.latestFlag(f)
	f.StringArrayVarP(&s.filters, "filter", filter, nil, "Containers that match, as with 'berth ps --filter' (KEY=VALUE, repeatable)")
}

func (s *selection) latestFlag(f *pflag.FlagSet) {
	f.BoolVarP(&s.latest, "latest", "l", false, "The container made last")
}

func (s *selection) cidfileFlag(f *pflag.FlagSet) {
	f.StringArrayVar(&s.cidfiles, "cidfile", nil, "The container whose ID is in `file` (repeatable)")
}

// byFlags reports whether flags choose containers.
func (s *selection) byFlags() bool {
	return s.all || s.latest || len(s.filters) > 0 || len(s.cidfiles) > 0
}

// check is a cobra.PositionalArgs: names, or flags that choose.
func (s *selection) check(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0 && !s.byFlags():
		return usageFault(cmd, errdefs.Invalid("missing container: %s", cmd.UseLine()))
	case len(args) > 0 && (s.all || s.latest || len(s.filters) > 0):
		return usageFault(cmd, errdefs.Invalid("name containers, or choose them with --all, --latest or --filter: not both"))
	case s.all && s.latest:
		return usageFault(cmd, errdefs.Invalid("--all and --latest exclude each other"))
	}
	return nil
}

// checkOne is a cobra.PositionalArgs for commands of one container and n more arguments.
func (s *selection) checkOne(more int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if s.latest {
			return minArgs(more)(cmd, args)
		}
		return minArgs(more+1)(cmd, args)
	}
}

// lister is what choosing needs of the engine.
type lister interface {
	List(ctx context.Context, o engine.ListOptions) ([]engine.Summary, error)
}

// refs returns the references of the containers: as they were written, or the IDs of those chosen that are eligible.
func (s *selection) refs(ctx context.Context, l lister, args []string, eligible func(container.Status) bool) ([]string, error) {
	refs := args
	for _, file := range s.cidfiles {
		id, err := readCIDFile(file)
		if err != nil {
			return nil, err
		}
		refs = append(refs, id)
	}
	if s.latest {
		id, err := latest(ctx, l)
		return []string{id}, err
	}
	if !s.all && len(s.filters) == 0 {
		return refs, nil
	}
	filters, err := parseFilters(s.filters)
	if err != nil {
		return nil, err
	}
	found, err := l.List(ctx, engine.ListOptions{All: true, Filters: filters})
	if err != nil {
		return nil, err
	}
	for _, c := range found {
		if eligible == nil || eligible(c.Status) {
			refs = append(refs, c.Config.ID)
		}
	}
	return refs, nil
}

// one returns the reference of the one container that a command works on, and the arguments after it.
func (s *selection) one(ctx context.Context, l lister, args []string) (ref string, rest []string, err error) {
	if s.latest {
		ref, err = latest(ctx, l)
		return ref, args, err
	}
	return args[0], args[1:], nil
}

// one is selection.one with the engine opened for it.
func (a *app) one(ctx context.Context, sel selection, args []string) (c containers, ref string, rest []string, err error) {
	s, err := a.services(ctx)
	if err != nil {
		return nil, "", nil, err
	}
	ref, rest, err = sel.one(ctx, s.Containers, args)
	return s.Containers, ref, rest, err
}

// latest is the ID of the container made last.
func latest(ctx context.Context, l lister) (string, error) {
	found, err := l.List(ctx, engine.ListOptions{All: true, Last: 1})
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", errdefs.NotFound("there is no container yet, so no latest one")
	}
	return found[0].Config.ID, nil
}

func readCIDFile(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", errdefs.New(errdefs.ErrNotFound, "--cidfile: %w", err)
	}
	id, _, _ := strings.Cut(string(b), "\n")
	if id = strings.TrimSpace(id); id == "" {
		return "", errdefs.Invalid("--cidfile: %s is empty", path)
	}
	return id, nil
}

// parseFilters makes the map of filters of KEY=VALUE and KEY!=VALUE.
func parseFilters(written []string) (map[string][]string, error) {
	if len(written) == 0 {
		return nil, nil
	}
	filters := make(map[string][]string, len(written))
	for _, w := range written {
		key, value, ok := strings.Cut(w, "=")
		if !ok || key == "" {
			return nil, errdefs.Invalid("--filter %q: write KEY=VALUE", w)
		}
		filters[key] = append(filters[key], value)
	}
	return filters, nil
}

// manyAtOnce is how many containers a command works on at the same time. Stopping mostly waits.
const manyAtOnce = 16

// each works on every reference and prints it when that was done, or the error, in the order of refs. All are tried.
func (a *app) each(ctx context.Context, refs []string, work func(ctx context.Context, ref string) error) error {
	return a.eachLine(ctx, refs, func(ctx context.Context, ref string) (string, error) {
		return ref, work(ctx, ref)
	}, func([]error) int { return exitEngine })
}

// eachLine is each for work that has a line of its own to print; an empty one is not printed. code chooses the exit code if
// there were errors.
func (a *app) eachLine(ctx context.Context, refs []string, work func(ctx context.Context, ref string) (string, error), code func([]error) int) error {
	type result struct {
		line string
		err  error
	}
	results := make([]result, len(refs))
	done := make([]chan struct{}, len(refs))
	slots := make(chan struct{}, manyAtOnce)
	var all sync.WaitGroup
	for i, ref := range refs {
		done[i] = make(chan struct{})
		all.Go(func() {
			defer close(done[i])
			slots <- struct{}{}
			defer func() { <-slots }()
			results[i].line, results[i].err = work(ctx, ref)
		})
	}
	defer all.Wait()
	var errs []error
	for i := range refs {
		<-done[i]
		if err := results[i].err; err != nil {
			report(a.err, err)
			errs = append(errs, err)
		} else if results[i].line != "" {
			fmt.Fprintln(a.out, results[i].line)
		}
	}
	if len(errs) > 0 {
		return said(code(errs))
	}
	return nil
}
