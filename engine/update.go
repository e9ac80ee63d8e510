package engine

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/ocispec"
	"github.com/berth-engine/berth/store"
)

// UpdateOptions are changes of a container's configuration. What is nil or false stays as it is.
type UpdateOptions struct {
	Limits  container.LimitChanges
	Restart *container.RestartPolicy
	// Health overrides the container's check field by field; NoHealthcheck disables it.
	Health        *container.Health
	NoHealthcheck bool
}

// Update changes a container's limits, restart policy and health check in one commit; a container that runs has its new limits when
// Update returns. The warnings say what this host cannot limit. Another health check is made from then on; the first check of a container
// that was started without one is made by itself from the next start on, and by Healthcheck at once.
//
// ErrInvalidArgument if the configuration would not be right, ErrConflict if the container is being removed, or is to remove itself
// and to be restarted.
func (s *Containers) Update(ctx context.Context, ref string, o UpdateOptions) (warnings []string, err error) {
	e := s.e
	err = e.locked(ctx, ref, func(c *container.Container) error {
		if c.State.Status == container.Removing {
			return errdefs.Conflict("container %s is being removed", c.Config.Name)
		}
		after, err := o.applied(&c.Config)
		if err != nil {
			return err
		}
		limits, told, err := ocispec.Update(c.Config.Resources, withAllSets(c.Config.Resources, after.Resources), e.facts)
		if err != nil {
			return err
		}
		warnings = told
		u := &update{e: e, c: c, after: after}
		if limits != nil && c.State.Status.Alive() {
			if u.resources, err = json.Marshal(limits); err != nil {
				return errdefs.Internal("encoding the limits of container %s: %w", c.Config.Name, err)
			}
		}
		return u.run(ctx)
	})
	return warnings, err
}

// applied is the configuration after the changes.
func (o UpdateOptions) applied(cfg *container.Config) (container.Config, error) {
	after := *cfg
	after.Resources = o.Limits.Apply(cfg.Resources)
	if err := after.Resources.Validate(); err != nil {
		return after, err
	}
	if r := o.Restart; r != nil {
		if cfg.AutoRemove && r.Name != "" && r.Name != container.RestartNo {
			return after, errdefs.Conflict("container %s removes itself when it has ended: it cannot be restarted by a policy", cfg.Name)
		}
		after.Restart = *r
	}
	switch {
	case o.NoHealthcheck && o.Health != nil && len(o.Health.Test) > 0:
		return after, errdefs.Invalid("a health check and none at all exclude each other")
	case o.NoHealthcheck:
		after.Health = noHealthcheck()
	case o.Health != nil:
		if after.Health = overlayHealth(cfg.Health, o.Health); after.Health == nil {
			return after, errdefs.Invalid("container %s has no health check whose times could be changed: give it one with --health-cmd", cfg.Name)
		}
		return after, after.Health.Validate()
	}
	return after, nil
}

// update is a change of a configuration under way.
type update struct {
	e         *Engine
	c         *container.Container
	after     container.Config
	resources []byte // for the OCI runtime; nil if there is nothing to tell it
	checked   bool   // the health check is another
}

// run makes the change. Killed between its steps, the next verb that takes the container's lock finds the note, and gives the control
// group the limits that the record has.
func (u *update) run(ctx context.Context) error {
	steps := []step{{name: "record", do: u.record}, {name: "schedule", do: u.schedule}}
	if u.resources != nil {
		steps = []step{
			{name: "note", do: u.note, undo: u.forget},
			{name: "limits", do: u.setLimits, undo: u.resetLimits},
			{name: "record", do: u.record},
			{name: "done", do: u.forget},
			{name: "schedule", do: u.schedule},
		}
	}
	return runSteps(ctx, "update", steps)
}

// note keeps which limits the control group is about to have.
func (u *update) note(context.Context) error {
	data, err := json.Marshal(u.after.Resources)
	if err != nil {
		return errdefs.Internal("encoding the limits of container %s: %w", u.c.Config.Name, err)
	}
	if err := os.WriteFile(u.e.paths.limitsNote(u.c.Config.ID), data, 0o600); err != nil {
		return errdefs.Internal("noting the limits of container %s: %w", u.c.Config.Name, err)
	}
	return nil
}

