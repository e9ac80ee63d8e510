package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
)

// worker is a process, or a part of one, that changes what is its own of a store that others change too. Every change of a container
// counts up its State.Run and appends an event that says the count, in the same update: so a snapshot shows whether state and events
// belong together, and what a worker has said of a change can be compared with what is there.
type worker struct {
	store.Store
	n   int // workers with different numbers have different IDs
	r   *rand.Rand
	own []string // IDs of containers
	pod string   // the ID of a pod, if it has one, with two containers

	serial  int
	updates int
	longest time.Duration // that an update took
	// said is called with what has been committed.
	said func(deed)
}

// deed is what one update did to one container: its count now, or that it is gone.
type deed struct {
	id      string
	run     uint64
	removed bool
	synced  bool
}

func (c deed) String() string {
	return fmt.Sprintf("%s %d %v %v", c.id, c.run, c.removed, c.synced)
}

func parseDeed(line string) (c deed, err error) {
	_, err = fmt.Sscanf(line, "%s %d %t %t", &c.id, &c.run, &c.removed, &c.synced)
	return c, err
}

// attribute is where an event says the count.
const attribute = "run"

// removedRun is what the event of a removal says.
const removedRun = "removed"

func newWorker(s store.Store, n int, said func(deed)) *worker {
	return &worker{Store: s, n: n, r: rand.New(rand.NewPCG(uint64(n), rand.Uint64())), said: said, serial: int(time.Now().UnixNano() / 1000)}
}

// step does one update, whatever fits.
func (w *worker) step(ctx context.Context) error {
	switch k := w.r.IntN(10); {
	case len(w.own) == 0, len(w.own) < 10 && k < 3:
		return w.create(ctx)
	case k == 3 && w.pod == "":
		return w.createPod(ctx)
	case k == 3:
		return w.removePod(ctx)
	case k < 6:
		return w.remove(ctx, w.own[w.r.IntN(len(w.own))])
	case k == 6:
		return w.rename(ctx, w.own[w.r.IntN(len(w.own))])
	}
	return w.start(ctx, w.own[w.r.IntN(len(w.own))])
}

// update is one update, whose changes are said when it is committed.
func (w *worker) update(ctx context.Context, d store.Durability, fn func(tx store.UpdateTx) ([]deed, error)) error {
	var done []deed
	began := time.Now()
	err := w.Update(ctx, d, func(tx store.UpdateTx) (err error) {
		if done, err = fn(tx); err != nil {
			return err
		}
		for _, c := range done {
			run := strconv.FormatUint(c.run, 10)
			if c.removed {
				run = removedRun
			}
			e := event.Event{Type: event.Container, Action: event.Update, ID: c.id, Attributes: map[string]string{attribute: run}}
			if err := tx.Writer().Append(e); err != nil {
				return err
			}
		}
		return nil
	})
	w.longest = max(w.longest, time.Since(began))
	w.updates++
	if err != nil {
		return err
	}
	for _, c := range done {
		c.synced = d == store.Synced
		w.said(c)
	}
	return nil
}

func (w *worker) newID() string {
	w.serial++
	return fmt.Sprintf("%04x%060x", w.n, w.serial)
}

// anyName is one that others want too, or not.
func (w *worker) anyName(id string) string {
	if w.r.IntN(2) == 0 {
		return fmt.Sprint("wanted", w.r.IntN(30))
	}
	return "c" + id
}

func (w *worker) create(ctx context.Context) error {
	c := &container.Container{State: container.State{Status: container.Created}}
	c.Config.ID = w.newID()
	c.Config.Name, c.Config.Created = w.anyName(c.Config.ID), time.Now()
	c.Config.Mounts = []container.Mount{{Type: container.Volume, Source: fmt.Sprint("v", w.r.IntN(5)), Destination: "/v"}}
	if len(w.own) > 0 && w.r.IntN(3) == 0 {
		c.Config.Dependencies = []string{w.own[0]}
	}
	err := w.update(ctx, store.Synced, func(tx store.UpdateTx) ([]deed, error) {
		return []deed{{id: c.Config.ID}}, tx.ContainerWriter().Add(c)
	})
	if errors.Is(err, errdefs.ErrAlreadyExists) { // the name was another's
		return nil
	}
	if err == nil {
		w.own = append(w.own, c.Config.ID)
	}
	return err
}

// start is a start or a stop.
func (w *worker) start(ctx context.Context, id string) error {
	return w.update(ctx, store.Volatile, func(tx store.UpdateTx) ([]deed, error) {
		c, err := tx.Containers().Container(id)
		if err != nil {
			return nil, err
		}
		return w.count(tx, c)
	})
}

// count makes a state of a container that was changed.
func (w *worker) count(tx store.UpdateTx, c *container.Container) ([]deed, error) {
	c.State.Run++
	c.State.Status = statuses[w.r.IntN(len(statuses))]
	return []deed{{id: c.Config.ID, run: c.State.Run}}, tx.ContainerWriter().SetState(c.Config.ID, c.State)
}

