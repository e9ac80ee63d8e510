package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
)

// runFlags are the flags of berth run.
type runFlags struct {
	createFlags
	attachFlags
	detach  bool
	attach  []string
	command *cobra.Command
}

// newRunCmd is berth run.
func newRunCmd(a *app) *cobra.Command {
	var o runFlags
	cmd := &cobra.Command{
		Use:   "run [FLAGS] IMAGE [COMMAND [ARG...]]",
		Short: "Run a command in a new container",
		Long: `Make a container from an image, which is pulled if it is not there, and run it. What it prints is printed here, signals are
passed on to it, and its exit code is the exit code: 128+N after signal N, 125 if Berth failed, 126 if the command cannot be
invoked, 127 if there is none of that name. Ctrl-p ctrl-q leaves a container that runs with -it, and it goes on.

The network is none unless --network says otherwise: host, container:NAME or ns:PATH. Networks between containers, and with
them published ports, are still to come.`,
		Example: `berth run --rm hello
berth run -it --rm docker.io/debian bash
berth run -d --name web --network host -v /srv/www:/usr/share/nginx/html:ro docker.io/nginx
echo hello | berth run -i --rm docker.io/debian tr a-z A-Z
berth run --rm --memory 256m --cpus 1.5 --read-only --tmpfs /tmp docker.io/debian make`,
		Args: minArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(); err != nil {
				return usageFault(cmd, err)
			}
			return a.runContainer(cmd.Context(), &o, args)
		},
	}
	o.createFlags.flags(cmd)
	f := cmd.Flags()
	o.attachFlags.flags(f)
	f.BoolVarP(&o.detach, "detach", "d", false, "Leave the container running in the background, and print its ID")
	f.StringSliceVarP(&o.attach, "attach", "a", nil, "Connect only these streams: stdin, stdout, stderr (repeatable)")
	o.command = cmd
	return cmd
}

// check refuses flags that exclude each other.
func (o *runFlags) check() error {
	for i, stream := range o.attach {
		o.attach[i] = strings.ToLower(stream)
		if !slices.Contains([]string{"stdin", "stdout", "stderr"}, o.attach[i]) {
			return errdefs.Invalid("--attach %q: choose stdin, stdout or stderr", stream)
		}
	}
	if o.detach && len(o.attach) > 0 {
		return errdefs.Invalid("--detach and --attach exclude each other")
	}
	return checkDetachKeys(o.detachKeys)
}

// attaches reports whether a stream is connected.
func (o *runFlags) attaches(stream string) bool {
	if o.detach {
		return false
	}
	if stream == "stdin" && !o.interactive {
		return slices.Contains(o.attach, stream)
	}
	return len(o.attach) == 0 || slices.Contains(o.attach, stream)
}

// runContainer makes a container and starts it.
func (a *app) runContainer(ctx context.Context, o *runFlags, args []string) error {
	co, err := a.createOptions(o.command.Flags(), &o.createFlags, args)
	if err != nil {
		return usageFault(o.command, err)
	}
	co.Stdin = co.Stdin || o.attaches("stdin")
	// The end of this command's input is the end of the container's, but for a terminal, which may be attached to again.
	co.StdinOnce = o.attaches("stdin") && !co.Terminal
	files, err := preserved(o.preserveFDs)
	if err != nil {
		return err
	}
	s, err := a.servicesToStart(ctx)
	if err != nil {
		return err
	}
	id, err := newIDFile(o.cidfile)
	if err != nil {
		return err
	}
	defer id.close()
	start := engine.StartOptions{ExtraFiles: files}
	if o.detach {
		return a.runDetached(ctx, s.Containers, co, start, id)
	}
	a.warnNoTerminal(co.Terminal, co.Stdin)
	return a.runAttached(ctx, s.Containers, o, co, start, id)
}

// runDetached leaves the container running and prints its ID.
func (a *app) runDetached(ctx context.Context, c containers, co engine.CreateOptions, start engine.StartOptions, id *idFile) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	made, err := c.Run(ctx, co, start)
	if made.ID != "" {
		if werr := a.made(made, id); err == nil {
			err = werr
		}
	}
	if err != nil {
		return interruption(ctx, err)
	}
	fmt.Fprintln(a.out, made.ID)
	return nil
}

