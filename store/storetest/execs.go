package storetest

import (
	"reflect"
	"strings"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/volume"
)

var execRules = group{
	{"an exec session is read as it was written, every field of it", func(e *env) {
		e.add(named(1, "a"))
		want := fullExec(5, 1)
		e.put(want)
		e.equal("session", e.exec(id(5)), fullExec(5, 1))
		want.Status, want.ExitCode = container.Exited, 4
		e.put(want)
		e.equal("replaced", e.exec(id(5)), want)
		e.equal("sessions", len(e.sessions(1)), 1)
	}},
	{"an exec session needs its container", func(e *env) {
		e.refused(errdefs.ErrNotFound, func(tx store.UpdateTx) error { return tx.ExecWriter().Put(session(5, 1)) })
	}},
	{"an exec session stays its container's", func(e *env) {
		e.add(named(1, "a"), named(2, "b"))
		e.put(session(5, 1))
		e.refused(errdefs.ErrConflict, func(tx store.UpdateTx) error { return tx.ExecWriter().Put(session(5, 2)) })
		e.equal("container", e.exec(id(5)).Container, id(1))
		e.equal("sessions of b", e.sessions(2), []string{})
	}},
	{"exec sessions are found by an unambiguous part of the ID", func(e *env) {
		e.add(named(1, "a"))
		e.put(session(0xabc, 1), session(0xabd, 1))
		e.equal("prefix", e.exec(id(0xabc)[:10]).ID, id(0xabc))
		for ref, want := range map[string]error{
			"":            store.ErrEmptyReference,
			"f":           errdefs.ErrNotFound,
			id(0xabc)[:7]: store.ErrAmbiguous,
		} {
			e.view(func(tx store.Tx) error {
				_, err := tx.Execs().Exec(ref)
				e.is(err, want)
				return nil
			})
		}
	}},
	{"exec sessions of a container are oldest first", func(e *env) {
		e.add(named(1, "a"), named(2, "b"))
		e.put(session(30, 1), session(10, 1), session(20, 1), session(15, 2))
		e.equal("sessions", e.sessions(1), []string{id(10), id(20), id(30)})
	}},
	{"a container with exec sessions cannot be removed", func(e *env) {
		e.add(named(1, "a"))
		e.put(session(5, 1), session(6, 1))
		remove := func(tx store.UpdateTx) error { return tx.ContainerWriter().Remove(id(1)) }
		e.mentions(e.refused(errdefs.ErrConflict, remove), id(5))
		e.update(func(tx store.UpdateTx) error { return tx.ExecWriter().RemoveOf(id(1)) })
		e.equal("sessions", e.sessions(1), []string{})
		e.update(remove)
	}},
	{"removing an exec session that is not there is no error", func(e *env) {
		e.add(named(1, "a"))
		e.put(session(5, 1))
		for range 2 {
			e.update(func(tx store.UpdateTx) error { return tx.ExecWriter().Remove(id(5)) })
		}
		e.equal("sessions", e.sessions(1), []string{})
	}},
	{"exec sessions that ended long ago, or were never started, are pruned", func(e *env) {
		now := at(0).Add(time.Hour)
		e.add(named(1, "a"))
		ended := func(n int, ago time.Duration) *container.ExecSession {
			s := session(n, 1)
			s.Status, s.Finished = container.Exited, now.Add(-ago)
			return s
		}
		running := session(9, 1)
		running.Status = container.Running
		made := func(n int, ago time.Duration) *container.ExecSession {
			s := session(n, 1)
			s.Status, s.Created = container.Created, now.Add(-ago)
			return s
		}
		e.put(ended(5, store.ExitCodeAge+time.Second), ended(6, store.ExitCodeAge-time.Second), running)
		e.put(made(7, store.ExitCodeAge+time.Second), made(8, store.ExitCodeAge-time.Second))
		e.update(func(tx store.UpdateTx) error { return tx.ExecWriter().PruneExited(now) })
		e.equal("sessions", e.sessions(1), []string{id(6), id(9), id(8)})
	}},
}