func (u *update) forget(context.Context) error { return u.e.forgetLimits(u.c.Config.ID) }

func (e *Engine) forgetLimits(id string) error {
	if err := os.Remove(e.paths.limitsNote(id)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return errdefs.Internal("removing the note of the limits of container %s: %w", short(id), err)
	}
	return nil
}

func (u *update) setLimits(ctx context.Context) error {
	rt, err := u.e.runtimeOf(u.c)
	if err != nil {
		return err
	}
	return rt.Update(ctx, u.c.Config.ID, u.resources)
}

func (u *update) resetLimits(ctx context.Context) error {
	return u.e.changeLimits(ctx, u.c, u.after.Resources, u.c.Config.Resources)
}

// changeLimits brings a running container from one set of limits to another.
func (e *Engine) changeLimits(ctx context.Context, c *container.Container, from, to container.Resources) error {
	limits, _, err := ocispec.Update(from, withAllSets(from, to), e.facts)
	if err != nil || limits == nil {
		return err
	}
	data, err := json.Marshal(limits)
	if err != nil {
		return errdefs.Internal("encoding the limits of container %s: %w", c.Config.Name, err)
	}
	rt, err := e.runtimeOf(c)
	if err != nil {
		return err
	}
	return rt.Update(ctx, c.Config.ID, data)
}

// withAllSets names all processors and memory nodes in to where from names some and to none: a control group cannot forget them.
func withAllSets(from, to container.Resources) container.Resources {
	if from.CPUSetCPUs != "" && to.CPUSetCPUs == "" {
		to.CPUSetCPUs = strings.TrimSpace(text("/sys/devices/system/cpu/online"))
	}
	if from.CPUSetMems != "" && to.CPUSetMems == "" {
		to.CPUSetMems = strings.TrimSpace(text("/sys/devices/system/node/online"))
	}
	return to
}

// record commits the configuration.
func (u *update) record(ctx context.Context) error {
	before := u.c.Config
	state := u.c.State
	if u.checked = !reflect.DeepEqual(before.Health, u.after.Health); u.checked {
		state.Health = nil
		if state.Status.Alive() {
			state.Health = firstHealth(&u.after)
		}
	}
	err := u.e.store.Update(ctx, store.Synced, func(tx store.UpdateTx) error {
		if err := tx.ContainerWriter().SafeRewriteConfig(u.after); err != nil {
			return err
		}
		if err := tx.ContainerWriter().SetState(before.ID, state); err != nil {
			return err
		}
		return tx.Writer().Append(containerEvent(u.c, event.Update))
	})
	if err == nil {
		u.c.Config, u.c.State = u.after, state
	}
	return err
}

// schedule has the monitor of a running container make the first check of a new kind. A check that is none any more ends by itself.
func (u *update) schedule(ctx context.Context) error {
	if !u.checked || u.c.State.Status != container.Running {
		return nil
	}
	rt, err := u.e.runtimeOf(u.c)
	if err != nil {
		return err
	}
	return u.e.scheduleHealth(ctx, rt, u.c, true)
}

// settleLimits gives a running container the limits that its record has, if an update of them was killed half-way. The caller holds the
// container's lock.
func (e *Engine) settleLimits(ctx context.Context, c *container.Container) error {
	if !c.State.Status.Alive() {
		return nil
	}
	data, err := os.ReadFile(e.paths.limitsNote(c.Config.ID))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return errdefs.Internal("reading the note of the limits of container %s: %w", c.Config.Name, err)
	}
	var noted container.Resources
	if json.Unmarshal(data, &noted) == nil { // else it was not written to its end, and nothing had been changed yet
		if err := e.changeLimits(ctx, c, noted, c.Config.Resources); err != nil {
			return err
		}
	}
	return e.forgetLimits(c.Config.ID)
}

// limitsNote is there while a running container's limits are being changed.
func (p paths) limitsNote(id string) string { return filepath.Join(p.containerRun(id), "limits") }
