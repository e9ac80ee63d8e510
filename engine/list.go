package engine

import (
	"context"
	"os"
	"slices"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/image"
	"github.com/berth-engine/berth/ociruntime"
	"github.com/berth-engine/berth/ociruntime/monitored"
	"github.com/berth-engine/berth/ocispec"
	"github.com/berth-engine/berth/rootfs"
	"github.com/berth-engine/berth/store"
)

// List lists containers, the newest first, as one consistent snapshot of the store with the statuses that the kernel shows now. It
// takes no lock and waits for nobody.
func (s *Containers) List(ctx context.Context, o ListOptions) ([]Summary, error) {
	e := s.e
	filter, err := container.ParseFilters(o.Filters, time.Now())
	if err != nil {
		return nil, err
	}
	all := o.All || o.Last > 0 || filter.SelectsStatus()
	var fc container.FilterContext
	if fc.Images, err = e.ancestors(ctx, filter.Ancestors()); err != nil {
		return nil, err
	}
	var list []Summary
	err = e.store.View(ctx, func(tx store.Tx) error {
		if fc.Created, err = createdTimes(tx, filter.References()); err != nil {
			return err
		}
		list = nil
		take := func(c *container.Container) bool {
			e.showTruth(c)
			shown := all || c.State.Status.Alive() || c.State.Status == container.Restarting
			if shown && filter.Match(c, fc) {
				list = append(list, summary(c))
			}
			return true
		}
		if all {
			return tx.Containers().Each(take)
		}
		alive, err := tx.Containers().Alive()
		for _, c := range alive {
			take(c)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].Container = e.settled(ctx, list[i].Container)
		list[i].Status = list[i].Container.State.Status
	}
	slices.Reverse(list)
	if o.Last > 0 && len(list) > o.Last {
		list = list[:o.Last]
	}
	for i := range list {
		if o.Namespaces {
			list[i].Namespaces = e.namespaceIDs(list[i].Container)
		}
		if !o.Size {
			continue
		}
		size, err := e.size(ctx, list[i].Container)
		if err != nil {
			return nil, err
		}
		list[i].Size = &size
	}
	return list, nil
}

// summary keeps of a container what a list shows; thousands of environments and layers would only cost memory.
func summary(c *container.Container) Summary {
	c.Config.CreateCommand, c.Config.Process.Env, c.Config.Image.Layers = nil, nil, nil
	return Summary{Container: c, Status: c.State.Status}
}

// createdTimes are the times of creation of the containers that a filter names.
func createdTimes(tx store.Tx, refs []string) (map[string]time.Time, error) {
	times := map[string]time.Time{}
	for _, ref := range refs {
		c, err := tx.Containers().Lookup(ref)
		if err != nil {
			return nil, err
		}
		times[ref] = c.Config.Created
	}
	return times, nil
}

// ancestors are, for each image that a filter names, its ID and those of the images that begin with its layers.
func (e *Engine) ancestors(ctx context.Context, refs []string) (map[string][]string, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	all, err := e.images.List(ctx, image.ListOptions{All: true})
	if err != nil {
		return nil, err
	}
	ids := map[string][]string{}
	for _, ref := range refs {
		img, err := e.images.Resolve(ctx, ref)
		if errdefs.Class(err) == errdefs.ErrNotFound {
			continue // its containers may outlive it: compared by name
		}
		if err != nil {
			return nil, err
		}
		for _, other := range all {
			if len(other.DiffIDs) >= len(img.DiffIDs) && slices.Equal(other.DiffIDs[:len(img.DiffIDs)], img.DiffIDs) {
				ids[ref] = append(ids[ref], other.ID)
			}
		}
	}
	return ids, nil
}

// showTruth puts into a copy of a record what is true now of a container that the record says is alive: without a lock, and leaving
// it to the next locked operation to write it down. Of a process that has just ended nothing is said as long as its monitor is about to
// say how.
func (e *Engine) showTruth(c *container.Container) {
	if !c.State.Status.Alive() || e.alive(c.State) {
		return
	}
	exit, err := monitored.ReadExit(e.paths.containerRun(c.Config.ID))
	switch {
	case err == nil:
	case e.monitorAlive(c.State):
		return
	default:
		exit = ociruntime.ExitRecord{Code: -1, Time: now()}
	}
	c.State.Status, c.State.PID = container.Exited, 0
	c.State.ExitCode, c.State.OOMKilled, c.State.Finished = exit.Code, exit.OOM, exit.Time
}

// settled is showTruth for one container, read again if a clean-up that was going on meanwhile took the exit record away after it had
// put it into the store.
func (e *Engine) settled(ctx context.Context, c *container.Container) *container.Container {
	e.showTruth(c)
	if c.State.Status != container.Exited || c.State.ExitCode != -1 {
		return c
	}
	if again, err := e.reread(ctx, c.Config.ID); err == nil {
		e.showTruth(again)
		return again
	}
	return c
}

// size is how much disk the container takes.
func (e *Engine) size(ctx context.Context, c *container.Container) (SizeInfo, error) {
	rw, err := rootfs.Layer{Dir: e.paths.container(c.Config.ID)}.Size(ctx)
	if err != nil {
		return SizeInfo{}, err
	}
	size := SizeInfo{RW: rw, RootFS: rw}
	if c.Config.Image.ID != "" {
		if img, err := e.images.Resolve(ctx, c.Config.Image.ID); err == nil {
			size.RootFS += img.Size
		}
	}
	return size, nil
}

// Inspect returns all that is known of a container. It takes no lock.
func (s *Containers) Inspect(ctx context.Context, ref string, size bool) (*Details, error) {
	e := s.e
	var c *container.Container
	var execs []*container.ExecSession
	err := e.store.View(ctx, func(tx store.Tx) (err error) {
		if c, err = tx.Containers().Lookup(ref); err != nil {
			return err
		}
		execs, err = tx.Execs().OfContainer(c.Config.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	c = e.settled(ctx, c)
	d := &Details{Container: *c, Status: c.State.Status, CgroupManager: e.cgroupManager(), StorageDriver: "overlay"}
	d.Execs = e.runningExecs(execs)
	if size {
		sz, err := e.size(ctx, c)
		if err != nil {
			return nil, err
		}
		d.Size = &sz
	}
	return d, e.fillDetails(ctx, d)
}

// fillDetails adds what is not in the record.
func (e *Engine) fillDetails(ctx context.Context, d *Details) error {
	c := &d.Container
	if c.Config.Image.ID != "" {
		img, err := e.images.Resolve(ctx, c.Config.Image.ID)
		if err != nil && errdefs.Class(err) != errdefs.ErrNotFound {
			return err
		}
		d.Image = img
	}
	rt, err := e.runtimeOf(c)
	if err != nil {
		return err
	}
	d.RuntimeName, d.RuntimePath = rt.Name(), rt.Path()
	id := c.Config.ID
	layer := rootfs.Layer{Dir: e.paths.container(id)}
	d.LowerDirs, d.UpperDir, d.WorkDir = c.Config.Image.Layers, layer.Dir+"/upper", layer.Dir+"/work"
	if c.State.Status.Alive() {
		d.Merged = e.paths.rootfs(&c.Config)
	}
	d.Paths = e.containerPaths(c)
	d.Mounts, err = e.resolvedMounts(ctx, c)
	if err != nil {
		return err
	}
	d.Spec, err = os.ReadFile(d.Paths.Bundle + "/config.json")
	if err != nil {
		d.Spec = nil // no run, no spec
	}
	e.fillCapabilities(d)
	return nil
}

// fillCapabilities says what the process may do, or could if it were started.
func (e *Engine) fillCapabilities(d *Details) {
	if d.EffectiveCaps, d.BoundingCaps = specCaps(d.Spec); d.Spec != nil {
		return
	}
	in := e.specInput(&d.Container.Config)
	in.Rootfs, in.Hostname, in.NamespacePaths = "/", "inspect", placeholders(&d.Container.Config)
	spec, err := ocispec.Build(in)
	if err != nil || spec.Process.Capabilities == nil {
		return
	}
	d.EffectiveCaps, d.BoundingCaps = spec.Process.Capabilities.Effective, spec.Process.Capabilities.Bounding
}

func (e *Engine) containerPaths(c *container.Container) ContainerPaths {
	id := c.Config.ID
	run := e.paths.containerRun(id)
	p := ContainerPaths{Root: e.paths.container(id), Run: run, Bundle: e.paths.bundle(id), PidFile: run + "/pid"}
	if c.Config.Log.Driver != "none" {
		p.Log = e.logConfig(c).Path
	}
	if c.State.Status.Alive() {
		p.ResolvConf, p.Hostname, p.Hosts = run+"/resolv.conf", run+"/hostname", run+"/hosts"
	}
	return p
}
