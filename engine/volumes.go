package engine

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/lock"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/volume"
)

// Volumes are the operations on volumes.
type Volumes struct{ e *Engine }

// lockVolume takes the lock of a volume's name, under which its contents are made ready, filled or deleted, so that what a new volume of
// the name holds is not taken for what is left of the one before. Containers are locked first, and no second volume with it.
func (e *Engine) lockVolume(ctx context.Context, name string) (unlock func(), err error) {
	return e.locks.Lock(ctx, lock.Name(volumeLock+name))
}

func (e *Engine) localVolumes() volume.Local { return volume.Local{Dir: e.paths.volumes()} }

// Create makes a volume; one without a name is anonymous.
//
// ErrAlreadyExists if the name is taken, ErrInvalidArgument if it is no name or an option is unknown.
func (s *Volumes) Create(ctx context.Context, v volume.Volume) (*volume.Volume, error) {
	e := s.e
	if v.Name == "" {
		v.Name, v.Anonymous = newID(), true
	}
	if err := volume.ValidateName(v.Name); err != nil {
		return nil, err
	}
	if err := volume.ValidateOptions(v.Options); err != nil {
		return nil, err
	}
	e.sweep(ctx) // of a removal that was killed the contents may be left, which are no new volume's
	unlock, err := e.lockVolume(ctx, v.Name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	nv := e.newVolume(v.Name, v.Anonymous, v.Labels)
	nv.Options = v.Options
	err = e.store.Update(ctx, store.Synced, func(tx store.UpdateTx) error {
		if err := tx.VolumeWriter().Add(&nv); err != nil {
			return err
		}
		return tx.Writer().Append(volumeEvent(nv.Name, event.Create))
	})
	if err != nil {
		return nil, err
	}
	// A directory that is missing is made by the first use.
	_, err = e.localVolumes().Create(nv.Name)
	return &nv, err
}

// List returns the volumes by name that all filters hold for: name, label, driver, dangling.
func (s *Volumes) List(ctx context.Context, filters map[string][]string) ([]volume.Volume, error) {
	var list []volume.Volume
	err := s.e.store.View(ctx, func(tx store.Tx) error {
		list = nil
		all, err := tx.Volumes().All()
		if err != nil {
			return err
		}
		for _, v := range all {
			users, err := tx.Volumes().Users(v.Name)
			if err != nil {
				return err
			}
			ok, err := matchVolume(v, len(users) == 0, filters)
			if err != nil {
				return err
			}
			if ok {
				list = append(list, *v)
			}
		}
		return nil
	})
	return list, err
}

// matchVolume reports whether all keys of the filters hold; the values of one are alternatives.
func matchVolume(v *volume.Volume, dangling bool, filters map[string][]string) (bool, error) {
	for key, values := range filters {
		var test func(string) bool
		switch key {
		case "name":
			test = func(x string) bool { return strings.Contains(v.Name, x) }
		case "driver":
			test = func(x string) bool { return v.Driver == x }
		case "dangling":
			test = func(x string) bool { return (x == "true" || x == "1") == dangling }
		case "label":
			test = func(x string) bool {
				k, want, valued := strings.Cut(x, "=")
				have, ok := v.Labels[k]
				return ok && (!valued || have == want)
			}
		default:
			return false, errdefs.Invalid("volumes have no filter %q: use name, label, driver or dangling", key)
		}
		if !slices.ContainsFunc(values, test) {
			return false, nil
		}
	}
	return true, nil
}

// Inspect returns a volume by its name or an unambiguous beginning of it.
func (s *Volumes) Inspect(ctx context.Context, ref string) (v *volume.Volume, err error) {
	err = s.e.store.View(ctx, func(tx store.Tx) error {
		v, err = tx.Volumes().Lookup(ref)
		return err
	})
	return v, err
}

func volumeEvent(name string, a event.Action) event.Event {
	return event.Event{Type: event.Volume, Action: a, ID: name, Name: name}
}

func (e *Engine) newVolume(name string, anonymous bool, labels map[string]string) volume.Volume {
	return volume.Volume{
		Name: name, Driver: "local", Mountpoint: e.localVolumes().Path(name), Labels: labels, Created: now(),
		Anonymous: anonymous, NeedsCopyUp: true, NeedsChown: true,
	}
}

// newVolume is a volume that a container needs: added with the container if it is not there.
type newVolume = volume.Volume

func addVolumes(tx store.UpdateTx, volumes []newVolume) error {
	for _, v := range volumes {
		_, err := tx.Volumes().Volume(v.Name)
		if err == nil {
			continue
		}
		if errdefs.Class(err) != errdefs.ErrNotFound {
			return err
		}
		if err := tx.VolumeWriter().Add(&v); err != nil {
			return err
		}
		if err := tx.Writer().Append(volumeEvent(v.Name, event.Create)); err != nil {
			return err
		}
	}
	return nil
}

// volumeNames are the volumes that a container mounts.
func volumeNames(c *container.Container) []string {
	var names []string
	for _, m := range c.Config.Mounts {
		if m.Type == container.Volume {
			names = append(names, m.Source)
		}
	}
	return names
}

// planMounts puts the mounts of the options, of the containers named by --volumes-from and of the image into the configuration,
// the former winning where two have one destination, and returns the volumes needed.
func (e *Engine) planMounts(ctx context.Context, cfg *container.Config, o CreateOptions, imageVolumes []string) ([]newVolume, error) {
	mounts := slices.Clone(o.Mounts)
	for _, from := range o.VolumesFrom {
		inherited, err := e.mountsFrom(ctx, from)
		if err != nil {
			return nil, err
		}
		mounts = addMounts(mounts, inherited)
	}
	for _, text := range e.config.Containers.Volumes {
		m, err := container.ParseVolume(text, "/")
		if err != nil {
			return nil, err
		}
		mounts = addMounts(mounts, []container.Mount{m})
	}
	declared, err := mountsOfImage(imageVolumes, o.ImageVolumes)
	if err != nil {
		return nil, err
	}
	mounts = addMounts(mounts, declared)
	seen := map[string]bool{}
	var volumes []newVolume
	for i := range mounts {
		m := &mounts[i]
		if seen[m.Destination] {
			return nil, errdefs.Invalid("two mounts at %s: a destination can be used once", m.Destination)
		}
		seen[m.Destination] = true
		if m.Type != container.Volume {
			continue
		}
		v := e.newVolume(m.Source, m.Source == "", nil)
		if m.Source == "" {
			v = e.newVolume(newID(), true, nil)
			m.Source = v.Name
		} else if err := volume.ValidateName(m.Source); err != nil {
			return nil, err
		}
		v.NeedsCopyUp = !m.NoCopy
		volumes = append(volumes, v)
	}
	cfg.Mounts = mounts
	return volumes, nil
}

// addMounts adds those whose destination is not taken.
func addMounts(to, more []container.Mount) []container.Mount {
	for _, m := range more {
		if !slices.ContainsFunc(to, func(x container.Mount) bool { return x.Destination == m.Destination }) {
			to = append(to, m)
		}
	}
	return to
}

// mountsFrom are the mounts of another container, given as CONTAINER[:ro|rw|z].
func (e *Engine) mountsFrom(ctx context.Context, from string) ([]container.Mount, error) {
	ref, options, _ := strings.Cut(from, ":")
	c, err := e.lookup(ctx, ref)
	if err != nil {
		return nil, err
	}
	var mounts []container.Mount
	for _, m := range c.Config.Mounts {
		if m.Type == container.Tmpfs {
			continue
		}
		for _, o := range strings.Split(options, ",") {
			switch o {
			case "":
			case "ro":
				m.ReadOnly = true
			case "rw":
				m.ReadOnly = false
			case "z", "Z":
				m.Relabel = o
			default:
				return nil, errdefs.Invalid("--volumes-from %s: %q is no option: use ro, rw or z", from, o)
			}
		}
		mounts = append(mounts, m)
	}
	return mounts, nil
}

// mountsOfImage are the mounts for the volumes that an image declares.
func mountsOfImage(declared []string, mode string) ([]container.Mount, error) {
	m := container.Mount{FromImage: true}
	switch mode {
	case "", "anonymous", "bind":
		m.Type = container.Volume
	case "tmpfs":
		m.Type = container.Tmpfs
	case "ignore":
		return nil, nil
	default:
		return nil, errdefs.Invalid("--image-volume %s: use anonymous, tmpfs or ignore", mode)
	}
	var mounts []container.Mount
	for _, path := range declared {
		m.Destination = filepath.Clean("/" + path)
		if coversKernelFiles(m.Destination) {
			return nil, errdefs.Invalid("the image declares a volume at %s, where the kernel's files are: leave its volumes out with --image-volume ignore", m.Destination)
		}
		mounts = append(mounts, m)
	}
	return mounts, nil
}

// coversKernelFiles: an OCI runtime confines the process by files in /proc, so an image's own files must not stand in their place
// (CVE-2019-16884).
func coversKernelFiles(path string) bool {
	for _, tree := range []string{"/proc", "/sys"} {
		if path == tree || strings.HasPrefix(path, tree+"/") {
			return true
		}
	}
	return path == "/"
}

// resolvedMounts are a container's mounts as inspect shows them.
func (e *Engine) resolvedMounts(ctx context.Context, c *container.Container) ([]ResolvedMount, error) {
	var list []ResolvedMount
	for _, m := range c.Config.Mounts {
		r := ResolvedMount{
			Type: string(m.Type), Source: m.Source, Destination: m.Destination, RW: !m.ReadOnly, Options: m.Options, Propagation: propagation(m),
		}
		if m.Relabel != "" {
			r.Mode = m.Relabel
		}
		if m.Type == container.Volume {
			r.Name, r.Driver, r.Source = m.Source, "local", e.localVolumes().Path(m.Source)
		}
		list = append(list, r)
	}
	return list, nil
}

// propagation is how mounts below a mount spread; private unless asked otherwise.
func propagation(m container.Mount) string {
	if m.Type == container.Tmpfs {
		return ""
	}
	for _, o := range m.Options {
		switch o {
		case "shared", "slave", "private", "unbindable", "rshared", "rslave", "rprivate", "runbindable":
			return o
		}
	}
	return "rprivate"
}