func (w *worker) rename(ctx context.Context, id string) error {
	err := w.update(ctx, store.Synced, func(tx store.UpdateTx) ([]deed, error) {
		if err := tx.ContainerWriter().Rename(id, w.anyName(id)); err != nil {
			return nil, err
		}
		c, err := tx.Containers().Container(id)
		if err != nil {
			return nil, err
		}
		return w.count(tx, c)
	})
	if errors.Is(err, errdefs.ErrAlreadyExists) {
		return nil
	}
	return err
}

func (w *worker) remove(ctx context.Context, id string) error {
	err := w.update(ctx, store.Synced, func(tx store.UpdateTx) ([]deed, error) {
		return []deed{{id: id, removed: true}}, tx.ContainerWriter().Remove(id)
	})
	if errors.Is(err, errdefs.ErrConflict) { // others of its own depend on it
		return nil
	}
	if err == nil {
		w.own = slices.DeleteFunc(w.own, func(o string) bool { return o == id })
	}
	return err
}

func (w *worker) createPod(ctx context.Context) error {
	p := &container.Pod{Config: container.PodConfig{ID: w.newID(), Created: time.Now()}}
	p.Config.Name = "p" + p.Config.ID
	var changes []deed
	err := w.update(ctx, store.Synced, func(tx store.UpdateTx) ([]deed, error) {
		if err := tx.PodWriter().Add(p); err != nil {
			return nil, err
		}
		changes = nil
		var first []string
		for range 2 {
			c := &container.Container{State: container.State{Status: container.Created}}
			c.Config.ID = w.newID()
			c.Config.Name, c.Config.Pod, c.Config.Dependencies = "c"+c.Config.ID, p.Config.ID, first
			if err := tx.PodWriter().AddContainer(p.Config.ID, c); err != nil {
				return nil, err
			}
			first = []string{c.Config.ID}
			changes = append(changes, deed{id: c.Config.ID})
		}
		return changes, nil
	})
	if err == nil {
		w.pod = p.Config.ID
	}
	return err
}

func (w *worker) removePod(ctx context.Context) error {
	err := w.update(ctx, store.Synced, func(tx store.UpdateTx) ([]deed, error) {
		members, err := tx.Pods().Containers(w.pod)
		if err != nil {
			return nil, err
		}
		var changes []deed
		for _, c := range members {
			changes = append(changes, deed{id: c.Config.ID, removed: true})
		}
		return changes, errors.Join(tx.PodWriter().RemoveContainers(w.pod), tx.PodWriter().Remove(w.pod))
	})
	if err == nil {
		w.pod = ""
	}
	return err
}

// observer checks snapshots of a store that workers change. It reads each event once.
type observer struct {
	seq  uint64
	runs map[string]string // by ID, what the last event said of it
}

// check says what does not hold in a snapshot.
func (o *observer) check(tx store.Tx) error {
	if o.runs == nil {
		o.runs = map[string]string{}
	}
	var wrong error
	err := tx.Events().After(o.seq, func(e event.Event) bool {
		if e.Seq != o.seq+1 {
			wrong = fmt.Errorf("event %d follows %d", e.Seq, o.seq)
		}
		o.seq = e.Seq
		if o.runs[e.ID] = e.Attributes[attribute]; o.runs[e.ID] == removedRun {
			delete(o.runs, e.ID)
		}
		return true
	})
	all, allErr := tx.Containers().All()
	if err := errors.Join(err, wrong, allErr); err != nil {
		return err
	}
	names := map[string]bool{}
	for _, c := range all {
		if err := o.checkContainer(tx, c, names); err != nil {
			return err
		}
	}
	if len(all) != len(o.runs) {
		return fmt.Errorf("%d containers, but %d whose last event was not their removal", len(all), len(o.runs))
	}
	return checkPods(tx)
}

func (o *observer) checkContainer(tx store.Tx, c *container.Container, names map[string]bool) error {
	id := c.Config.ID
	if want, got := o.runs[id], strconv.FormatUint(c.State.Run, 10); got != want {
		return fmt.Errorf("container %s is at change %s, its last event at %q", id, got, want)
	}
	if names[c.Config.Name] {
		return fmt.Errorf("the name %s is there twice", c.Config.Name)
	}
	names[c.Config.Name] = true
	owner, err := tx.Names().Owner(c.Config.Name)
	if err != nil || owner != id {
		return fmt.Errorf("the name %s of container %s is %s's (%v)", c.Config.Name, id, owner, err)
	}
	for _, d := range c.Config.Dependencies {
		if ids, err := tx.Containers().Dependents(d); err != nil || !slices.Contains(ids, id) {
			return fmt.Errorf("container %s depends on %s, which is needed by %v (%v)", id, d, ids, err)
		}
	}
	for _, m := range c.Config.Mounts {
		if ids, err := tx.Volumes().Users(m.Source); err != nil || !slices.Contains(ids, id) {
			return fmt.Errorf("container %s mounts volume %s, which is used by %v (%v)", id, m.Source, ids, err)
		}
	}
	return nil
}

func checkPods(tx store.Tx) error {
	pods, err := tx.Pods().All()
	for _, p := range pods {
		members, err := tx.Pods().Containers(p.Config.ID)
		if err != nil || len(members) != 2 {
			return fmt.Errorf("pod %s has %d containers of its two (%v)", p.Config.ID, len(members), err)
		}
	}
	return err
}
