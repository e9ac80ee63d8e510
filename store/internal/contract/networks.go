package contract

import (
	"maps"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store/internal/rules"
)

func (t containerWriter) Connect(id, network string, o container.NetworkOptions) error {
	if network == "" {
		return errdefs.Invalid("container %s cannot be connected: no network was named", id)
	}
	return t.changeNetworks(id, func(c *container.Config, all map[string]container.NetworkOptions) error {
		if _, ok := all[network]; ok {
			return rules.Connected(c, network)
		}
		all[network] = o
		return nil
	})
}

func (t containerWriter) Disconnect(id, network string) error {
	return t.changeNetworks(id, func(c *container.Config, all map[string]container.NetworkOptions) error {
		if _, ok := all[network]; !ok {
			return rules.NotConnected(c, network)
		}
		delete(all, network)
		return nil
	})
}

// changeNetworks has fn change a container's networks.
func (t containerWriter) changeNetworks(id string, fn func(c *container.Config, all map[string]container.NetworkOptions) error) error {
	c, err := t.Container(id)
	if err != nil {
		return err
	}
	next := c.Config
	next.Network.Networks = maps.Clone(c.Config.Network.Networks)
	if next.Network.Networks == nil {
		next.Network.Networks = map[string]container.NetworkOptions{}
	}
	if err := fn(&c.Config, next.Network.Networks); err != nil {
		return err
	}
	return t.rewrite(&c.Config, &next)
}
