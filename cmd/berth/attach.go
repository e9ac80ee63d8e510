package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/ociruntime"
)

// attachFlags are what run, start and attach have in common.
type attachFlags struct {
	detachKeys string
	sigProxy   bool
}

func (o *attachFlags) flags(f *pflag.FlagSet) {
	detachKeysFlag(f, &o.detachKeys)
	f.BoolVar(&o.sigProxy, "sig-proxy", true, "Pass signals on to the container's first process; not from a terminal, whose keys do that")
}

func detachKeysFlag(f *pflag.FlagSet, keys *string) {
	f.StringVar(keys, "detach-keys", defaultDetachKeys, "The `keys` that leave the container without ending it; empty for none")
}

// checkDetachKeys refuses what does not parse before anything is made.
func checkDetachKeys(keys string) error {
	if keys == "" {
		return nil
	}
	if _, err := container.ParseDetachKeys(keys); err != nil {
		return fmt.Errorf("--detach-keys: %w", err)
	}
	return nil
}

// newAttachCmd is berth attach.
func newAttachCmd(a *app) *cobra.Command {
	var (
		sel     selection
		o       attachFlags
		noStdin bool
	)
	cmd := &cobra.Command{
		Use:   "attach [FLAGS] CONTAINER",
		Short: "Connect the terminal to a running container",
		Long: `Connect standard input, output and error to those of a running container, until it ends or the detach keys (ctrl-p ctrl-q)
are typed. The exit code is the container's.`,
		Example: "berth attach web\nberth attach --no-stdin web",
		Args:    sel.checkOne(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkDetachKeys(o.detachKeys); err != nil {
				return usageFault(cmd, err)
			}
			return a.attach(cmd.Context(), sel, o, noStdin, args)
		},
	}
	o.flags(cmd.Flags())
	sel.latestFlag(cmd.Flags())
	cmd.Flags().BoolVar(&noStdin, "no-stdin", false, "Do not connect standard input")
	return cmd
}

func (a *app) attach(ctx context.Context, sel selection, o attachFlags, noStdin bool, args []string) error {
	c, ref, rest, err := a.one(ctx, sel, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return errdefs.Invalid("attach takes one container, not %d", len(rest)+1)
	}
	d, err := c.Inspect(ctx, ref, false)
	if err != nil {
		return err
	}
	at := a.attachmentTo(c, &d.Config, o)
	at.Stdin = d.Config.Process.Stdin && !noStdin
	status, err := a.attached(ctx, at, func(ctx context.Context, st engine.Streams, _ engine.Size, _ func() error) (engine.ExitStatus, error) {
		return c.Attach(ctx, d.Config.ID, st)
	})
	return a.ended(d.Config.Name, status, err)
}

// attachmentTo is how a container's streams are joined to the command's: all outputs, and signals if they are passed on. With a terminal
// they are not, as with Docker and podman: a signal then is for the command, which ends, and the container goes on.
func (a *app) attachmentTo(c lifecycle, config *container.Config, o attachFlags) attachment {
	at := attachment{Terminal: config.Process.Terminal, Stdout: true, Stderr: true, DetachKeys: o.detachKeys}
	if o.sigProxy && !at.Terminal {
		at.Forward = a.forwardTo(c, config.ID)
	}
	return at
}

// forwardTo passes signals on to a container. One that has just ended is no error.
func (a *app) forwardTo(c lifecycle, id string) func(context.Context, syscall.Signal) {
	return func(ctx context.Context, sig syscall.Signal) {
		err := c.Kill(ctx, id, strconv.Itoa(int(sig)))
		if err == nil || ctx.Err() != nil || errors.Is(err, errdefs.ErrConflict) || errors.Is(err, errdefs.ErrNotFound) {
			return
		}
		fmt.Fprintf(a.err, "Error: passing on signal %d: %v\r\n", sig, err)
	}
}

// ended makes a process's end the command's.
func (a *app) ended(name string, status engine.ExitStatus, err error) error {
	if errors.Is(err, ociruntime.ErrDetached) {
		if isTerminal(a.err) {
			fmt.Fprintf(a.err, "\ndetached; %s goes on: 'berth attach %s' comes back to it\n", name, name)
		}
		return nil
	}
	if err != nil {
		return err
	}
	return exitWith(status.Code)
}
