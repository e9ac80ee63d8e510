package storetest

import (
	"fmt"
	"reflect"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
)

var podRules = group{
	{"a pod is read as it was written, every field of it", func(e *env) {
		want := fullPod(1)
		e.addPods(want)
		want.Config.Labels["changed"] = "by the writer"
		e.equal("by ID", e.pod(id(1)), fullPod(1))
		got := e.pod(id(1))
		got.Config.Labels["changed"], got.State.Infra = "by a reader", "changed"
		e.equal("after a reader changed its own", e.pod(id(1)), fullPod(1))
		e.in(e.reopen("")).view(func(tx store.Tx) error {
			got, err := tx.Pods().Lookup("pod")
			e.equal("by name, after reopening", got, fullPod(1))
			return err
		})
	}},
	{"a pod without an ID or a name is refused", func(e *env) {
		for _, p := range []*container.Pod{{Config: container.PodConfig{Name: "p"}}, {Config: container.PodConfig{ID: id(1)}}} {
			e.refused(errdefs.ErrInvalidArgument, func(tx store.UpdateTx) error { return tx.PodWriter().Add(p) })
		}
	}},
	{"names and IDs are unique across containers and pods", func(e *env) {
		e.add(named(1, "c"))
		e.addPods(pod(2, "p"))
		for _, p := range []*container.Pod{pod(3, "c"), pod(1, "x"), pod(3, "p"), pod(2, "x")} {
			e.refused(errdefs.ErrAlreadyExists, func(tx store.UpdateTx) error { return tx.PodWriter().Add(p) })
		}
		for _, c := range []*container.Container{named(3, "p"), named(2, "x")} {
			e.refused(errdefs.ErrAlreadyExists, func(tx store.UpdateTx) error { return tx.ContainerWriter().Add(c) })
		}
		e.refused(errdefs.ErrAlreadyExists, func(tx store.UpdateTx) error { return tx.ContainerWriter().Rename(id(1), "p") })
	}},
	{"a container is not found as a pod, nor a pod as a container", func(e *env) {
		e.add(named(0xabc, "c"))
		e.addPods(pod(0xabd, "p"))
		e.view(func(tx store.Tx) error {
			for _, ref := range []string{"p", id(0xabd), id(0xabd)[:8]} {
				_, err := tx.Containers().Lookup(ref)
				e.is(err, errdefs.ErrNotFound)
			}
			for _, ref := range []string{"c", id(0xabc), id(0xabc)[:8]} {
				_, err := tx.Pods().Lookup(ref)
				e.is(err, errdefs.ErrNotFound)
			}
			c, err := tx.Containers().Lookup(id(0xabc)[:6]) // a pod's ID begins with it too
			if err != nil {
				return err
			}
			e.equal("container", c.Config.Name, "c")
			p, err := tx.Pods().Lookup(id(0xabc)[:6])
			if err == nil {
				e.equal("pod", p.Config.Name, "p")
			}
			return err
		})
	}},
	{"a lookup of a pod takes a full ID, then a name, then a prefix", func(e *env) {
		e.addPods(pod(0xabc, "x"), pod(0xabd, "y"), pod(3, id(0xabc)))
		e.view(func(tx store.Tx) error {
			for ref, want := range map[string]string{id(0xabc): "x", "y": "y", id(0xabd)[:8]: "y"} {
				p, err := tx.Pods().Lookup(ref)
				if err != nil {
					return err
				}
				e.equal("Lookup "+ref, p.Config.Name, want)
			}
			for ref, want := range map[string]error{
				"": store.ErrEmptyReference, "0": store.ErrAmbiguous, "nobody": errdefs.ErrNotFound, id(7): errdefs.ErrNotFound,
			} {
				_, err := tx.Pods().Lookup(ref)
				e.is(err, want)
			}
			return nil
		})
	}},
	{"pods are listed oldest first", func(e *env) {
		e.addPods(pod(3, "third"), pod(1, "first"), pod(2, "second"))
		e.podNames("first", "second", "third")
	}},
	{"a pod's state and configuration change, its name and namespace do not", func(e *env) {
		e.addPods(fullPod(1))
		next := fullPod(1).Config
		next.Labels = map[string]string{"new": "1"}
		s := container.PodState{Infra: id(5), CgroupPath: "/p"}
		e.update(func(tx store.UpdateTx) error { return tx.PodWriter().RewriteConfig(next) })
		e.update(func(tx store.UpdateTx) error { return tx.PodWriter().SetState(id(1), s) })
		e.equal("pod", e.pod(id(1)), &container.Pod{Config: next, State: s})
		for _, fn := range []func(c *container.PodConfig){
			func(c *container.PodConfig) { c.Name = "other" }, func(c *container.PodConfig) { c.Namespace = "other" },
		} {
			c := next
			fn(&c)
			e.refused(errdefs.ErrInvalidArgument, func(tx store.UpdateTx) error { return tx.PodWriter().RewriteConfig(c) })
		}
		next.ID = id(9)
		e.refused(errdefs.ErrNotFound, func(tx store.UpdateTx) error { return tx.PodWriter().RewriteConfig(next) })
		e.refused(errdefs.ErrNotFound, func(tx store.UpdateTx) error { return tx.PodWriter().SetState(id(9), s) })
	}},
	{"a container in a pod is added and removed through the pod only", func(e *env) {
		e.addPods(pod(1, "p"), pod(2, "q"))
		c := in(1, 5, "c")
		e.refused(errdefs.ErrInvalidArgument, func(tx store.UpdateTx) error { return tx.ContainerWriter().Add(c) })
		e.refused(errdefs.ErrInvalidArgument, func(tx store.UpdateTx) error { return tx.PodWriter().AddContainer(id(2), c) })
		e.refused(errdefs.ErrInvalidArgument, func(tx store.UpdateTx) error { return tx.PodWriter().AddContainer(id(1), named(5, "c")) })
		e.refused(errdefs.ErrNotFound, func(tx store.UpdateTx) error { return tx.PodWriter().AddContainer(id(3), in(3, 5, "c")) })
		e.addTo(1, c)
		e.members(1, id(5))
		e.members(2)
		e.refused(errdefs.ErrInvalidArgument, func(tx store.UpdateTx) error { return tx.ContainerWriter().Remove(id(5)) })
		e.refused(errdefs.ErrInvalidArgument, func(tx store.UpdateTx) error { return tx.PodWriter().RemoveContainer(id(2), id(5)) })
		e.refused(errdefs.ErrNotFound, func(tx store.UpdateTx) error { return tx.PodWriter().RemoveContainer(id(3), id(5)) })
		e.refused(errdefs.ErrNotFound, func(tx store.UpdateTx) error { return tx.PodWriter().RemoveContainer(id(1), id(6)) })
		e.update(func(tx store.UpdateTx) error { return tx.PodWriter().RemoveContainer(id(1), id(5)) })
		e.members(1)
		e.names("All", store.ContainerReader.All)
	}},
	{"a container is looked for in a pod by its full ID", func(e *env) {
		e.addPods(pod(1, "p"), pod(2, "q"))
		e.addTo(1, in(1, 5, "c"))
		e.add(named(6, "none"))
		e.view(func(tx store.Tx) error {
			for _, c := range []struct {
				pod, container int
				want           bool
			}{{1, 5, true}, {2, 5, false}, {1, 6, false}, {1, 7, false}, {1, 2, false}} {
				got, err := tx.Pods().Has(id(c.pod), id(c.container))
				if err != nil {
					return err
				}
				e.equal(fmt.Sprintf("pod %d has %d", c.pod, c.container), got, c.want)
			}
			_, err := tx.Pods().Has(id(9), id(5))
			e.is(err, errdefs.ErrNotFound)
			_, err = tx.Pods().Containers(id(9))
			e.is(err, errdefs.ErrNotFound)
			return nil
		})
	}},
	{"dependencies stay within the pod", func(e *env) {
		e.addPods(pod(1, "p"), pod(2, "q"))
		e.addTo(1, in(1, 5, "c"))
		e.add(named(6, "free"))
		needs := func(c *container.Container, n int) *container.Container {
			c.Config.Dependencies = []string{id(n)}
			return c
		}
		e.refused(errdefs.ErrConflict, func(tx store.UpdateTx) error { return tx.ContainerWriter().Add(needs(named(7, "d"), 5)) })
		e.refused(errdefs.ErrConflict, func(tx store.UpdateTx) error { return tx.PodWriter().AddContainer(id(1), needs(in(1, 7, "d"), 6)) })
		e.refused(errdefs.ErrConflict, func(tx store.UpdateTx) error { return tx.PodWriter().AddContainer(id(2), needs(in(2, 7, "d"), 5)) })
		e.refused(errdefs.ErrNotFound, func(tx store.UpdateTx) error { return tx.PodWriter().AddContainer(id(1), needs(in(1, 7, "d"), 8)) })
		e.refused(errdefs.ErrNotFound, func(tx store.UpdateTx) error { return tx.ContainerWriter().Add(needs(named(7, "d"), 1)) })
		e.addTo(1, needs(in(1, 7, "d"), 5))
		e.refused(errdefs.ErrConflict, func(tx store.UpdateTx) error { return tx.PodWriter().RemoveContainer(id(1), id(5)) })
	}},
	{"only an empty pod can be removed", func(e *env) {
		e.addPods(pod(1, "p"))
		e.addTo(1, in(1, 5, "c"))
		remove := func(tx store.UpdateTx) error { return tx.PodWriter().Remove(id(1)) }
		e.mentions(e.refused(errdefs.ErrConflict, remove), "c")
		e.update(func(tx store.UpdateTx) error { return tx.PodWriter().RemoveContainer(id(1), id(5)) })
		e.update(remove)
		e.refused(errdefs.ErrNotFound, remove)
		e.podNames()
		e.add(named(1, "p")) // name and ID are free
	}},
	{"all containers of a pod are removed at once, whatever depends on whatever among them", func(e *env) {
		e.addPods(pod(1, "p"))
		e.add(named(9, "outside"))
		infra, a, b := in(1, 5, "infra"), in(1, 6, "a"), in(1, 7, "b")
		a.Config.Dependencies, b.Config.Dependencies = []string{id(5)}, []string{id(5), id(6)}
		e.addTo(1, infra, a, b)
		e.put(session(50, 6))
		e.update(func(tx store.UpdateTx) error { return tx.ContainerWriter().SetExitCode(id(7), 3) })
		e.refused(errdefs.ErrNotFound, func(tx store.UpdateTx) error { return tx.PodWriter().RemoveContainers(id(2)) })
		e.update(func(tx store.UpdateTx) error { return tx.PodWriter().RemoveContainers(id(1)) })
		e.members(1)
		e.names("All", store.ContainerReader.All, "outside")
		e.view(func(tx store.Tx) error {
			code, err := tx.ExitCode(id(7))
			e.equal("exit code", code, 3)
			_, execErr := tx.Execs().Exec(id(50))
			e.is(execErr, errdefs.ErrNotFound)
			return err
		})
		e.update(func(tx store.UpdateTx) error { return tx.PodWriter().RemoveContainers(id(1)) })
		e.update(func(tx store.UpdateTx) error { return tx.PodWriter().Remove(id(1)) })
	}},
	{"pods keep to their namespace", func(e *env) {
		a, b := e.in(e.reopen("a")), e.in(e.reopen("b"))
		p := pod(1, "p")
		p.Config.Namespace = "a"
		b.refused(errdefs.ErrInvalidArgument, func(tx store.UpdateTx) error { return tx.PodWriter().Add(p) })
		a.addPods(p)
		c := in(1, 5, "c")
		e.refused(errdefs.ErrInvalidArgument, func(tx store.UpdateTx) error { return tx.PodWriter().AddContainer(id(1), c) })
		c.Config.Namespace = "a"
		for _, fn := range []func(tx store.UpdateTx) error{
			func(tx store.UpdateTx) error { return tx.PodWriter().AddContainer(id(1), c) },
			func(tx store.UpdateTx) error { return tx.PodWriter().Remove(id(1)) },
			func(tx store.UpdateTx) error { return tx.PodWriter().RemoveContainers(id(1)) },
			func(tx store.UpdateTx) error { return tx.PodWriter().SetState(id(1), container.PodState{}) },
		} {
			b.refused(errdefs.ErrNotFound, fn)
		}
		a.addTo(1, c)
		b.view(func(tx store.Tx) error {
			_, err := tx.Pods().Lookup("p")
			b.is(err, errdefs.ErrNotFound)
			_, err = tx.Pods().Containers(id(1))
			b.is(err, errdefs.ErrNotFound)
			owner, err := tx.Names().Owner("p")
			b.equal("owner of p, seen from b", owner, id(1))
			return err
		})
		b.podNames()
		a.podNames("p")
		e.podNames("p")
	}},
	{"a refresh takes a pod's control group away and leaves the rest", func(e *env) {
		e.addPods(fullPod(1))
		e.update(func(tx store.UpdateTx) error { return tx.Writer().Refresh("boot") })
		want := fullPod(1)
		want.State.CgroupPath = ""
		e.equal("pod", e.pod(id(1)), want)
	}},
}

