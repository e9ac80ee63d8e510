package storetest

import (
	"fmt"
	"reflect"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
)

var containerRules = group{
	{"a container is read as it was written, every field of it", func(e *env) {
		want := full(1)
		e.add(want)
		e.equal("by ID", e.container(id(1)), full(1))
		e.in(e.reopen("")).view(func(tx store.Tx) error {
			got, err := tx.Containers().Lookup("web")
			e.equal("by name, after reopening", got, full(1))
			return err
		})
	}},
	{"what is read is a copy", func(e *env) {
		c := full(1)
		e.add(c)
		c.Config.Labels["changed"], c.Config.Process.Env[0] = "by the writer", "CHANGED=1"
		got := e.container(id(1))
		e.equal("after the writer changed its own", got, full(1))
		got.Config.Labels["changed"], got.Config.Process.Env[0], got.State.Health.Status = "by a reader", "CHANGED=1", "changed"
		e.equal("after a reader changed its own", e.container(id(1)), full(1))
	}},
	{"names and IDs are unique", func(e *env) {
		e.add(named(1, "a"))
		e.refused(errdefs.ErrAlreadyExists, func(tx store.UpdateTx) error { return tx.ContainerWriter().Add(named(2, "a")) })
		e.refused(errdefs.ErrAlreadyExists, func(tx store.UpdateTx) error { return tx.ContainerWriter().Add(named(1, "b")) })
		e.names("All", store.ContainerReader.All, "a")
	}},
	{"a container without an ID, a name or a status is refused", func(e *env) {
		for _, c := range []*container.Container{
			{Config: container.Config{Name: "a"}, State: container.State{Status: container.Created}},
			{Config: container.Config{ID: id(1)}, State: container.State{Status: container.Created}},
			{Config: container.Config{ID: id(1), Name: "a"}},
		} {
			e.refused(errdefs.ErrInvalidArgument, func(tx store.UpdateTx) error { return tx.ContainerWriter().Add(c) })
		}
	}},
	{"a lookup takes a full ID, then a name, then a prefix", func(e *env) {
		first, second := named(0xabc, "x"), named(0xabd, "y")
		byID := named(3, id(0xabc))   // its name is another's ID
		byPrefix := named(4, "00000") // its name is a prefix of other IDs
		e.add(first, second, byID, byPrefix)
		lookup := func(ref, want string) {
			e.Helper()
			e.view(func(tx store.Tx) error {
				c, err := tx.Containers().Lookup(ref)
				if err == nil {
					e.equal("Lookup "+ref, c.Config.ID, want)
				}
				return err
			})
		}
		lookup(id(0xabc), id(0xabc))
		lookup("y", id(0xabd))
		lookup("00000", id(4))
		lookup(id(0xabd)[:9], id(0xabd))
		lookup(id(3)[:8], id(3))
	}},
	{"a lookup that fails says why", func(e *env) {
		e.add(named(0xabc, "x"), named(0xabd, "y"))
		for ref, want := range map[string]error{
			"":                  store.ErrEmptyReference,
			"nobody":            errdefs.ErrNotFound,
			id(7):               errdefs.ErrNotFound,
			id(0xabc) + "0":     errdefs.ErrNotFound,
			id(0xabc)[:7]:       store.ErrAmbiguous,
			"0":                 store.ErrAmbiguous,
			"%":                 errdefs.ErrNotFound,
			"x' OR '1' = '1":    errdefs.ErrNotFound,
			"x\x00":             errdefs.ErrNotFound,
			"\xff\xfe":          errdefs.ErrNotFound,
			id(0xabc)[:8] + "_": errdefs.ErrNotFound,
		} {
			e.view(func(tx store.Tx) error {
				_, err := tx.Containers().Lookup(ref)
				e.is(err, want)
				return nil
			})
		}
		e.view(func(tx store.Tx) error {
			_, err := tx.Containers().Lookup("")
			e.is(err, errdefs.ErrInvalidArgument)
			_, err = tx.Containers().Lookup("0")
			e.is(err, errdefs.ErrInvalidArgument)
			_, err = tx.Containers().Container(id(0xabc)[:12])
			e.is(err, errdefs.ErrNotFound)
			return nil
		})
	}},
	{"listings are oldest first", func(e *env) {
		e.add(named(3, "third"), named(1, "first"), named(2, "second"))
		same := named(4, "same time, added later")
		same.Config.Created = at(1)
		e.add(same)
		e.names("All", store.ContainerReader.All, "first", "same time, added later", "second", "third")
	}},
	{"a long listing is whole and in order", func(e *env) {
		const n = 700
		var want []string
		e.update(func(tx store.UpdateTx) error {
			for i := range n {
				c := full(i)
				c.Config.Name = fmt.Sprint("c", i)
				want = append(want, c.Config.Name)
				if err := tx.ContainerWriter().Add(c); err != nil {
					return err
				}
			}
			return nil
		})
		e.names("All", store.ContainerReader.All, want...)
		e.view(func(tx store.Tx) error {
			cs, err := tx.Containers().All()
			for i, c := range cs {
				w := full(i)
				w.Config.Name = c.Config.Name
				e.equal(c.Config.Name, c, w)
			}
			return err
		})
	}},
	{"each is given every container, in the order they were added, until it wants no more", func(e *env) {
		const n = 300
		e.update(func(tx store.UpdateTx) error {
			for i := range n {
				c := named(i, fmt.Sprint(i))
				c.Config.Created = at(n - i)
				if err := tx.ContainerWriter().Add(c); err != nil {
					return err
				}
			}
			return nil
		})
		for _, limit := range []int{1, 31, 32, 33, 150, n, n + 1} {
			got := 0
			e.view(func(tx store.Tx) error {
				return tx.Containers().Each(func(c *container.Container) bool {
					if c.Config.Name != fmt.Sprint(got) {
						e.Errorf("expected container %d, got %s", got, c.Config.Name)
					}
					got++
					return got < limit
				})
			})
			e.equal(fmt.Sprintf("given, with a limit of %d", limit), got, min(limit, n))
		}
	}},
	{"alive are all but the created and the exited", func(e *env) {
		var want []string
		for i, s := range statuses {
			e.add(change(named(i, string(s)), func(c *container.Container) { c.State.Status = s }))
			if s != container.Created && s != container.Exited {
				want = append(want, string(s))
			}
		}
		e.names("Alive", store.ContainerReader.Alive, want...)
		e.update(func(tx store.UpdateTx) error {
			for i := range statuses {
				if err := tx.ContainerWriter().SetState(id(i), container.State{Status: container.Exited}); err != nil {
					return err
				}
			}
			return tx.ContainerWriter().SetState(id(0), container.State{Status: container.Running})
		})
		e.names("Alive", store.ContainerReader.Alive, string(statuses[0]))
	}},
	{"containers are found by their image", func(e *env) {
		image := func(n int, name, image string) *container.Container {
			return change(named(n, name), func(c *container.Container) { c.Config.Image.ID = image })
		}
		e.add(image(1, "a", "i1"), image(2, "b", "i2"), image(3, "c", "i1"), image(4, "rootfs", ""))
		by := func(id string) func(store.ContainerReader) ([]*container.Container, error) {
			return func(r store.ContainerReader) ([]*container.Container, error) { return r.ByImage(id) }
		}
		e.names("i1", by("i1"), "a", "c")
		e.names("none", by("i3"))
		e.names("empty", by(""))
		e.update(func(tx store.UpdateTx) error { return tx.ContainerWriter().RewriteConfig(image(1, "a", "i2").Config) })
		e.names("i2 after a rewrite", by("i2"), "a", "b")
	}},
	{"a state is replaced, and the configuration stays", func(e *env) {
		e.add(full(1))
		s := container.State{Status: container.Exited, ExitCode: 3, Finished: at(9)}
		e.update(func(tx store.UpdateTx) error { return tx.ContainerWriter().SetState(id(1), s) })
		e.equal("state", e.container(id(1)).State, s)
		e.equal("config", e.container(id(1)).Config, full(1).Config)
		e.refused(errdefs.ErrNotFound, func(tx store.UpdateTx) error { return tx.ContainerWriter().SetState(id(2), s) })
	}},
	{"a rename moves the name", func(e *env) {
		e.add(named(1, "a"), named(2, "b"))
		rename := func(n int, name string) func(tx store.UpdateTx) error {
			return func(tx store.UpdateTx) error { return tx.ContainerWriter().Rename(id(n), name) }
		}
		e.refused(errdefs.ErrAlreadyExists, rename(1, "b"))
		e.refused(errdefs.ErrNotFound, rename(3, "c"))
		e.refused(errdefs.ErrInvalidArgument, rename(1, ""))
		e.update(rename(1, "a"))
		e.update(rename(1, "c"))
		e.names("All", store.ContainerReader.All, "c", "b")
		e.view(func(tx store.Tx) error {
			_, err := tx.Containers().Lookup("a")
			e.is(err, errdefs.ErrNotFound)
			owner, err := tx.Names().Owner("c")
			e.equal("NameOwner c", owner, id(1))
			return err
		})
		e.update(rename(2, "a"))
	}},
	{"the owner of a name is known", func(e *env) {
		e.add(named(1, "a"))
		e.view(func(tx store.Tx) error {
			owner, err := tx.Names().Owner("a")
			e.equal("owner", owner, id(1))
			if err != nil {
				return err
			}
			_, err = tx.Names().Owner("b")
			e.is(err, errdefs.ErrNotFound)
			return nil
		})
	}},
	{"a container that others depend on cannot be removed", func(e *env) {
		e.add(named(1, "needed"))
		needs := change(named(2, "needs"), func(c *container.Container) { c.Config.Dependencies = []string{id(1), id(1)} })
		e.add(needs)
		dependents := func(want ...string) {
			e.Helper()
			e.view(func(tx store.Tx) error {
				got, err := tx.Containers().Dependents(id(1))
				e.equal("dependents", got, want)
				return err
			})
		}
		dependents(id(2))
		e.view(func(tx store.Tx) error {
			_, err := tx.Containers().Dependents(id(9))
			e.is(err, errdefs.ErrNotFound)
			return nil
		})
		remove := func(n int) func(tx store.UpdateTx) error {
			return func(tx store.UpdateTx) error { return tx.ContainerWriter().Remove(id(n)) }
		}
		err := e.refused(errdefs.ErrConflict, remove(1))
		e.mentions(err, id(2))
		e.update(remove(2))
		dependents()
		e.update(remove(1))
		e.names("All", store.ContainerReader.All)
	}},
	{"a dependency must exist", func(e *env) {
		c := change(named(1, "a"), func(c *container.Container) { c.Config.Dependencies = []string{id(2)} })
		e.refused(errdefs.ErrNotFound, func(tx store.UpdateTx) error { return tx.ContainerWriter().Add(c) })
		e.names("All", store.ContainerReader.All)
	}},
	{"a removed container is gone, and its name and ID are free", func(e *env) {
		e.add(full(1))
		remove := func(tx store.UpdateTx) error { return tx.ContainerWriter().Remove(id(1)) }
		e.update(remove)
		e.refused(errdefs.ErrNotFound, remove)
		e.view(func(tx store.Tx) error {
			_, err := tx.Containers().Lookup("web")
			e.is(err, errdefs.ErrNotFound)
			return nil
		})
		e.names("Alive", store.ContainerReader.Alive)
		e.add(full(1))
		e.equal("added again", e.container(id(1)), full(1))
	}},
	{"an exit code outlives its container, for ExitCodeAge", func(e *env) {
		code := func(want int, wantErr error) {
			e.Helper()
			e.view(func(tx store.Tx) error {
				got, err := tx.ExitCode(id(1))
				if wantErr != nil {
					e.is(err, wantErr)
					return nil
				}
				e.equal("exit code", got, want)
				return err
			})
		}
		prune := func(now time.Time) {
			e.Helper()
			e.update(func(tx store.UpdateTx) error { return tx.Writer().Prune(now, 1000) })
		}
		set := func(n int) func(tx store.UpdateTx) error {
			return func(tx store.UpdateTx) error { return tx.ContainerWriter().SetExitCode(id(1), n) }
		}
		e.refused(errdefs.ErrNotFound, set(1))
		e.add(named(1, "a"))
		code(0, errdefs.ErrNotFound)
		e.update(set(5))
		e.update(set(137))
		code(137, nil)
		prune(time.Now().Add(time.Hour))
		code(137, nil) // the container exists
		e.update(func(tx store.UpdateTx) error { return tx.ContainerWriter().Remove(id(1)) })
		code(137, nil)
		prune(time.Now().Add(store.ExitCodeAge - time.Minute))
		code(137, nil)
		prune(time.Now().Add(store.ExitCodeAge + time.Minute))
		code(0, errdefs.ErrNotFound)
	}},
	{"a new container has no exit code, whoever had its ID before", func(e *env) {
		e.add(named(1, "a"))
		e.update(func(tx store.UpdateTx) error {
			w := tx.ContainerWriter()
			if err := w.SetExitCode(id(1), 5); err != nil {
				return err
			}
			if err := w.Remove(id(1)); err != nil {
				return err
			}
			return w.Add(named(1, "a"))
		})
		e.view(func(tx store.Tx) error {
			_, err := tx.ExitCode(id(1))
			e.is(err, errdefs.ErrNotFound)
			return nil
		})
	}},
}

var statuses = []container.Status{
	container.Created, container.Initialized, container.Running, container.Paused, container.Stopping, container.Stopped,
	container.Exited, container.Restarting, container.Removing,
}

// full is a container with something in every field.
func full(n int) *container.Container {
	c := &container.Container{}
	filler{n: n}.fill(reflect.ValueOf(c).Elem())
	c.Config.ID, c.Config.Name, c.Config.Created = id(n), "web", at(n)
	c.Config.Namespace, c.Config.Pod, c.Config.Dependencies = "", "", nil
	c.State.Status = container.Running
	return c
}

// filler puts something into every field of a record, the same for the same n.
type filler struct{ n int }

func (f filler) fill(v reflect.Value) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(at(f.n)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("%s <%d> \"\\\u2028\u00e9", v.Type().Name(), f.n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(-int64(f.n) - 1)
	case reflect.Uint, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(f.n) + 1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		f.fill(v.Index(0))
		filler{f.n + 1}.fill(v.Index(1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(key)
		f.fill(value)
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	default:
		panic(fmt.Sprintf("storetest: a record has a field of type %v, which the filler does not know", v.Type()))
	}
}
