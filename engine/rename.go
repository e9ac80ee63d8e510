package engine

import (
	"context"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
)

func (e *Engine) rename(ctx context.Context, ref, name string) error {
	return e.locked(ctx, ref, func(c *container.Container) error {
		old := c.Config.Name
		c.Config.Name = name
		return e.store.Update(ctx, store.Synced, func(tx store.UpdateTx) error {
			if err := tx.ContainerWriter().Rename(c.Config.ID, name); err != nil {
				return err
			}
			return tx.Writer().Append(containerEvent(c, event.Rename, "oldName", old))
		})
	})
}