// made tells of a container that has been made: its ID to --cidfile, warnings to the user.
func (a *app) made(c engine.Created, id *idFile) error {
	for _, w := range c.Warnings {
		fmt.Fprintf(a.err, "Warning: %s\n", w)
	}
	return id.write(c.ID)
}

// runAttached runs the container in the foreground.
func (a *app) runAttached(ctx context.Context, c containers, o *runFlags, co engine.CreateOptions, start engine.StartOptions, id *idFile) error {
	var made engine.Created
	at := attachment{
		Terminal: co.Terminal, DetachKeys: o.detachKeys, RawLater: true,
		Stdin: o.attaches("stdin"), Stdout: o.attaches("stdout"), Stderr: o.attaches("stderr"),
	}
	if o.sigProxy && !at.Terminal {
		at.Forward = func(ctx context.Context, sig signalNumber) { a.forwardTo(c, made.ID)(ctx, sig) }
	}
	// Where a program that writes into a closed pipe would be ended, so is the container: nobody reads what it says.
	at.Broken = func() {
		soon := 1
		c.Stop(context.WithoutCancel(ctx), made.ID, engine.StopOptions{Timeout: &soon})
	}
	status, err := a.attached(ctx, at, func(ctx context.Context, st engine.Streams, size engine.Size, raw func() error) (engine.ExitStatus, error) {
		start.Size = size
		return c.RunAttached(ctx, co, start, st, func(created engine.Created) error {
			made = created
			if err := a.made(created, id); err != nil {
				return err
			}
			return raw()
		})
	})
	return a.ended(made.Name, status, err)
}

// newCreateCmd is berth create.
func newCreateCmd(a *app) *cobra.Command {
	var o createFlags
	cmd := &cobra.Command{
		Use:   "create [FLAGS] IMAGE [COMMAND [ARG...]]",
		Short: "Make a container without starting it",
		Long: `Make a container from an image, which is pulled if it is not there, and print its ID. 'berth start' starts it. The flags are
those of 'berth run'.`,
		Example: "berth create --name web --network host docker.io/nginx\nberth start web",
		Args:    minArgs(1),
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.StringSliceP("attach", "a", nil, "Accepted: what is connected is chosen by 'berth start'")
	hide(f, "attach")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		co, err := a.createOptions(f, &o, args)
		if err != nil {
			return usageFault(cmd, err)
		}
		return a.createContainer(cmd.Context(), co, o.cidfile)
	}
	return cmd
}

func (a *app) createContainer(ctx context.Context, co engine.CreateOptions, cidfile string) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	id, err := newIDFile(cidfile)
	if err != nil {
		return err
	}
	defer id.close()
	ctx, stop := interruptible(ctx)
	defer stop()
	made, err := s.Containers.Create(ctx, co)
	if err != nil {
		return interruption(ctx, err)
	}
	if err := a.made(made, id); err != nil {
		return err
	}
	fmt.Fprintln(a.out, made.ID)
	return nil
}

// progress is where a pull tells how far it is.
func (a *app) progress(quiet bool) io.Writer {
	if quiet {
		return nil
	}
	return a.err
}

// rootfsArgument splits DIR[:O], the first argument with --rootfs.
func rootfsArgument(arg string) (dir string, overlay bool) {
	if before, ok := strings.CutSuffix(arg, ":O"); ok {
		return before, true
	}
	return arg, false
}

// imageVolumeKinds are the values of --image-volume, with podman's older word.
var imageVolumeKinds = map[string]string{"": "", "bind": "anonymous", "anonymous": "anonymous", "tmpfs": "tmpfs", "ignore": "ignore"}

// restartPolicy reads --restart.
func restartPolicy(text string) (container.RestartPolicy, error) {
	if text == "" {
		return container.RestartPolicy{}, nil
	}
	return container.ParseRestart(text)
}
