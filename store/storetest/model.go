package storetest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
)

// model is what a store holds, said as plainly as can be: every question is answered by looking at everything.
type model struct {
	containers []container.Container // in order of addition
	pods       []container.Pod       // in order of addition
	execs      map[string]string     // to container
	volumes    map[string]bool
	exits      map[string]int
	reserved   map[string]string // name to ID
	events     uint64
	boot       string
}

func newModel() *model {
	return &model{execs: map[string]string{}, volumes: map[string]bool{}, exits: map[string]int{}, reserved: map[string]string{}}
}

func (m *model) clone() *model {
	c := *m
	c.containers, c.pods = slices.Clone(m.containers), slices.Clone(m.pods)
	c.execs, c.volumes, c.exits, c.reserved = maps.Clone(m.execs), maps.Clone(m.volumes), maps.Clone(m.exits), maps.Clone(m.reserved)
	return &c
}

// container is the one with this ID, nil if there is none. It may be changed, but not what it points to.
func (m *model) container(id string) *container.Container {
	for i := range m.containers {
		if m.containers[i].Config.ID == id {
			return &m.containers[i]
		}
	}
	return nil
}

func (m *model) pod(id string) *container.Pod {
	for i := range m.pods {
		if m.pods[i].Config.ID == id {
			return &m.pods[i]
		}
	}
	return nil
}

// owner is the ID that has a name, empty if none has.
func (m *model) owner(name string) string {
	for _, c := range m.containers {
		if c.Config.Name == name {
			return c.Config.ID
		}
	}
	for _, p := range m.pods {
		if p.Config.Name == name {
			return p.Config.ID
		}
	}
	return m.reserved[name]
}

// taken is why nothing new can have this ID and name.
func (m *model) taken(id, name string) error {
	owner := m.owner(name)
	if m.container(id) != nil || m.pod(id) != nil || owner != "" && owner != id {
		return errdefs.ErrAlreadyExists
	}
	return nil
}

