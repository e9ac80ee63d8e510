package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/rootfs"
)

// Mounted is a container whose root file system is mounted for people.
type Mounted struct {
	ID, Name string
	// Path is a directory of the host.
	Path string
}

// Mount mounts a container's root file system, without what is mounted in it when it runs, on the host and returns the directory. Mounts
// are counted: as many calls of Unmount undo it, or the removal of the container, or a reboot. Starting and stopping the container leave
// it alone. ErrConflict if the container is being removed.
func (s *Containers) Mount(ctx context.Context, ref string) (path string, err error) {
	e := s.e
	defer e.sweep(context.WithoutCancel(ctx))
	err = e.locked(ctx, ref, func(c *container.Container) error {
		if c.State.Status == container.Removing {
			return errdefs.Conflict("container %s is being removed", c.Config.Name)
		}
		if err := e.settleMount(ctx, c); err != nil {
			return err
		}
		path = e.paths.mounted(c.Config.ID)
		return e.changeMount(ctx, c, "mount", event.Mount, step{
			name: "mount",
			do:   func(ctx context.Context) error { return e.mountForPeople(ctx, c) },
			undo: func(context.Context) error { return e.settleMount(ctx, c) },
		}, c.State.Mounts+1)
	})
	return path, err
}

// Unmount undoes one Mount, or with force all of them. ErrConflict if the container is not mounted.
func (s *Containers) Unmount(ctx context.Context, ref string, force bool) error {
	e := s.e
	defer e.sweep(context.WithoutCancel(ctx))
	return e.locked(ctx, ref, func(c *container.Container) error {
		if err := e.settleMount(ctx, c); err != nil {
			return err
		}
		if c.State.Mounts == 0 {
			return errdefs.Conflict("container %s is not mounted: berth mount lists those that are", c.Config.Name)
		}
		left := c.State.Mounts - 1
		if force {
			left = 0
		}
		return e.changeMount(ctx, c, "unmount", event.Unmount, step{
			name: "unmount",
			do: func(context.Context) error {
				if left > 0 {
					return nil
				}
				return e.unmountForPeople(c.Config.ID)
			},
		}, left)
	})
}

// changeMount does a step and records how often the container is mounted afterwards. The caller holds the lock.
func (e *Engine) changeMount(ctx context.Context, c *container.Container, verb string, a event.Action, do step, count uint) error {
	cl, err := e.claim(c.Config.ID, verbClaim)
	if err != nil {
		return err
	}
	err = runSteps(ctx, verb, []step{do, {name: "record", do: func(ctx context.Context) error {
		before := c.State
		c.State.Mounts, c.State.Mounted = count, ""
		if count > 0 {
			c.State.Mounted = e.paths.mounted(c.Config.ID)
		}
		err := e.setState(ctx, c, containerEvent(c, a))
		if err != nil {
			c.State = before
		}
		return err
	}}})
	if err != nil {
		cl.leave() // a sweep settles what is mounted by the record
		return err
	}
	cl.done()
	return nil
}

// ListMounted lists the containers that Mount has mounted.
func (s *Containers) ListMounted(ctx context.Context) ([]Mounted, error) {
	all, err := s.e.all(ctx)
	if err != nil {
		return nil, err
	}
	var list []Mounted
	for _, c := range all {
		if c.State.Mounts > 0 {
			list = append(list, Mounted{ID: c.Config.ID, Name: c.Config.Name, Path: c.State.Mounted})
		}
	}
	return list, nil
}

// mountForPeople mounts what the container has, which is mounted already if it runs. A layer is never mounted twice: whichever of the two
// comes second is a bind mount of the first.
func (e *Engine) mountForPeople(ctx context.Context, c *container.Container) error {
	target := e.paths.mounted(c.Config.ID)
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return errdefs.Internal("making a directory for mounts: %w", err)
	}
	if c.State.Status.Alive() {
		return rootfs.Bind(ctx, rootfs.BindOptions{Source: e.paths.rootfs(&c.Config), Target: target})
	}
	if err := e.layerOf(c).Create(); err != nil {
		return err
	}
	return e.mountLayer(ctx, c, target)
}

func (e *Engine) unmountForPeople(id string) error {
	target := e.paths.mounted(id)
	if err := rootfs.Unmount(target); err != nil {
		return err
	}
	if err := os.Remove(target); err != nil && !errors.Is(err, os.ErrNotExist) {
		return errdefs.Internal("removing the mount point of container %s: %w", short(id), err)
	}
	return nil
}

// settleMount brings the mount in line with the record, after a mount or an unmount that failed or was killed. The caller holds the lock.
func (e *Engine) settleMount(ctx context.Context, c *container.Container) error {
	target := e.paths.mounted(c.Config.ID)
	if c.State.Mounts == 0 {
		if _, err := os.Lstat(target); errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return e.unmountForPeople(c.Config.ID)
	}
	on, err := rootfs.Mounted(target)
	if err != nil || on {
		return err
	}
	c.State.Mounts, c.State.Mounted = 0, ""
	return e.setState(ctx, c, containerEvent(c, event.Unmount))
}
