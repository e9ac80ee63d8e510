package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
)

// waitFlags are the flags of berth wait.
type waitFlags struct {
	conditions    []engine.WaitCondition
	ignore, first bool
}

// newWaitCmd is berth wait.
func newWaitCmd(a *app) *cobra.Command {
	var (
		sel        selection
		conditions []string
		o          waitFlags
	)
	cmd := &cobra.Command{
		Use:   "wait [FLAGS] CONTAINER...",
		Short: "Wait until containers have ended, and print their exit codes",
		Long: `Wait until each container has ended, or is as --condition says, and print its exit code. A container that does not run
is not waited for.

Conditions: not-running (the default), next-exit, removed, and the statuses created, initialized, running, paused, stopping,
stopped, exited, removing, and healthy and unhealthy. Of several, the first to hold ends the wait.`,
		Example: "berth wait web\nberth wait --condition healthy db\nberth wait --return-first worker1 worker2",
		Args:    sel.checkOne(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			wanted, err := waitConditions(conditions)
			if err != nil {
				return usageFault(cmd, err)
			}
			o.conditions = wanted
			return a.wait(cmd.Context(), sel, args, o)
		},
	}
	f := cmd.Flags()
	sel.latestFlag(f)
	f.StringSliceVar(&conditions, "condition", nil, "Wait until the container is so (repeatable, or several with commas)")
	f.BoolVar(&o.ignore, "ignore", false, "A container that is not there is no error; print -1 for it")
	f.BoolVar(&o.first, "return-first", false, "Wait for the first of the containers only, and print its exit code")
	f.StringP("interval", "i", "", "Accepted for podman's sake: nothing is polled")
	f.Lookup("interval").Hidden = true
	return cmd
}

// waitConditions reads the values of --condition.
func waitConditions(written []string) ([]engine.WaitCondition, error) {
	if len(written) == 0 {
		return []engine.WaitCondition{engine.WaitNotRunning}, nil
	}
	conditions := make([]engine.WaitCondition, 0, len(written))
	for _, w := range written {
		switch c := engine.WaitCondition(w); c {
		case engine.WaitNotRunning, engine.WaitNextExit, engine.WaitRemoved, engine.WaitHealthy, engine.WaitUnhealthy:
			conditions = append(conditions, c)
			continue
		case "configured": // podman's word for a container that was only created
			conditions = append(conditions, engine.WaitCondition(container.Created))
			continue
		}
		switch s := container.Status(w); s {
		case container.Created, container.Initialized, container.Running, container.Paused, container.Stopping,
			container.Stopped, container.Exited, container.Removing, container.Restarting:
			conditions = append(conditions, engine.WaitCondition(s))
		default:
			return nil, errdefs.Invalid("--condition %q is none: see 'berth wait --help'", w)
		}
	}
	return conditions, nil
}

func (a *app) wait(ctx context.Context, sel selection, args []string, o waitFlags) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	refs, err := sel.refs(ctx, s.Containers, args, nil)
	if err != nil {
		return err
	}
	waitOne := func(ctx context.Context, ref string) (string, error) {
		status, err := waitFirst(ctx, s.Containers, ref, o.conditions)
		if o.ignore && errors.Is(err, errdefs.ErrNotFound) {
			return "-1", nil
		}
		return strconv.Itoa(status.Code), err
	}
	if !o.first {
		return a.eachLine(ctx, refs, waitOne, func([]error) int { return exitEngine })
	}
	line, err := firstOf(ctx, refs, waitOne)
	if err == nil {
		_, err = fmt.Fprintln(a.out, line)
	}
	return err
}

// waitFirst waits for the first of the conditions to hold.
func waitFirst(ctx context.Context, c lifecycle, ref string, conditions []engine.WaitCondition) (engine.ExitStatus, error) {
	return firstOf(ctx, conditions, func(ctx context.Context, condition engine.WaitCondition) (engine.ExitStatus, error) {
		return c.Wait(ctx, ref, condition)
	})
}

// firstOf works on all at once and returns what comes of the first that is done; the others are called off.
func firstOf[T, R any](ctx context.Context, all []T, work func(ctx context.Context, one T) (R, error)) (R, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		value R
		err   error
	}
	first := make(chan result, len(all))
	for _, one := range all {
		go func() {
			value, err := work(ctx, one)
			first <- result{value, err}
		}()
	}
	r := <-first
	return r.value, r.err
}
