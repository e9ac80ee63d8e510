package engine

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
)

// CloneOptions say how a copy differs from its original.
type CloneOptions struct {
	// Name of the copy; empty for the original's with -clone behind it, and a number if that is taken.
	Name string
	// Image, if not empty, is what the copy is made from, pulled if it is not there.
	Image string
	Pull  PullPolicy
	// Limits are changes of the original's.
	Limits container.LimitChanges
	// Destroy removes the original once the copy has been made; one that runs only with Force.
	Destroy, Force bool
}

// Clone makes a container that is configured as another. It has an empty writable layer, a log and anonymous volumes of its own, and
// shares the named ones. It is not started.
//
// ErrAlreadyExists if the name is taken, ErrConflict if the original is to be removed and runs.
func (s *Containers) Clone(ctx context.Context, ref string, o CloneOptions) (Created, error) {
	e := s.e
	if o.Name != "" {
		if err := container.CheckName(o.Name); err != nil {
			return Created{}, err
		}
	}
	c, err := e.lookup(ctx, ref)
	if err != nil {
		return Created{}, err
	}
	if o.Destroy && !o.Force && e.trueStatus(c).Alive() {
		return Created{}, errdefs.Conflict("container %s runs: stop it first, or let it be removed by force", c.Config.Name)
	}
	n, err := e.cloneOf(ctx, c, o)
	if err != nil {
		return Created{}, err
	}
	warnings, err := e.checkConfig(&n.Config)
	if err != nil {
		return Created{}, err
	}
	if err := e.commitClone(ctx, n, c.Config.Name, o.Name != ""); err != nil {
		return Created{}, err
	}
	if o.Destroy {
		if _, err := s.Remove(ctx, c.Config.ID, RemoveOptions{Force: o.Force, Volumes: true}); err != nil && errdefs.Class(err) != errdefs.ErrNotFound {
			return Created{}, errors.Join(err, s.discard(ctx, n.Config.ID))
		}
	}
	return Created{ID: n.Config.ID, Name: n.Config.Name, Warnings: warnings}, nil
}

// cloneOf is a container like c, about to be added.
func (e *Engine) cloneOf(ctx context.Context, c *container.Container, o CloneOptions) (*newContainer, error) {
	cfg := c.Config
	cfg.ID, cfg.Created, cfg.CIDFile, cfg.Name = newID(), now(), "", o.Name
	cfg.Log.Path = "" // two containers do not write one file
	if cfg.Resources = o.Limits.Apply(cfg.Resources); !o.Limits.Empty() {
		if err := cfg.Resources.Validate(); err != nil {
			return nil, err
		}
	}
	if cfg.Namespaces.User.Mode == container.Auto {
		cfg.Namespaces.UIDMap, cfg.Namespaces.GIDMap = nil, nil // a range of its own is given when it is added
	}
	if o.Image != "" {
		if cfg.RootfsPath != "" {
			return nil, errdefs.Invalid("container %s has a directory as its root file system, which no image replaces", c.Config.Name)
		}
		from := CreateOptions{Image: o.Image, Pull: o.Pull}
		img, err := e.imageFor(ctx, from)
		if err != nil {
			return nil, err
		}
		cfg.Image = imageOf(from, img)
	}
	n := &newContainer{Container: container.Container{State: container.State{Status: container.Created}}, named: true}
	var err error
	if cfg.Mounts, n.volumes, err = e.cloneMounts(ctx, cfg.Mounts); err != nil {
		return nil, err
	}
	n.Config = cfg
	return n, nil
}

// cloneMounts are the mounts with new anonymous volumes in place of the old, and the volumes that they need.
func (e *Engine) cloneMounts(ctx context.Context, mounts []container.Mount) (cloned []container.Mount, volumes []newVolume, err error) {
	cloned = slices.Clone(mounts)
	err = e.store.View(ctx, func(tx store.Tx) error {
		volumes = nil
		for i := range cloned {
			m := &cloned[i]
			if m.Type != container.Volume {
				continue
			}
			m.Source = mounts[i].Source
			old, err := tx.Volumes().Volume(m.Source)
			if err != nil && errdefs.Class(err) != errdefs.ErrNotFound {
				return err
			}
			anonymous := err == nil && old.Anonymous
			if anonymous {
				m.Source = newID()
			}
			v := e.newVolume(m.Source, anonymous, nil)
			v.NeedsCopyUp = !m.NoCopy
			volumes = append(volumes, v)
		}
		return nil
	})
	return cloned, volumes, err
}

// commitClone adds the container. Without a name of its own it is called by the first free one of ORIGINAL-clone, ORIGINAL-clone1, ….
func (e *Engine) commitClone(ctx context.Context, n *newContainer, original string, named bool) error {
	for i := 0; ; i++ {
		if !named {
			n.Config.Name = original + "-clone"
			if i > 0 {
				n.Config.Name += strconv.Itoa(i)
			}
		}
		_, err := e.commitNew(ctx, n)
		if named || errdefs.Class(err) != errdefs.ErrAlreadyExists {
			return err
		}
	}
}
