package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/engine"
)

// execFlags are the flags of berth exec.
type execFlags struct {
	sel    selection
	detach bool
	env    envFlags
	engine.ExecOptions
}

// newExecCmd is berth exec.
func newExecCmd(a *app) *cobra.Command {
	var o execFlags
	cmd := &cobra.Command{
		Use:   "exec [FLAGS] CONTAINER COMMAND [ARG...]",
		Short: "Run a command in a running container",
		Long: `Run one more process in a running container. The exit code is the process's; 126 if the command cannot be invoked, 127 if
there is none of that name, 125 if Berth failed. If this command is interrupted, the process is ended.`,
		Example: "berth exec web cat /etc/hosts\nberth exec -it web sh\nberth exec -u www-data -w /srv web ls",
		Args:    o.sel.checkOne(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if o.Env, err = o.env.list(); err == nil {
				err = checkDetachKeys(o.DetachKeys)
			}
			if err != nil {
				return usageFault(cmd, err)
			}
			return a.exec(cmd.Context(), o, args)
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false)
	f.BoolVarP(&o.detach, "detach", "d", false, "Leave the command running in the background, and print the session's ID")
	f.BoolVarP(&o.Stdin, "interactive", "i", false, "Connect standard input")
	f.BoolVarP(&o.Terminal, "tty", "t", false, "Give the command a terminal")
	f.StringVarP(&o.User, "user", "u", "", "Run as this `user[:group]`, names or numbers")
	f.StringVarP(&o.WorkDir, "workdir", "w", "", "Run in this `directory` of the container")
	f.BoolVar(&o.Privileged, "privileged", false, "Run with all capabilities")
	f.UintVar(&o.PreserveFDs, "preserve-fds", 0, "Pass on this `number` of file descriptors from 3 on")
	detachKeysFlag(f, &o.DetachKeys)
	o.env.flags(f)
	o.sel.latestFlag(f)
	return cmd
}

func (a *app) exec(ctx context.Context, o execFlags, args []string) error {
	s, err := a.servicesToStart(ctx)
	if err != nil {
		return err
	}
	ref, command, err := o.sel.one(ctx, s.Containers, args)
	if err != nil {
		return err
	}
	files, err := preserved(o.PreserveFDs)
	if err != nil {
		return err
	}
	a.warnNoTerminal(o.Terminal, o.Stdin && !o.detach)
	o.Command = command
	id, err := s.Execs.Create(ctx, ref, o.ExecOptions)
	if err != nil {
		return err
	}
	if o.detach {
		ctx, stop := interruptible(ctx)
		defer stop()
		if err := s.Execs.StartDetached(ctx, id); err != nil {
			err = errors.Join(err, unlessGone(true, s.Execs.Remove(context.WithoutCancel(ctx), id, true)))
			return interruption(ctx, err)
		}
		fmt.Fprintln(a.out, id)
		return nil
	}
	return a.execAttached(ctx, s.Execs, o, id, files)
}

// execAttached runs a session with its streams connected. If this command is interrupted, or nobody reads its output, the process
// is ended: nobody would ever hear of it again.
func (a *app) execAttached(ctx context.Context, x execs, o execFlags, id string, files []*os.File) error {
	end := func() { x.Remove(context.WithoutCancel(ctx), id, true) }
	at := attachment{
		Terminal: o.Terminal, Stdin: o.Stdin, Stdout: true, Stderr: true, DetachKeys: o.DetachKeys, Broken: end,
	}
	status, err := a.attached(ctx, at, func(ctx context.Context, st engine.Streams, size engine.Size, _ func() error) (engine.ExitStatus, error) {
		status, err := x.StartAttached(ctx, id, st, size, files)
		if err != nil && ctx.Err() != nil {
			end()
		}
		return status, err
	})
	if err != nil {
		return err
	}
	return exitWith(status.Code)
}

// warnNoTerminal says, as podman does, that a terminal was asked for where there is none.
func (a *app) warnNoTerminal(wantsTerminal, wantsStdin bool) {
	if wantsTerminal && wantsStdin && !isTerminal(a.in) {
		fmt.Fprintln(a.err, "Warning: the input device is not a TTY: leave -t out if the command does not need a terminal")
	}
}