var nameRules = group{
	{"reserving a name again is no error for its owner, and AlreadyExists for others", func(e *env) {
		reserve := func(name string, n int) func(tx store.UpdateTx) error {
			return func(tx store.UpdateTx) error { return tx.NameWriter().Reserve(name, id(n)) }
		}
		e.update(reserve("x", 1))
		e.update(reserve("x", 1))
		e.mentions(e.refused(errdefs.ErrAlreadyExists, reserve("x", 2)), id(1))
		e.refused(errdefs.ErrAlreadyExists, func(tx store.UpdateTx) error { return tx.ContainerWriter().Add(named(2, "x")) })
		e.refused(errdefs.ErrAlreadyExists, func(tx store.UpdateTx) error { return tx.PodWriter().Add(pod(2, "x")) })
		e.refused(errdefs.ErrInvalidArgument, reserve("", 1))
		e.refused(errdefs.ErrInvalidArgument, func(tx store.UpdateTx) error { return tx.NameWriter().Reserve("y", "") })
		e.add(named(1, "x"))
		e.update(reserve("x", 1))
		e.refused(errdefs.ErrAlreadyExists, reserve("x", 2))
		e.update(func(tx store.UpdateTx) error { return tx.ContainerWriter().Remove(id(1)) })
		e.update(reserve("x", 2))
	}},
	{"a released name is free", func(e *env) {
		release := func(tx store.UpdateTx) error { return tx.NameWriter().Release("x") }
		e.update(release)
		e.update(func(tx store.UpdateTx) error { return tx.NameWriter().Reserve("x", id(1)) })
		e.update(release)
		e.add(named(2, "x"))
		e.refused(errdefs.ErrConflict, release)
	}},
	{"a container has the names that are reserved for it, until it goes", func(e *env) {
		e.add(named(1, "own"), named(2, "other"))
		e.addPods(pod(3, "pod"))
		e.update(func(tx store.UpdateTx) error {
			for _, name := range []string{"b", "a"} {
				if err := tx.NameWriter().Reserve(name, id(1)); err != nil {
					return err
				}
			}
			return nil
		})
		e.view(func(tx store.Tx) error {
			c, err := tx.Containers().Lookup("a")
			if err != nil {
				return err
			}
			e.equal("found by a reserved name", c.Config.Name, "own")
			all, err := tx.Names().All()
			e.equal("names", all, map[string][]string{id(1): {"own", "a", "b"}, id(2): {"other"}, id(3): {"pod"}})
			return err
		})
		e.refused(errdefs.ErrAlreadyExists, func(tx store.UpdateTx) error { return tx.ContainerWriter().Rename(id(2), "a") })
		e.update(func(tx store.UpdateTx) error { return tx.ContainerWriter().Rename(id(1), "a") })
		e.view(func(tx store.Tx) error {
			all, err := tx.Names().All()
			e.equal("names of the renamed", all[id(1)], []string{"a", "b"})
			return err
		})
		e.update(func(tx store.UpdateTx) error { return tx.ContainerWriter().Remove(id(1)) })
		e.update(func(tx store.UpdateTx) error { return tx.ContainerWriter().Rename(id(2), "b") })
	}},
	{"a name that nothing came of is free after ReservationAge", func(e *env) {
		e.add(named(1, "own"))
		e.update(func(tx store.UpdateTx) error {
			if err := tx.NameWriter().Reserve("kept", id(1)); err != nil {
				return err
			}
			return tx.NameWriter().Reserve("lost", id(2))
		})
		owner := func(name string, want error) {
			e.Helper()
			e.view(func(tx store.Tx) error {
				_, err := tx.Names().Owner(name)
				if want == nil {
					return err
				}
				e.is(err, want)
				return nil
			})
		}
		prune := func(after time.Duration) {
			e.Helper()
			e.update(func(tx store.UpdateTx) error { return tx.Writer().Prune(time.Now().Add(after), 1000) })
		}
		prune(store.ReservationAge - time.Minute)
		owner("lost", nil)
		prune(store.ReservationAge + time.Minute)
		owner("lost", errdefs.ErrNotFound)
		owner("kept", nil)
	}},
	{"an ID is known by its name, a container's as a pod's", func(e *env) {
		e.add(named(1, "c"))
		e.addPods(pod(2, "p"))
		e.view(func(tx store.Tx) error {
			for n, want := range map[int]string{1: "c", 2: "p"} {
				got, err := tx.Names().Of(id(n))
				if err != nil {
					return err
				}
				e.equal("name", got, want)
			}
			_, err := tx.Names().Of(id(3))
			e.is(err, errdefs.ErrNotFound)
			return nil
		})
	}},
}

