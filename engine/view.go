package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/rootfs"
)

// view is a file system held open: a container's, as its processes see it, or the host's.
type view struct {
	root *rootfs.Root
	// cfg is the container's; nil for the host.
	cfg *container.Config
	// where says which it is, for messages.
	where string
	// unlock lets go of a container that does not run.
	unlock func()
}

func (v *view) close() {
	v.root.Close()
	if v.unlock != nil {
		v.unlock()
	}
}

// openView opens a container's files; the host's without an ID. A container that runs is not locked, and may end meanwhile. One that does
// not run stays locked until the view is closed, since its layer must not be mounted twice; the view's mounts are attached nowhere, so
// that nothing is left of them whatever dies.
func (e *Engine) openView(ctx context.Context, id string) (*view, error) {
	if id == "" {
		root, err := rootfs.OpenRoot("/")
		return &view{root: root, where: "on the host"}, err
	}
	unlock, err := e.locks.Lock(ctx, id)
	if err != nil {
		return nil, err
	}
	v, err := e.viewLocked(ctx, id)
	if err != nil {
		unlock()
		return nil, err
	}
	if v.unlock == nil {
		unlock()
		return v, nil
	}
	v.unlock = unlock
	return v, nil
}

func (e *Engine) viewLocked(ctx context.Context, id string) (*view, error) {
	c, err := e.reread(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := e.reconcile(ctx, c); err != nil {
		return nil, err
	}
	v := &view{cfg: &c.Config, where: onContainer(c.Config.Name)}
	switch {
	case c.State.Status == container.Removing:
		return nil, errdefs.Conflict("container %s is being removed", c.Config.Name)
	case c.State.Status.Alive():
		v.root, err = e.rootOfRunning(c)
	default:
		v.unlock = func() {}
		v.root, err = e.rootOfStopped(ctx, c)
	}
	return v, err
}

// rootOfRunning opens the root directory of the container's first process, in its mount namespace.
func (e *Engine) rootOfRunning(c *container.Container) (*rootfs.Root, error) {
	root, err := rootfs.OpenRoot(fmt.Sprintf("/proc/%d/root", c.State.PID))
	if err == nil && !e.alive(c.State) {
		root.Close() // it may be another process's
		err = unix.ESRCH
	}
	if err != nil {
		return nil, errdefs.Conflict("container %s ends just now: try again: %w", c.Config.Name, err)
	}
	return root, nil
}

// rootOfStopped mounts what the container would have, but for tmpfs, which are empty until it runs. The caller holds the lock. The claim
// is for volumes with options, which are mounted on the host meanwhile.
func (e *Engine) rootOfStopped(ctx context.Context, c *container.Container) (*rootfs.Root, error) {
	cl, err := e.claim(c.Config.ID, verbClaim)
	if err != nil {
		return nil, err
	}
	defer cl.done()
	root, err := e.openLayer(ctx, c)
	if err != nil {
		return nil, err
	}
	var placed []rootfs.Placement
	defer func() {
		for _, p := range placed {
			p.Source.Close()
		}
	}()
	for _, m := range byDepth(c.Config.Mounts) {
		if m.Type == container.Tmpfs {
			continue
		}
		p, err := e.placement(ctx, c, root, m)
		if err != nil {
			root.Close()
			return nil, err
		}
		placed = append(placed, p)
	}
	if len(placed) == 0 && !c.Config.ReadOnly {
		return root, nil
	}
	defer root.Close()
	whole, err := root.With(placed, c.Config.ReadOnly, e.paths.claims())
	return whole, errors.Join(err, e.releaseVolumes(c))
}

// openLayer mounts the container's layer, attached nowhere.
func (e *Engine) openLayer(ctx context.Context, c *container.Container) (*rootfs.Root, error) {
	cfg := &c.Config
	if err := e.settleMount(ctx, c); err != nil {
		return nil, err
	}
	if c.State.Mounts > 0 {
		return rootfs.OpenBound(e.paths.mounted(cfg.ID))
	}
	if cfg.RootfsPath != "" && !cfg.RootfsOverlay {
		return rootfs.OpenBound(cfg.RootfsPath)
	}
	return e.layerOf(c).OpenDetached(ctx, rootfs.MountOptions{
		Lower: lowerOf(c), Volatile: cfg.AutoRemove,
		UIDMap: rootfsMap(cfg.Namespaces.UIDMap), GIDMap: rootfsMap(cfg.Namespaces.GIDMap),
	})
}

// byDepth are mounts with those that others lie in first.
func byDepth(mounts []container.Mount) []container.Mount {
	sorted := slices.Clone(mounts)
	slices.SortStableFunc(sorted, func(a, b container.Mount) int {
		return strings.Count(a.Destination, "/") - strings.Count(b.Destination, "/")
	})
	return sorted
}

// placement opens what a mount mounts. A volume that has never been used is filled from the image first, as a start would.
func (e *Engine) placement(ctx context.Context, c *container.Container, root *rootfs.Root, m container.Mount) (rootfs.Placement, error) {
	p := rootfs.Placement{Destination: m.Destination, ReadOnly: m.ReadOnly || slices.Contains(m.Options, "ro")}
	if m.IDMap {
		p.UIDMap, p.GIDMap = rootfsMap(c.Config.Namespaces.UIDMap), rootfsMap(c.Config.Namespaces.GIDMap)
	}
	dir, subpath := m.Source, m.Subpath
	if m.Type == container.Volume {
		user, err := rootfs.ResolveUser(root, c.Config.Process.User, c.Config.Process.Groups)
		if err != nil {
			return p, err
		}
		m.Subpath = ""
		if dir, err = e.prepareVolume(ctx, &starting{e: e, c: c, root: root, user: user}, m); err != nil {
			return p, err
		}
	}
	if subpath != "" {
		var err error
		p.Source, err = openSubpath(dir, subpath)
		return p, err
	}
	f, err := os.OpenFile(dir, unix.O_PATH, 0)
	if err != nil {
		return p, errdefs.Invalid("mount source %s: %w", dir, err)
	}
	p.Source = f
	return p, nil
}

// releaseVolumes ends the container's use of volumes.
func (e *Engine) releaseVolumes(c *container.Container) error {
	for _, name := range volumeNames(c) {
		if err := e.localVolumes().Unmount(name, c.Config.ID); err != nil {
			return err
		}
	}
	return nil
}
