package storetest

import (
	"maps"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
)

// configRules are about what of a configuration changes, and by which call.
var configRules = group{
	{"a configuration is rewritten but for what identifies it", func(e *env) {
		e.add(named(9, "dep"), full(1))
		next := full(1).Config
		next.Labels, next.Resources.Memory = map[string]string{"new": "1"}, 1<<20
		e.update(func(tx store.UpdateTx) error { return tx.ContainerWriter().RewriteConfig(next) })
		e.equal("config", e.container(id(1)).Config, next)
		e.equal("state", e.container(id(1)).State, full(1).State)
		for what, fn := range unchangeable {
			c := next
			fn(&c)
			e.Log(what)
			e.refused(errdefs.ErrInvalidArgument, func(tx store.UpdateTx) error { return tx.ContainerWriter().RewriteConfig(c) })
		}
		e.refused(errdefs.ErrInvalidArgument, func(tx store.UpdateTx) error {
			c := next
			c.Name = "other"
			return tx.ContainerWriter().RewriteConfig(c)
		})
		next.ID = id(5)
		e.refused(errdefs.ErrNotFound, func(tx store.UpdateTx) error { return tx.ContainerWriter().RewriteConfig(next) })
	}},
	{"a rewrite may change dependencies, by the rules of adding", func(e *env) {
		e.addPods(pod(8, "p"))
		e.addTo(8, in(8, 7, "of the pod"))
		e.add(named(1, "a"), named(2, "b"), named(3, "c"))
		rewrite := func(n int, name string, needed ...int) func(tx store.UpdateTx) error {
			c := named(n, name).Config
			for _, d := range needed {
				c.Dependencies = append(c.Dependencies, id(d))
			}
			return func(tx store.UpdateTx) error { return tx.ContainerWriter().RewriteConfig(c) }
		}
		e.refused(errdefs.ErrNotFound, rewrite(1, "a", 5))
		e.refused(errdefs.ErrConflict, rewrite(1, "a", 7))
		e.update(rewrite(1, "a", 2))
		e.refused(errdefs.ErrConflict, func(tx store.UpdateTx) error { return tx.ContainerWriter().Remove(id(2)) })
		e.update(rewrite(1, "a", 3))
		e.update(func(tx store.UpdateTx) error { return tx.ContainerWriter().Remove(id(2)) })
		e.update(rewrite(1, "a"))
		e.update(func(tx store.UpdateTx) error { return tx.ContainerWriter().Remove(id(3)) })
	}},
	{"nothing comes to depend on itself", func(e *env) {
		e.add(named(1, "a"), change(named(2, "b"), func(c *container.Container) { c.Config.Dependencies = []string{id(1)} }),
			change(named(3, "c"), func(c *container.Container) { c.Config.Dependencies = []string{id(2)} }))
		for _, on := range []int{1, 2, 3} {
			e.refused(errdefs.ErrConflict, func(tx store.UpdateTx) error {
				c := named(1, "a").Config
				c.Dependencies = []string{id(on)}
				return tx.ContainerWriter().RewriteConfig(c)
			})
		}
		self := change(named(4, "d"), func(c *container.Container) { c.Config.Dependencies = []string{id(4)} })
		e.refused(errdefs.ErrNotFound, func(tx store.UpdateTx) error { return tx.ContainerWriter().Add(self) })
	}},
	{"a safe rewrite may change the name, and neither dependencies nor what identifies", func(e *env) {
		e.add(named(9, "dep"), full(1))
		next := full(1).Config
		next.Labels, next.Name = map[string]string{"new": "1"}, "renamed"
		e.update(func(tx store.UpdateTx) error { return tx.ContainerWriter().SafeRewriteConfig(next) })
		e.equal("config", e.container(id(1)).Config, next)
		e.view(func(tx store.Tx) error {
			_, err := tx.Names().Owner("web")
			e.is(err, errdefs.ErrNotFound)
			owner, err := tx.Names().Owner("renamed")
			e.equal("owner", owner, id(1))
			return err
		})
		changes := maps.Clone(unchangeable)
		changes["dependencies"] = func(c *container.Config) { c.Dependencies = []string{id(9)} }
		for what, fn := range changes {
			c := next
			fn(&c)
			e.Log(what)
			e.refused(errdefs.ErrInvalidArgument, func(tx store.UpdateTx) error { return tx.ContainerWriter().SafeRewriteConfig(c) })
		}
		for name, want := range map[string]error{"dep": errdefs.ErrAlreadyExists, "": errdefs.ErrInvalidArgument} {
			c := next
			c.Name = name
			e.refused(want, func(tx store.UpdateTx) error { return tx.ContainerWriter().SafeRewriteConfig(c) })
		}
		next.ID = id(5)
		e.refused(errdefs.ErrNotFound, func(tx store.UpdateTx) error { return tx.ContainerWriter().SafeRewriteConfig(next) })
	}},
	{"a container is connected to networks, each with its options", func(e *env) {
		e.add(named(1, "a"), change(named(2, "b"), func(c *container.Container) {
			c.Config.Network.Networks = map[string]container.NetworkOptions{"front": {InterfaceName: "eth7"}}
		}))
		o := container.NetworkOptions{
			StaticIPs: []string{"10.0.0.5", "fd00::5"}, StaticMAC: "02:00:00:00:00:05", Aliases: []string{"db", "sql"}, InterfaceName: "eth5",
			Options: map[string]string{"mode": "l2"},
		}
		connect := func(n int, network string) func(tx store.UpdateTx) error {
			return func(tx store.UpdateTx) error { return tx.ContainerWriter().Connect(id(n), network, o) }
		}
		e.update(connect(1, "front"))
		e.update(connect(1, "back"))
		e.refused(errdefs.ErrAlreadyExists, connect(1, "back"))
		e.refused(errdefs.ErrNotFound, connect(3, "back"))
		e.refused(errdefs.ErrInvalidArgument, connect(1, ""))
		e.equal("networks", e.container(id(1)).Config.Network.Networks, map[string]container.NetworkOptions{"front": o, "back": o})
		e.connected("front", id(1), id(2))
		e.connected("back", id(1))
		disconnect := func(n int, network string) func(tx store.UpdateTx) error {
			return func(tx store.UpdateTx) error { return tx.ContainerWriter().Disconnect(id(n), network) }
		}
		e.update(disconnect(1, "front"))
		e.refused(errdefs.ErrNotFound, disconnect(1, "front"))
		e.refused(errdefs.ErrNotFound, disconnect(3, "front"))
		e.equal("networks", e.container(id(1)).Config.Network.Networks, map[string]container.NetworkOptions{"back": o})
		e.connected("front", id(2))
		e.update(func(tx store.UpdateTx) error { return tx.ContainerWriter().Remove(id(2)) })
		e.connected("front")
	}},
}

// unchangeable are the changes of a configuration that no rewrite may make.
var unchangeable = map[string]func(c *container.Config){
	"pod":       func(c *container.Config) { c.Pod = "other" },
	"namespace": func(c *container.Config) { c.Namespace = "other" },
	"networks": func(c *container.Config) {
		c.Network.Networks = map[string]container.NetworkOptions{"other": {}}
	},
	"a network's options": func(c *container.Config) {
		all := maps.Clone(c.Network.Networks)
		for name, o := range all {
			o.StaticMAC = "other"
			all[name] = o
		}
		c.Network.Networks = all
	},
}

// connected checks who is connected to a network.
func (e *env) connected(network string, want ...string) {
	e.Helper()
	e.view(func(tx store.Tx) error {
		got, err := tx.Containers().Connected(network)
		e.equal("connected to "+network, got, want)
		return err
	})
}
