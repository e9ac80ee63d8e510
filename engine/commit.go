package engine

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/image"
)

// CommitOptions say what image is made of a container.
type CommitOptions struct {
	// Reference names the image; empty for none.
	Reference string
	// Changes are directives of a Dockerfile; see image.Change.
	Changes         []string
	Message, Author string
	// Format is oci (or empty) or docker.
	Format string
	// Pause pauses a running container while its files are read.
	Pause bool
	// Squash makes one layer of all.
	Squash bool
	// IncludeVolumes declares the container's mounts as volumes of the image.
	IncludeVolumes bool
	// Progress gets lines; nil for none.
	Progress io.Writer
}

// Commit makes an image of a container's files, without what is mounted in it, and its configuration, and returns its ID. The container
// may have any status, and goes on; nothing is mounted. Killed half-way, no image is left, and the next operation lets the container
// go on.
//
// ErrInvalidArgument: a change or a name that is none, or a container that writes into a directory of the host; ErrConflict: it is
// removed meanwhile.
func (s *Containers) Commit(ctx context.Context, ref string, o CommitOptions) (id string, err error) {
	e := s.e
	defer e.sweep(context.WithoutCancel(ctx))
	c, err := e.lookup(ctx, ref)
	if err != nil {
		return "", err
	}
	if _, err := e.diffOf(c); err != nil {
		return "", err
	}
	k := &committing{e: e, c: c, o: o}
	err = runSteps(ctx, "commit", []step{
		{name: "pause", do: k.pause, undo: k.goOn},
		{name: "image", do: k.image},
		{name: "unpause", do: k.goOn},
		{name: "record", do: k.record},
	})
	return k.id, err
}

// committing is a commit under way.
type committing struct {
	e     *Engine
	c     *container.Container
	o     CommitOptions
	id    string
	claim *claim // on a container that this commit has paused
}

// pause pauses a container that runs, and answers for its going on.
func (k *committing) pause(ctx context.Context) (err error) {
	if !k.o.Pause || k.e.trueStatus(k.c) != container.Running {
		return nil
	}
	if k.claim, err = k.e.claim(k.c.Config.ID, commitClaim); err != nil {
		return err
	}
	err = k.e.Containers.Pause(ctx, k.c.Config.ID)
	if errdefs.Class(err) == errdefs.ErrConflict {
		// It has ended, or somebody else has paused it.
		k.claim.done()
		k.claim, err = nil, nil
	}
	return err
}

func (k *committing) goOn(ctx context.Context) error {
	if k.claim == nil {
		return nil
	}
	err := k.e.Containers.Unpause(ctx, k.c.Config.ID)
	if class := errdefs.Class(err); err != nil && class != errdefs.ErrConflict && class != errdefs.ErrNotFound {
		k.claim.leave()
		k.claim = nil
		return err
	}
	k.claim.done()
	k.claim = nil
	return nil
}

// image makes the image. That its files were all there is known only afterwards.
func (k *committing) image(ctx context.Context) (err error) {
	cfg := &k.c.Config
	o := image.CommitOptions{
		Base: cfg.Image.ID, Reference: k.o.Reference, Changes: k.o.Changes, Message: k.o.Message, Author: k.o.Author,
		Format: k.o.Format, Squash: k.o.Squash, Progress: k.o.Progress, CreatedBy: strings.Join(cfg.Process.Args(), " "),
		Configure: k.configure, Health: imageHealth(cfg.Health),
		Layer: func(ctx context.Context, w io.Writer) error {
			if err := k.pack(ctx, w); err != nil {
				return err
			}
			return k.e.requireThere(ctx, k.c)
		},
	}
	k.id, err = k.e.images.Commit(ctx, o)
	return err
}

func (k *committing) pack(ctx context.Context, w io.Writer) error {
	if k.o.Squash || k.c.Config.Image.ID == "" {
		return k.e.packAll(ctx, k.c, w)
	}
	d, err := k.e.diffOf(k.c)
	if err != nil {
		return err
	}
	return d.Pack(ctx, w, k.e.layerOwners(k.c))
}

// configure puts what the container was configured with into the configuration of the image that it was made from.
func (k *committing) configure(c *image.Config) {
	p := k.c.Config.Process
	c.Entrypoint, c.Cmd, c.WorkingDir, c.User = p.Entrypoint, p.Command, p.WorkDir, p.User
	c.Env = slices.Clone(p.Env)
	c.Labels = nil
	for name, value := range k.c.Config.Labels {
		if c.Labels == nil {
			c.Labels = map[string]string{}
		}
		c.Labels[name] = value
	}
	if c.StopSignal = ""; k.c.Config.StopSignal != int(unix.SIGTERM) {
		c.StopSignal = unix.SignalName(unix.Signal(k.c.Config.StopSignal))
	}
	if !k.o.IncludeVolumes {
		return
	}
	for _, m := range k.c.Config.Mounts {
		if m.Type == container.Tmpfs {
			continue
		}
		if c.Volumes == nil {
			c.Volumes = map[string]struct{}{}
		}
		c.Volumes[m.Destination] = struct{}{}
	}
}

func imageHealth(h *container.Health) *image.Health {
	if h == nil {
		return nil
	}
	return &image.Health{
		Test: h.Test, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, StartInterval: h.StartInterval, Retries: h.Retries,
	}
}

func (k *committing) record(ctx context.Context) error {
	ev := containerEvent(k.c, event.Commit, "imageID", k.id, "comment", k.o.Message, "imageRef", k.o.Reference)
	return k.e.recordEvents(ctx, []event.Event{ev})
}

// resumeCommitted lets a container go on that a commit has paused and nobody answers for any more. The caller holds the container's lock.
func (e *Engine) resumeCommitted(ctx context.Context, c *container.Container) error {
	path := filepath.Join(e.paths.claims(), c.Config.ID+commitClaim)
	if _, err := os.Lstat(path); err != nil || e.claimed(c.Config.ID, commitClaim) {
		return nil
	}
	if err := e.thawCommitted(ctx, c); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return errdefs.Internal("ending the claim on container %s: %w", c.Config.Name, err)
	}
	return nil
}

func (e *Engine) thawCommitted(ctx context.Context, c *container.Container) error {
	if c.State.Status != container.Paused {
		return nil
	}
	rt, err := e.runtimeOf(c)
	if err != nil {
		return err
	}
	if err := e.thaw(ctx, rt, c.Config.ID); err != nil && e.alive(c.State) {
		return err
	}
	c.State.Status = container.Running
	return e.setState(ctx, c, containerEvent(c, event.Unpause))
}