// which are the IDs of the containers that match, sorted.
func (m *model) which(match func(c *container.Config) bool) (ids []string) {
	for i := range m.containers {
		if match(&m.containers[i].Config) {
			ids = append(ids, m.containers[i].Config.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

func (m *model) dependents(id string) []string {
	return m.which(func(c *container.Config) bool { return slices.Contains(c.Dependencies, id) })
}

func (m *model) members(pod string) []string {
	return m.which(func(c *container.Config) bool { return c.Pod == pod })
}

func (m *model) users(volume string) []string {
	return m.which(func(c *container.Config) bool {
		return slices.ContainsFunc(c.Mounts, func(mt container.Mount) bool { return mt.Source == volume })
	})
}

func (m *model) connected(network string) []string {
	return m.which(func(c *container.Config) bool { _, ok := c.Network.Networks[network]; return ok })
}

func (m *model) sessions(of string) (ids []string) {
	for s, c := range m.execs {
		if c == of {
			ids = append(ids, s)
		}
	}
	slices.Sort(ids)
	return ids
}

// drop removes a container and what goes with it.
func (m *model) drop(id string) {
	m.containers = slices.DeleteFunc(m.containers, func(c container.Container) bool { return c.Config.ID == id })
	maps.DeleteFunc(m.reserved, func(_, owner string) bool { return owner == id })
	maps.DeleteFunc(m.execs, func(_, of string) bool { return of == id })
}

// needs reports whether a container comes to any of the IDs by following dependencies.
func (m *model) needs(id string, any []string) bool {
	c := m.container(id)
	return c != nil && slices.ContainsFunc(c.Config.Dependencies, func(d string) bool {
		return slices.Contains(any, d) || m.needs(d, any)
	})
}

// modelUpdates is how many updates a random run makes, of two and a half steps each on the average.
const modelUpdates = 1200

// compareWithModel does random updates of a few steps each, some of which are given up, reopens the store now and then, and
// compares all that can be read with the model.
func compareWithModel(t *testing.T, open Opener) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	e := &env{T: t, open: open}
	e.Store = open(t, "")
	defer func() { e.Store.Close() }()
	m := newModel()
	for n := range modelUpdates {
		next := m.clone()
		giveUp := r.IntN(8) == 0
		err := e.Store.Update(t.Context(), store.Durability(r.IntN(2)), func(tx store.UpdateTx) error {
			for range 1 + r.IntN(4) {
				s := steps[r.IntN(len(steps))]
				if got, want := s.do(r, tx, next); !errors.Is(got, want) || want == nil && got != nil {
					t.Fatalf("update %d: %s: expected %v, got %v", n, s.name, want, got)
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
		reopened := r.IntN(20) == 0
		if reopened {
			e.Store.Close()
			e.Store = open(t, "")
		}
		if reopened || n%8 == 0 || n == modelUpdates-1 {
			m.compare(e)
		}
	}
}

// compare reads everything from the store.
func (m *model) compare(e *env) {
	e.Helper()
	e.view(func(tx store.Tx) error {
		all, err := tx.Containers().All()
		e.equal("All", values(all), m.oldestFirst(func(container.Container) bool { return true }))
		alive, aliveErr := tx.Containers().Alive()
		e.equal("Alive", values(alive), m.oldestFirst(func(c container.Container) bool {
			return c.State.Status != container.Created && c.State.Status != container.Exited
		}))
		pods, podsErr := tx.Pods().All()
		want := slices.Clone(m.pods)
		slices.SortStableFunc(want, func(a, b container.Pod) int { return a.Config.Created.Compare(b.Config.Created) })
		e.equal("pods", values(pods), want)
		last, lastErr := tx.Events().Last()
		e.equal("last event", last, m.events)
		boot, bootErr := tx.BootID()
		e.equal("boot ID", boot, m.boot)
		return errors.Join(err, aliveErr, podsErr, lastErr, bootErr, m.compareReferences(e, tx), m.compareNames(e, tx))
	})
}

// oldestFirst are the containers that match, as a listing has them.
func (m *model) oldestFirst(match func(container.Container) bool) []container.Container {
	var want []container.Container
	for _, c := range m.containers {
		if match(c) {
			want = append(want, c)
		}
	}
	slices.SortStableFunc(want, func(a, b container.Container) int { return a.Config.Created.Compare(b.Config.Created) })
	return want
}

// compareReferences asks about each ID.
func (m *model) compareReferences(e *env, tx store.Tx) error {
	for n := range modelIDs {
		ID := id(n)
		dependents, err := tx.Containers().Dependents(ID)
		if m.container(ID) == nil {
			e.is(err, errdefs.ErrNotFound)
		} else {
			e.equal("dependents of "+ID, dependents, m.dependents(ID))
		}
		members, err := tx.Pods().Containers(ID)
		if m.pod(ID) == nil {
			e.is(err, errdefs.ErrNotFound)
		} else {
			e.equal("containers of pod "+ID, values(members), m.oldestFirst(func(c container.Container) bool { return c.Config.Pod == ID }))
		}
		ss, err := tx.Execs().OfContainer(ID)
		var sessions []string
		for _, s := range ss {
			sessions = append(sessions, s.ID)
		}
		e.equal("sessions of "+ID, sessions, m.sessions(ID))
		code, exitErr := tx.ExitCode(ID)
		if want, ok := m.exits[ID]; !ok {
			e.is(exitErr, errdefs.ErrNotFound)
		} else {
			e.equal("exit code of "+ID, code, want)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// compareNames asks about each name, of whatever it may be.
func (m *model) compareNames(e *env, tx store.Tx) error {
	for n := range modelNames {
		name := fmt.Sprint("name", n)
		owner, err := tx.Names().Owner(name)
		if want := m.owner(name); want == "" {
			e.is(err, errdefs.ErrNotFound)
		} else {
			e.equal("owner of "+name, owner, want)
		}
		users, err := tx.Volumes().Users(name)
		e.equal("users of "+name, users, m.users(name))
		connected, connErr := tx.Containers().Connected(name)
		e.equal("connected to "+name, connected, m.connected(name))
		_, volErr := tx.Volumes().Volume(name)
		if (volErr == nil) != m.volumes[name] {
			e.Fatalf("volume %s: expected %v, got %v", name, m.volumes[name], volErr)
		}
		if err := errors.Join(err, connErr); err != nil {
			return err
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
