package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
)

var errSome = errdefs.Internal("some error of the caller's")

// soon is how long a test waits for what must happen; only a failing one waits it out.
const soon = 20 * time.Second

var transactionRules = group{
	{"an update that fails has not happened", func(e *env) {
		e.add(named(1, "a"))
		err := e.Update(e.Context(), store.Synced, func(tx store.UpdateTx) error {
			steps := []error{
				tx.ContainerWriter().Add(named(2, "b")),
				tx.ContainerWriter().Rename(id(1), "c"),
				tx.ContainerWriter().SetExitCode(id(1), 1),
				tx.VolumeWriter().Add(vol("v")),
				tx.ExecWriter().Put(session(5, 1)),
				tx.Writer().Append(happened(1, event.Create)),
				tx.Writer().Refresh("boot"),
			}
			return errors.Join(append(steps, errSome)...)
		})
		e.is(err, errSome)
		e.unchanged("a")
	}},
	{"an update that panics has not happened", func(e *env) {
		e.add(named(1, "a"))
		func() {
			defer func() { recover() }()
			e.Update(e.Context(), store.Synced, func(tx store.UpdateTx) error {
				if err := tx.ContainerWriter().Rename(id(1), "c"); err != nil {
					e.Errorf("Rename: %v", err)
				}
				panic("some panic of the caller's")
			})
		}()
		e.unchanged("a")
		e.add(named(2, "b"))
	}},
	{"an update sees its own writes", func(e *env) {
		e.update(func(tx store.UpdateTx) error {
			if err := tx.ContainerWriter().Add(named(1, "a")); err != nil {
				return err
			}
			if _, err := tx.Containers().Lookup("a"); err != nil {
				return err
			}
			if err := tx.Writer().Append(happened(1, event.Create)); err != nil {
				return err
			}
			last, err := tx.Events().Last()
			e.equal("last event", last, uint64(1))
			return err
		})
	}},
	{"a refusal inside an update leaves the update whole", func(e *env) {
		e.add(named(1, "a"))
		e.update(func(tx store.UpdateTx) error {
			e.is(tx.ContainerWriter().Add(named(2, "a")), errdefs.ErrAlreadyExists)
			return tx.ContainerWriter().Add(named(2, "b"))
		})
		e.names("All", store.ContainerReader.All, "a", "b")
	}},
	{"a view is one snapshot, and waits for no writer", func(e *env) {
		e.add(named(1, "a"))
		other := e.in(e.reopen(""))
		e.view(func(tx store.Tx) error {
			other.add(named(2, "b"))
			e.add(named(3, "c"))
			all, err := tx.Containers().All()
			e.equal("containers in the snapshot", len(all), 1)
			return err
		})
		e.names("All", store.ContainerReader.All, "a", "b", "c")
		e.update(func(tx store.UpdateTx) error {
			if err := tx.ContainerWriter().Remove(id(1)); err != nil {
				return err
			}
			e.names("All, while another writes", store.ContainerReader.All, "a", "b", "c")
			other.names("All, while another writes", store.ContainerReader.All, "a", "b", "c")
			return nil
		})
	}},
	{"views and updates of many goroutines and stores do not disturb each other", func(e *env) {
		const writers, each = 8, 15
		var wg sync.WaitGroup
		for w := range writers {
			s := e.reopen("")
			wg.Go(func() {
				for i := range each {
					n := w*each + i
					err := s.Update(e.Context(), store.Volatile, func(tx store.UpdateTx) error {
						return errors.Join(tx.ContainerWriter().Add(named(n, fmt.Sprint(n))), tx.Writer().Append(happened(n, event.Create)))
					})
					if err != nil {
						e.Errorf("Update: %v", err)
					}
				}
			})
			wg.Go(func() {
				for range each {
					err := e.View(e.Context(), func(tx store.Tx) error {
						cs, err := tx.Containers().All()
						last, lastErr := tx.Events().Last()
						if len(cs) != int(last) {
							e.Errorf("a snapshot with %d containers and %d events", len(cs), last)
						}
						return errors.Join(err, lastErr)
					})
					if err != nil {
						e.Errorf("View: %v", err)
					}
				}
			})
		}
		wg.Wait()
		e.equal("last event", e.last(), uint64(writers*each))
	}},
	{"a cancelled context begins nothing and ends a wait", func(e *env) {
		ctx, cancel := context.WithCancel(e.Context())
		inside, leave := make(chan bool), make(chan bool)
		var wg sync.WaitGroup
		wg.Go(func() {
			err := e.Update(e.Context(), store.Volatile, func(store.UpdateTx) error { close(inside); <-leave; return nil })
			if err != nil {
				e.Errorf("Update: %v", err)
			}
		})
		<-inside
		other := e.reopen("")
		wg.Go(func() {
			err := other.Update(ctx, store.Synced, func(tx store.UpdateTx) error {
				e.Error("ran though its context had ended")
				return nil
			})
			if !errors.Is(err, context.Canceled) {
				e.Errorf("a wait that was cancelled: expected context.Canceled, got %v", err)
			}
			close(leave)
		})
		time.AfterFunc(50*time.Millisecond, cancel)
		wg.Wait()
		for what, err := range map[string]error{
			"View":   e.View(ctx, func(store.Tx) error { e.Error("View ran"); return nil }),
			"Update": e.Update(ctx, store.Synced, func(store.UpdateTx) error { e.Error("Update ran"); return nil }),
		} {
			if !errors.Is(err, context.Canceled) {
				e.Errorf("%s with an ended context: expected context.Canceled, got %v", what, err)
			}
		}
		// Whoever gave up waiting is not in the way of those who come later.
		e.in(other).add(named(1, "a"))
	}},
	{"a transaction cannot be used after its end", func(e *env) {
		var kept store.UpdateTx
		e.update(func(tx store.UpdateTx) error { kept = tx; return nil })
		if _, err := kept.Containers().All(); err == nil {
			e.Error("reading: expected an error, got none")
		}
		if err := kept.Writer().Append(happened(1, event.Create)); err == nil {
			e.Error("writing: expected an error, got none")
		}
		if err := kept.ContainerWriter().Add(named(1, "a")); err == nil {
			e.Error("adding: expected an error, got none")
		}
	}},
	{"what is closed stays closed, and what was stored is there when it is opened again", func(e *env) {
		s := e.reopen("")
		e.in(s).add(named(1, "a"))
		if err := s.Close(); err != nil {
			e.Fatalf("Close: %v", err)
		}
		if err := s.View(e.Context(), func(store.Tx) error { return nil }); err == nil {
			e.Error("View of a closed store: expected an error, got none")
		}
		if err := s.Update(e.Context(), store.Synced, func(store.UpdateTx) error { return nil }); err == nil {
			e.Error("Update of a closed store: expected an error, got none")
		}
		e.Store.Close()
		e.in(e.reopen("")).names("All", store.ContainerReader.All, "a")
	}},
	{"a watch is woken by every store's commits, until its context ends", func(e *env) {
		ctx, cancel := context.WithCancel(e.Context())
		ch, err := e.Watch(ctx)
		if err != nil {
			e.Fatalf("Watch: %v", err)
		}
		var seen uint64
		woken := func(want uint64) {
			e.Helper()
			limit := time.After(soon)
			for seen < want {
				select {
				case <-ch:
					seen = e.last()
				case <-limit:
					e.Fatalf("expected to be woken after event %d, last seen %d", want, seen)
				}
			}
		}
		other := e.in(e.reopen(""))
		for n := uint64(1); n < 20; n += 2 {
			e.append(happened(1, event.Start))
			woken(n)
			other.append(happened(1, event.Died))
			woken(n + 1)
		}
		cancel()
		limit := time.After(soon)
		for {
			select {
			case _, ok := <-ch:
				if !ok {
					return
				}
			case <-limit:
				e.Fatal("expected the channel to be closed when its context has ended")
			}
		}
	}},
}

