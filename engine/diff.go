package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/rootfs"
)

// Change is one name that differs from the image; Kind prints as C (modified), A (added) or D (deleted).
type Change = rootfs.Change

// The kinds of changes.
const (
	Modified = rootfs.Modified
	Added    = rootfs.Added
	Deleted  = rootfs.Deleted
)

// Diff lists what differs in a container's files from its image, by path: whatever its status, without a lock and without a mount.
// What the engine made to mount something on (/proc, /etc/hosts, volumes) is left out.
//
// ErrInvalidArgument for a container that writes into a directory of the host (--rootfs), which has nothing to be compared with.
func (s *Containers) Diff(ctx context.Context, ref string) ([]Change, error) {
	c, err := s.e.lookup(ctx, ref)
	if err != nil {
		return nil, err
	}
	d, err := s.e.diffOf(c)
	if err != nil {
		return nil, err
	}
	changes, err := d.Changes(ctx)
	if err != nil {
		return nil, err
	}
	return changes, s.e.requireThere(ctx, c)
}

// Diff lists what the topmost layer of an image changes in those below.
func (s *Images) Diff(ctx context.Context, ref string) ([]Change, error) {
	img, err := s.Inspect(ctx, ref)
	if err != nil || len(img.Layers) == 0 {
		return nil, err
	}
	last := len(img.Layers) - 1
	return rootfs.Diff{Upper: img.Layers[last], Lower: img.Layers[:last]}.Changes(ctx)
}

// diffOf is the container's layer and what it lies on.
func (e *Engine) diffOf(c *container.Container) (rootfs.Diff, error) {
	if c.Config.RootfsPath != "" && !c.Config.RootfsOverlay {
		return rootfs.Diff{}, errdefs.Invalid("container %s has no layer of its own: it writes into the directory %s (--rootfs); make it with %s:O for one",
			c.Config.Name, c.Config.RootfsPath, c.Config.RootfsPath)
	}
	d := e.layerOf(c).Diff(lowerOf(c))
	d.Placed = placed(&c.Config)
	return d, nil
}

func (e *Engine) layerOf(c *container.Container) rootfs.Layer {
	return rootfs.Layer{Dir: e.paths.container(c.Config.ID)}
}

// lowerOf are the directories below the container's layer, lowest first.
func lowerOf(c *container.Container) []string {
	if c.Config.RootfsPath != "" {
		return []string{c.Config.RootfsPath}
	}
	return c.Config.Image.Layers
}

// mountPoints are where the engine and the OCI runtime mount what every container has, with the directories above.
var mountPoints = map[string]bool{
	"/dev": true, "/proc": true, "/sys": true, "/run": true, "/run/.containerenv": true, "/run/.berth-init": true, "/run/secrets": true,
	"/etc": true, "/etc/hostname": true, "/etc/hosts": true, "/etc/resolv.conf": true, "/etc/mtab": true, "/etc/localtime": true,
	"/etc/passwd": true, "/etc/group": true,
}

// placed reports of a name whether it may have been made to mount something on: such a place, one of the container's own mounts, or a
// directory on the way to one.
func placed(cfg *container.Config) func(string) bool {
	return func(path string) bool {
		if mountPoints[path] || strings.HasPrefix(path, "/dev/") {
			return true
		}
		above := func(destination string) bool { return destination == path || strings.HasPrefix(destination, path+"/") }
		return slices.ContainsFunc(cfg.Mounts, func(m container.Mount) bool { return above(m.Destination) }) ||
			slices.ContainsFunc(cfg.Devices, func(d container.Device) bool { return above(d.Destination) })
	}
}

// requireThere fails if the container has been removed, or is being removed, since it was looked up: what was read of its files may then
// not have been all. Its lock is taken for that, so that a removal under way is waited for.
func (e *Engine) requireThere(ctx context.Context, c *container.Container) error {
	unlock, err := e.locks.Lock(ctx, c.Config.ID)
	if err != nil {
		return err
	}
	defer unlock()
	now, err := e.reread(ctx, c.Config.ID)
	if errdefs.Class(err) == errdefs.ErrNotFound || err == nil && now.State.Status == container.Removing {
		return errdefs.Conflict("container %s was removed while its files were read", c.Config.Name)
	}
	return err
}
