package engine

import (
	"context"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/host"
	"github.com/berth-engine/berth/store"
)

// Containers are the operations on containers. A reference is a name, an ID or an unambiguous beginning of an ID; what is not
// there is ErrNotFound, what is ambiguous store.ErrAmbiguous.
type Containers struct{ e *Engine }

// Resolve returns the full ID and the name of a container.
func (s *Containers) Resolve(ctx context.Context, ref string) (id, name string, err error) {
	c, err := s.e.lookup(ctx, ref)
	if err != nil {
		return "", "", err
	}
	return c.Config.ID, c.Config.Name, nil
}

// Exists reports whether there is such a container.
func (s *Containers) Exists(ctx context.Context, ref string) (bool, error) {
	_, err := s.e.lookup(ctx, ref)
	if errdefs.Class(err) == errdefs.ErrNotFound {
		return false, nil
	}
	return err == nil, err
}

// lookup reads a container as the store has it now, without a lock.
func (e *Engine) lookup(ctx context.Context, ref string) (*container.Container, error) {
	var c *container.Container
	err := e.store.View(ctx, func(tx store.Tx) (err error) {
		c, err = tx.Containers().Lookup(ref)
		return err
	})
	return c, err
}

// locked runs fn with the container's lock held and its record reconciled with the facts. fn may change c.State, by setState.
func (e *Engine) locked(ctx context.Context, ref string, fn func(c *container.Container) error) error {
	c, err := e.lookup(ctx, ref)
	if err != nil {
		return err
	}
	unlock, err := e.locks.Lock(ctx, c.Config.ID)
	if err != nil {
		return err
	}
	defer unlock()
	if c, err = e.reread(ctx, c.Config.ID); err != nil {
		return err
	}
	if err := e.reconcile(ctx, c); err != nil {
		return err
	}
	if err := e.settleLimits(ctx, c); err != nil {
		e.log.Warn("finishing or undoing an update of limits", "id", c.Config.ID, "error", err)
	}
	return fn(c)
}

// reread reads a container by its full ID.
func (e *Engine) reread(ctx context.Context, id string) (*container.Container, error) {
	var c *container.Container
	err := e.store.View(ctx, func(tx store.Tx) (err error) {
		c, err = tx.Containers().Container(id)
		return err
	})
	return c, err
}

// setState commits the container's state with the events that belong to the change. The caller holds the container's lock.
func (e *Engine) setState(ctx context.Context, c *container.Container, events ...event.Event) error {
	return e.store.Update(ctx, store.Volatile, func(tx store.UpdateTx) error {
		if err := tx.ContainerWriter().SetState(c.Config.ID, c.State); err != nil {
			return err
		}
		return appendEvents(tx, events)
	})
}

func appendEvents(tx store.UpdateTx, events []event.Event) error {
	for _, ev := range events {
		if err := tx.Writer().Append(ev); err != nil {
			return err
		}
	}
	return nil
}

// containerEvent is an event about a container. Attributes are its labels and the pairs given.
func containerEvent(c *container.Container, a event.Action, pairs ...string) event.Event {
	attributes := make(map[string]string, len(c.Config.Labels)+len(pairs)/2)
	for k, v := range c.Config.Labels {
		attributes[k] = v
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		attributes[pairs[i]] = pairs[i+1]
	}
	return event.Event{
		Type: event.Container, Action: a, ID: c.Config.ID, Name: c.Config.Name, Image: c.Config.Image.Name, Attributes: attributes,
	}
}

// alive reports whether the container's first process lives, as the kernel says.
func (e *Engine) alive(s container.State) bool {
	return s.PID > 0 && s.BootID == e.facts.BootID && host.Alive(s.PID, s.PIDStart)
}

// monitorAlive reports whether the container's monitor, or the clean-up that it became, lives.
func (e *Engine) monitorAlive(s container.State) bool {
	return s.MonitorPID > 0 && s.BootID == e.facts.BootID && host.Alive(s.MonitorPID, s.MonitorStart)
}

// trueStatus is what the container does now, whatever the store still says, found out without a lock: one read of /proc for
// a container that is said to be alive.
func (e *Engine) trueStatus(c *container.Container) container.Status {
	if c.State.Status.Alive() && !e.alive(c.State) {
		return container.Exited
	}
	return c.State.Status
}

// short is the part of an ID that people read.
func short(id string) string {
	if len(id) > 12 {
		return id[:12]
	}
	return id
}

// now is the time for records: without the monotonic part, which no record keeps.
func now() time.Time { return time.Now().Round(0) }