// pod is a pod with little in it.
func pod(n int, name string) *container.Pod {
	return &container.Pod{Config: container.PodConfig{ID: id(n), Name: name, Created: at(n)}}
}

// in is a container of pod p.
func in(p, n int, name string) *container.Container {
	return change(named(n, name), func(c *container.Container) { c.Config.Pod = id(p) })
}

func fullPod(n int) *container.Pod {
	p := &container.Pod{}
	filler{n}.fill(reflect.ValueOf(p).Elem())
	p.Config.ID, p.Config.Name, p.Config.Created, p.Config.Namespace = id(n), "pod", at(n), ""
	return p
}

func (e *env) addPods(ps ...*container.Pod) {
	e.Helper()
	e.update(func(tx store.UpdateTx) error {
		for _, p := range ps {
			if err := tx.PodWriter().Add(p); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *env) addTo(p int, cs ...*container.Container) {
	e.Helper()
	e.update(func(tx store.UpdateTx) error {
		for _, c := range cs {
			if err := tx.PodWriter().AddContainer(id(p), c); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *env) pod(id string) (p *container.Pod) {
	e.Helper()
	e.view(func(tx store.Tx) (err error) {
		p, err = tx.Pods().Pod(id)
		return err
	})
	return p
}

// podNames checks the names of all pods.
func (e *env) podNames(want ...string) {
	e.Helper()
	var got []string
	e.view(func(tx store.Tx) error {
		ps, err := tx.Pods().All()
		for _, p := range ps {
			got = append(got, p.Config.Name)
		}
		return err
	})
	e.equal("pods", got, want)
}

// members checks the IDs of a pod's containers.
func (e *env) members(p int, want ...string) {
	e.Helper()
	var got []string
	e.view(func(tx store.Tx) error {
		cs, err := tx.Pods().Containers(id(p))
		for _, c := range cs {
			got = append(got, c.Config.ID)
		}
		return err
	})
	e.equal("containers of the pod", got, want)
}