var volumeRules = group{
	{"a volume is read as it was written, every field of it", func(e *env) {
		want := &volume.Volume{}
		filler{3}.fill(reflect.ValueOf(want).Elem())
		e.addVolumes(want)
		e.view(func(tx store.Tx) error {
			got, err := tx.Volumes().Volume(want.Name)
			e.equal("volume", got, want)
			return err
		})
	}},
	{"volumes are unique by name and listed by it", func(e *env) {
		e.addVolumes(vol("b"), vol("a"), vol("c"))
		e.refused(errdefs.ErrAlreadyExists, func(tx store.UpdateTx) error { return tx.VolumeWriter().Add(vol("a")) })
		e.refused(errdefs.ErrInvalidArgument, func(tx store.UpdateTx) error { return tx.VolumeWriter().Add(vol("")) })
		e.view(func(tx store.Tx) error {
			all, err := tx.Volumes().All()
			e.equal("All", all, []*volume.Volume{vol("a"), vol("b"), vol("c")})
			return err
		})
	}},
	{"a volume is looked up by name, then by prefix", func(e *env) {
		e.addVolumes(vol("data"), vol("data2"), vol("data3"), vol("log"))
		for ref, want := range map[string]error{
			"data": nil, "data2": nil, "lo": nil,
			"": store.ErrEmptyReference, "dat": store.ErrAmbiguous, "x": errdefs.ErrNotFound, "DATA": errdefs.ErrNotFound, "%": errdefs.ErrNotFound,
		} {
			e.view(func(tx store.Tx) error {
				v, err := tx.Volumes().Lookup(ref)
				if want != nil {
					e.is(err, want)
					return nil
				}
				if err == nil && !strings.HasPrefix(v.Name, ref) || ref == "data" && v.Name != ref {
					e.Errorf("Lookup %q: got %q", ref, v.Name)
				}
				return err
			})
		}
		e.view(func(tx store.Tx) error {
			_, err := tx.Volumes().Volume("lo")
			e.is(err, errdefs.ErrNotFound)
			return nil
		})
	}},
	{"a volume is replaced only if it is there", func(e *env) {
		e.addVolumes(vol("a"))
		v := vol("a")
		v.NeedsCopyUp = true
		e.update(func(tx store.UpdateTx) error { return tx.VolumeWriter().Set(v) })
		e.view(func(tx store.Tx) error {
			got, err := tx.Volumes().Volume("a")
			e.equal("volume", got, v)
			return err
		})
		e.refused(errdefs.ErrNotFound, func(tx store.UpdateTx) error { return tx.VolumeWriter().Set(vol("b")) })
	}},
	{"a volume that containers use cannot be removed", func(e *env) {
		e.addVolumes(vol("data"), vol("other"))
		mounts := func(n int, name string, volumes ...string) *container.Container {
			return change(named(n, name), func(c *container.Container) {
				c.Config.Mounts = []container.Mount{{Type: container.Bind, Source: "other", Destination: "/b"}, {Type: container.Volume, Destination: "/anonymous"}}
				for _, v := range volumes {
					c.Config.Mounts = append(c.Config.Mounts, container.Mount{Type: container.Volume, Source: v, Destination: "/" + v})
				}
			})
		}
		e.add(mounts(1, "a", "data", "data"), mounts(2, "b", "data"))
		users := func(name string, want ...string) {
			e.Helper()
			e.view(func(tx store.Tx) error {
				got, err := tx.Volumes().Users(name)
				e.equal("users of "+name, got, want)
				return err
			})
		}
		users("data", id(1), id(2))
		users("other")
		remove := func(tx store.UpdateTx) error { return tx.VolumeWriter().Remove("data") }
		err := e.refused(errdefs.ErrConflict, remove)
		e.mentions(err, id(1))
		e.mentions(err, id(2))
		e.update(func(tx store.UpdateTx) error { return tx.ContainerWriter().Remove(id(2)) })
		e.update(func(tx store.UpdateTx) error {
			return tx.ContainerWriter().RewriteConfig(mounts(1, "a", "other").Config)
		})
		users("data")
		users("other", id(1))
		e.update(remove)
		e.refused(errdefs.ErrNotFound, remove)
	}},
}

// mentions checks that an error names something.
func (e *env) mentions(err error, what string) {
	e.Helper()
	if err == nil || !strings.Contains(err.Error(), what) {
		e.Fatalf("expected an error that names %q, got: %v", what, err)
	}
}

func (e *env) put(ss ...*container.ExecSession) {
	e.Helper()
	e.update(func(tx store.UpdateTx) error {
		for _, s := range ss {
			if err := tx.ExecWriter().Put(s); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *env) exec(ref string) (s *container.ExecSession) {
	e.Helper()
	e.view(func(tx store.Tx) (err error) {
		s, err = tx.Execs().Exec(ref)
		return err
	})
	return s
}

// sessions returns the IDs of a container's sessions.
func (e *env) sessions(c int) (ids []string) {
	e.Helper()
	e.view(func(tx store.Tx) error {
		ss, err := tx.Execs().OfContainer(id(c))
		for _, s := range ss {
			ids = append(ids, s.ID)
		}
		return err
	})
	return ids
}

func (e *env) addVolumes(vs ...*volume.Volume) {
	e.Helper()
	e.update(func(tx store.UpdateTx) error {
		for _, v := range vs {
			if err := tx.VolumeWriter().Add(v); err != nil {
				return err
			}
		}
		return nil
	})
}

func fullExec(n, c int) *container.ExecSession {
	s := &container.ExecSession{}
	filler{n}.fill(reflect.ValueOf(s).Elem())
	s.ID, s.Container, s.Status = id(n), id(c), container.Running
	return s
}
