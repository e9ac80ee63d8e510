package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
)

// model is what a store holds, said as plainly as can be.
type model struct {
	containers []*container.Container // in order of addition
	execs      map[string]string      // to container
	volumes    map[string]bool
	exits      map[string]int
	events     uint64
}

func (m *model) clone() *model {
	c := &model{execs: maps.Clone(m.execs), volumes: maps.Clone(m.volumes), exits: maps.Clone(m.exits), events: m.events}
	for _, x := range m.containers {
		d := *x
		c.containers = append(c.containers, &d)
	}
	return c
}

// find returns the place of the container with this ID or name, -1 if there is none.
func (m *model) find(id, name string) int {
	return slices.IndexFunc(m.containers, func(c *container.Container) bool { return c.Config.ID == id || c.Config.Name == name })
}

func (m *model) uses(c *container.Container, volume string) bool {
	return slices.ContainsFunc(c.Config.Mounts, func(mt container.Mount) bool { return mt.Source == volume })
}

// step is one operation, done to the store and to the model: both must give the same class of error.
type step func(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error)

const (
	modelIDs   = 12
	modelNames = 8
)

func anyID(r *rand.Rand) string   { return id(r.IntN(modelIDs)) }
func anyName(r *rand.Rand) string { return fmt.Sprint("name", r.IntN(modelNames)) }

// gone is the error for a container that the model does not have.
func (m *model) gone(id string) (int, error) {
	i := m.find(id, "")
	if i < 0 {
		return i, errdefs.ErrNotFound
	}
	return i, nil
}

var steps = []step{addStep, addStep, addStep, removeStep, removeStep, renameStep, stateStep, stateStep, exitStep, rewriteStep,
	putExecStep, removeExecStep, addVolumeStep, removeVolumeStep, appendStep}

func addStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	c := named(r.IntN(modelIDs), anyName(r))
	c.Config.Image.ID = fmt.Sprint("image", r.IntN(3))
	if r.IntN(2) == 0 {
		c.Config.Dependencies = []string{anyID(r)}
	}
	if r.IntN(2) == 0 {
		c.Config.Mounts = []container.Mount{{Type: container.Volume, Source: anyName(r), Destination: "/v"}}
	}
	switch i := m.find(c.Config.ID, c.Config.Name); {
	case i >= 0:
		want = errdefs.ErrAlreadyExists
	case c.Config.Dependencies != nil && m.find(c.Config.Dependencies[0], "") < 0:
		want = errdefs.ErrNotFound
	default:
		m.containers = append(m.containers, c)
		delete(m.exits, c.Config.ID)
	}
	return tx.ContainerWriter().Add(c), want
}

func removeStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	id := anyID(r)
	got = tx.ContainerWriter().Remove(id)
	i, want := m.gone(id)
	if want != nil {
		return got, want
	}
	needed := slices.ContainsFunc(m.containers, func(c *container.Container) bool { return slices.Contains(c.Config.Dependencies, id) })
	if needed || slices.Contains(slices.Collect(maps.Values(m.execs)), id) {
		return got, errdefs.ErrConflict
	}
	m.containers = slices.Delete(m.containers, i, i+1)
	return got, nil
}

func renameStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	id, name := anyID(r), anyName(r)
	got = tx.ContainerWriter().Rename(id, name)
	i, want := m.gone(id)
	if want != nil {
		return got, want
	}
	if j := m.find("", name); j >= 0 && j != i {
		return got, errdefs.ErrAlreadyExists
	}
	m.containers[i].Config.Name = name
	return got, nil
}

func stateStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	id, s := anyID(r), container.State{Status: statuses[r.IntN(len(statuses))], PID: r.IntN(1000)}
	i, want := m.gone(id)
	if want == nil {
		m.containers[i].State = s
	}
	return tx.ContainerWriter().SetState(id, s), want
}

func exitStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	id, code := anyID(r), r.IntN(256)
	_, want = m.gone(id)
	if want == nil {
		m.exits[id] = code
	}
	return tx.ContainerWriter().SetExitCode(id, code), want
}

func rewriteStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	next := container.Config{ID: anyID(r)}
	i, want := m.gone(next.ID)
	if want == nil {
		next = m.containers[i].Config
		next.Image.ID = fmt.Sprint("image", r.IntN(3))
		next.Mounts = []container.Mount{{Type: container.Volume, Source: anyName(r), Destination: "/w"}}
		m.containers[i].Config = next
	}
	return tx.ContainerWriter().RewriteConfig(next), want
}

func putExecStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	s := session(100+r.IntN(4), r.IntN(modelIDs))
	_, want = m.gone(s.Container)
	if want == nil {
		m.execs[s.ID] = s.Container
	}
	return tx.ExecWriter().Put(s), want
}

func removeExecStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	if r.IntN(2) == 0 {
		of := anyID(r)
		maps.DeleteFunc(m.execs, func(_, c string) bool { return c == of })
		return tx.ExecWriter().RemoveOf(of), nil
	}
	n := id(100 + r.IntN(4))
	delete(m.execs, n)
	return tx.ExecWriter().Remove(n), nil
}

func addVolumeStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	name := anyName(r)
	if m.volumes[name] {
		want = errdefs.ErrAlreadyExists
	}
	m.volumes[name] = true
	return tx.VolumeWriter().Add(vol(name)), want
}

func removeVolumeStep(r *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	name := anyName(r)
	got = tx.VolumeWriter().Remove(name)
	switch {
	case !m.volumes[name]:
		return got, errdefs.ErrNotFound
	case slices.ContainsFunc(m.containers, func(c *container.Container) bool { return m.uses(c, name) }):
		return got, errdefs.ErrConflict
	}
	delete(m.volumes, name)
	return got, nil
}

func appendStep(_ *rand.Rand, tx store.UpdateTx, m *model) (got, want error) {
	m.events++
	return tx.Writer().Append(happened(int(m.events), event.Start)), nil
}

// compareWithModel does random updates of a few steps each, some of which are given up, reopens the store now and then, and
// compares all that can be read with the model.
func compareWithModel(t *testing.T, open Opener) {
	const updates = 250
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	e := &env{T: t, open: open}
	e.Store = e.reopen("")
	m := &model{execs: map[string]string{}, volumes: map[string]bool{}, exits: map[string]int{}}
	for n := range updates {
		next := m.clone()
		giveUp := r.IntN(8) == 0
		err := e.Store.Update(t.Context(), store.Durability(r.IntN(2)), func(tx store.UpdateTx) error {
			for range 1 + r.IntN(4) {
				got, want := steps[r.IntN(len(steps))](r, tx, next)
				if !errors.Is(got, want) {
					t.Fatalf("update %d: expected %v, got %v", n, want, got)
				}
			}
			if giveUp {
				return errSome
			}
			return nil
		})
		if giveUp != errors.Is(err, errSome) || !giveUp && err != nil {
			t.Fatalf("update %d: gave up %v, got %v", n, giveUp, err)
		}
		if !giveUp {
			m = next
		}
		if r.IntN(10) == 0 {
			e.Store.Close()
			e.Store = e.reopen("")
		}
		m.compare(e)
	}
}

// compare reads everything from the store.
func (m *model) compare(e *env) {
	e.Helper()
	e.view(func(tx store.Tx) error {
		want := slices.Clone(m.containers)
		slices.SortStableFunc(want, func(a, b *container.Container) int { return a.Config.Created.Compare(b.Config.Created) })
		all, err := tx.Containers().All()
		e.equal("All", values(all), values(want))
		alive, aliveErr := tx.Containers().Alive()
		e.equal("Alive", values(alive), values(slices.DeleteFunc(slices.Clone(want), func(c *container.Container) bool {
			return c.State.Status == container.Created || c.State.Status == container.Exited
		})))
		last, lastErr := tx.Events().Last()
		e.equal("last event", last, m.events)
		return errors.Join(err, aliveErr, lastErr, m.compareReferences(e, tx))
	})
}

func (m *model) compareReferences(e *env, tx store.Tx) error {
	for n := range modelIDs {
		var dependents, sessions []string
		for _, c := range m.containers {
			if slices.Contains(c.Config.Dependencies, id(n)) {
				dependents = append(dependents, c.Config.ID)
			}
		}
		for s, c := range m.execs {
			if c == id(n) {
				sessions = append(sessions, s)
			}
		}
		slices.Sort(dependents)
		slices.Sort(sessions)
		got, err := tx.Containers().Dependents(id(n))
		e.equal("dependents of "+id(n), got, dependents)
		ss, sessErr := tx.Execs().OfContainer(id(n))
		var ids []string
		for _, s := range ss {
			ids = append(ids, s.ID)
		}
		slices.SortFunc(ids, cmp.Compare)
		e.equal("sessions of "+id(n), ids, sessions)
		code, exitErr := tx.ExitCode(id(n))
		if want, ok := m.exits[id(n)]; !ok {
			e.is(exitErr, errdefs.ErrNotFound)
		} else {
			e.equal("exit code of "+id(n), code, want)
		}
		if err := errors.Join(err, sessErr); err != nil {
			return err
		}
	}
	return m.compareNames(e, tx)
}

func (m *model) compareNames(e *env, tx store.Tx) error {
	for n := range modelNames {
		name := fmt.Sprint("name", n)
		owner, err := tx.Containers().NameOwner(name)
		if i := m.find("", name); i < 0 {
			e.is(err, errdefs.ErrNotFound)
		} else {
			e.equal("owner of "+name, owner, m.containers[i].Config.ID)
		}
		var users []string
		for _, c := range m.containers {
			if m.uses(c, name) {
				users = append(users, c.Config.ID)
			}
		}
		slices.Sort(users)
		got, err := tx.Volumes().Users(name)
		e.equal("users of "+name, got, users)
		if err != nil {
			return err
		}
		_, err = tx.Volumes().Volume(name)
		if (err == nil) != m.volumes[name] {
			e.Fatalf("volume %s: expected %v, got %v", name, m.volumes[name], err)
		}
	}
	return nil
}

// values are the records behind pointers, to be compared and shown.
func values[T any](ps []*T) (vs []T) {
	for _, p := range ps {
		vs = append(vs, *p)
	}
	return vs
}
