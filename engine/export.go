package engine

import (
	"context"
	"io"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/rootfs"
	"github.com/berth-engine/berth/store"
)

// Export writes all files of a container, without what is mounted in it, as a tar archive to w: whatever its status, without a lock and
// without a mount. Owners are the container's. ErrConflict if the container is removed meanwhile; what was written is not whole then.
func (s *Containers) Export(ctx context.Context, ref string, w io.Writer) error {
	e := s.e
	c, err := e.lookup(ctx, ref)
	if err != nil {
		return err
	}
	if err := e.packAll(ctx, c, w); err != nil {
		return err
	}
	if err := e.requireThere(ctx, c); err != nil {
		return err
	}
	return e.store.Update(ctx, store.Volatile, func(tx store.UpdateTx) error {
		return tx.Writer().Append(containerEvent(c, event.Export))
	})
}

// packAll writes what the container sees of its layers.
func (e *Engine) packAll(ctx context.Context, c *container.Container, w io.Writer) error {
	o := e.layerOwners(c)
	if c.Config.RootfsPath != "" && !c.Config.RootfsOverlay {
		return rootfs.PackAll(ctx, w, []string{c.Config.RootfsPath}, o)
	}
	return rootfs.PackAll(ctx, w, e.layerOf(c).Layers(lowerOf(c)), o)
}

// layerOwners are the maps for the owners in the container's layer. In a copy of the image, which stands for a layer where overlay is
// not possible, they are the container's already.
func (e *Engine) layerOwners(c *container.Container) rootfs.LayerOptions {
	if e.layerOf(c).Diff(nil).Whole {
		return rootfs.LayerOptions{}
	}
	return rootfs.LayerOptions{UIDMap: rootfsMap(c.Config.Namespaces.UIDMap), GIDMap: rootfsMap(c.Config.Namespaces.GIDMap)}
}
