package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
)

// startFlags are the flags of berth start.
type startFlags struct {
	attachFlags
	sel                 selection
	attach, interactive bool
}

// newStartCmd is berth start.
func newStartCmd(a *app) *cobra.Command {
	var o startFlags
	cmd := &cobra.Command{
		Use:   "start [FLAGS] CONTAINER...",
		Short: "Start containers that do not run",
		Long: `Start containers, and first those that they depend on. One that runs already is left as it is.

With --attach, one container is started with its output on standard output and standard error, and its exit code is the
command's.`,
		Example: "berth start web\nberth start -ai shell",
		Args:    o.sel.check,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.attach = o.attach || o.interactive
			if o.attach && (len(args) > 1 || o.sel.all) {
				return usageFault(cmd, errdefs.Invalid("--attach takes one container"))
			}
			if err := checkDetachKeys(o.detachKeys); err != nil {
				return usageFault(cmd, err)
			}
			return a.start(cmd.Context(), o, args)
		},
	}
	f := cmd.Flags()
	o.sel.flags(f, "", "f") // -a is --attach
	o.attachFlags.flags(f)
	f.BoolVarP(&o.attach, "attach", "a", false, "Connect to the container's output until it ends")
	f.BoolVarP(&o.interactive, "interactive", "i", false, "Connect standard input too")
	return cmd
}

func (a *app) start(ctx context.Context, o startFlags, args []string) error {
	s, err := a.servicesToStart(ctx)
	if err != nil {
		return err
	}
	stopped := func(st container.Status) bool { return !st.Alive() && st != container.Removing }
	refs, err := o.sel.refs(ctx, s.Containers, args, stopped)
	if err != nil {
		return err
	}
	if !o.attach {
		return a.each(ctx, refs, func(ctx context.Context, ref string) error {
			return unlessDone(s.Containers.Start(ctx, ref, engine.StartOptions{}))
		})
	}
	if len(refs) != 1 {
		return errdefs.Invalid("--attach takes one container, and %d were chosen", len(refs))
	}
	return a.startAttached(ctx, s.Containers, o, refs[0])
}

// startAttached starts one container with its streams connected; one that runs is attached to.
func (a *app) startAttached(ctx context.Context, c containers, o startFlags, ref string) error {
	d, err := c.Inspect(ctx, ref, false)
	if err != nil {
		return err
	}
	at := a.attachmentTo(c, &d.Config, o.attachFlags)
	at.Stdin = o.interactive && d.Config.Process.Stdin
	status, err := a.attached(ctx, at, func(ctx context.Context, st engine.Streams, size engine.Size, _ func() error) (engine.ExitStatus, error) {
		status, err := c.StartAttached(ctx, d.Config.ID, engine.StartOptions{Size: size}, st)
		if !errors.Is(err, errdefs.ErrNotModified) {
			return status, err
		}
		status, err = c.Attach(ctx, d.Config.ID, st)
		if errors.Is(err, errdefs.ErrConflict) { // it has just ended
			return c.Wait(ctx, d.Config.ID, engine.WaitNotRunning)
		}
		return status, err
	})
	return a.ended(d.Config.Name, status, err)
}