// unchanged checks that there is nothing but container 1, with this name.
func (e *env) unchanged(name string) {
	e.Helper()
	e.names("All", store.ContainerReader.All, name)
	e.equal("last event", e.last(), uint64(0))
	e.view(func(tx store.Tx) error {
		vs, err := tx.Volumes().All()
		e.equal("volumes", len(vs), 0)
		return err
	})
	e.equal("sessions", e.sessions(1), []string{})
	e.view(func(tx store.Tx) error {
		boot, err := tx.BootID()
		e.equal("boot ID", boot, "")
		_, exitErr := tx.ExitCode(id(1))
		e.is(exitErr, errdefs.ErrNotFound)
		return err
	})
}

var namespaceRules = group{
	{"a store sees only its namespace, and one without sees all", func(e *env) {
		a, b := e.in(e.reopen("a")), e.in(e.reopen("b"))
		of := func(n int, namespace string) *container.Container {
			return change(named(n, fmt.Sprintf("%s%d", namespace, n)), func(c *container.Container) {
				c.Config.Namespace, c.Config.Image.ID, c.State.Status = namespace, "image", container.Running
			})
		}
		a.add(of(1, "a"))
		b.add(of(2, "b"))
		e.add(of(3, "a"), of(4, ""))
		byImage := func(r store.ContainerReader) ([]*container.Container, error) { return r.ByImage("image") }
		each := func(r store.ContainerReader) (all []*container.Container, err error) {
			err = r.Each(func(c *container.Container) bool { all = append(all, c); return true })
			return all, err
		}
		for what, list := range map[string]func(store.ContainerReader) ([]*container.Container, error){
			"All": store.ContainerReader.All, "Each": each, "Alive": store.ContainerReader.Alive, "ByImage": byImage,
		} {
			a.names(what+" in a", list, "a1", "a3")
			b.names(what+" in b", list, "b2")
			e.names(what+" in none", list, "a1", "b2", "a3", "4")
		}
		b.view(func(tx store.Tx) error {
			for _, ref := range []string{"a1", id(1), id(1)[:9]} {
				_, err := tx.Containers().Lookup(ref)
				b.is(err, errdefs.ErrNotFound)
			}
			_, err := tx.Containers().Container(id(1))
			b.is(err, errdefs.ErrNotFound)
			c, err := tx.Containers().Lookup("0") // unambiguous among those that are seen
			if err == nil {
				b.equal("prefix", c.Config.Name, "b2")
			}
			return err
		})
	}},
	{"names and IDs are unique whatever the namespace", func(e *env) {
		a, b := e.in(e.reopen("a")), e.in(e.reopen("b"))
		a.add(change(named(1, "x"), func(c *container.Container) { c.Config.Namespace = "a" }))
		for _, c := range []*container.Container{named(2, "x"), named(1, "y")} {
			c.Config.Namespace = "b"
			b.refused(errdefs.ErrAlreadyExists, func(tx store.UpdateTx) error { return tx.ContainerWriter().Add(c) })
		}
		b.view(func(tx store.Tx) error {
			owner, err := tx.Names().Owner("x")
			b.equal("owner of x, seen from b", owner, id(1))
			return err
		})
	}},
	{"what a namespace does not see it does not change", func(e *env) {
		a, b := e.in(e.reopen("a")), e.in(e.reopen("b"))
		a.add(change(named(1, "x"), func(c *container.Container) { c.Config.Namespace = "a" }))
		a.put(session(5, 1))
		a.update(func(tx store.UpdateTx) error { return tx.ContainerWriter().SetExitCode(id(1), 9) })
		for _, fn := range []func(tx store.UpdateTx) error{
			func(tx store.UpdateTx) error {
				return tx.ContainerWriter().SetState(id(1), container.State{Status: container.Exited})
			},
			func(tx store.UpdateTx) error { return tx.ContainerWriter().Rename(id(1), "y") },
			func(tx store.UpdateTx) error { return tx.ContainerWriter().Remove(id(1)) },
			func(tx store.UpdateTx) error { return tx.ContainerWriter().SetExitCode(id(1), 1) },
			func(tx store.UpdateTx) error {
				return tx.ContainerWriter().RewriteConfig(container.Config{ID: id(1), Name: "x", Namespace: "a"})
			},
			func(tx store.UpdateTx) error { return tx.ExecWriter().Put(session(6, 1)) },
		} {
			b.refused(errdefs.ErrNotFound, fn)
		}
		b.update(func(tx store.UpdateTx) error {
			return errors.Join(tx.ExecWriter().Remove(id(5)), tx.ExecWriter().RemoveOf(id(1)), tx.ExecWriter().PruneExited(time.Now()))
		})
		b.view(func(tx store.Tx) error {
			_, err := tx.ExitCode(id(1))
			b.is(err, errdefs.ErrNotFound)
			_, err = tx.Execs().Exec(id(5))
			b.is(err, errdefs.ErrNotFound)
			return nil
		})
		a.equal("sessions", a.sessions(1), []string{id(5)})
	}},
	{"a container is added in the store's namespace, with dependencies in it", func(e *env) {
		a := e.in(e.reopen("a"))
		for _, namespace := range []string{"", "b"} {
			c := change(named(1, "x"), func(c *container.Container) { c.Config.Namespace = namespace })
			a.refused(errdefs.ErrInvalidArgument, func(tx store.UpdateTx) error { return tx.ContainerWriter().Add(c) })
		}
		e.add(change(named(1, "x"), func(c *container.Container) { c.Config.Namespace = "b" }))
		c := change(named(2, "y"), func(c *container.Container) { c.Config.Namespace, c.Config.Dependencies = "a", []string{id(1)} })
		for _, s := range []*env{a, e} {
			s.refused(errdefs.ErrConflict, func(tx store.UpdateTx) error { return tx.ContainerWriter().Add(c) })
		}
	}},
	{"a refresh spares no namespace", func(e *env) {
		a, b := e.in(e.reopen("a")), e.in(e.reopen("b"))
		a.add(change(named(1, "x"), func(c *container.Container) {
			c.Config.Namespace, c.State.Status = "a", container.Running
		}))
		a.put(session(5, 1))
		b.update(func(tx store.UpdateTx) error { return tx.Writer().Refresh("boot") })
		a.names("Alive", store.ContainerReader.Alive)
		a.equal("sessions", a.sessions(1), []string{})
	}},
}
