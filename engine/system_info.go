package engine

import (
	"cmp"
	"context"
	"path/filepath"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/image"
	"github.com/berth-engine/berth/ociruntime/monitored"
	"github.com/berth-engine/berth/store"
)

// Info describes the machine, the OCI runtimes, the store and what is in it. That something cannot be used, such as an OCI
// runtime that is not there, is part of the answer and no error.
func (s *System) Info(ctx context.Context) (*Info, error) {
	e := s.e
	h, err := describeHost()
	if err != nil {
		return nil, err
	}
	e.addFacts(&h)
	info := &Info{Host: h, Runtimes: e.describeRuntimes(ctx), Version: Build()}
	if info.Store, err = e.describeStore(ctx); err != nil {
		return nil, err
	}
	info.Registries.Search, info.Registries.Blocked, err = e.images.Registries()
	return info, err
}

// addFacts adds what the engine knows of the machine.
func (e *Engine) addFacts(h *HostInfo) {
	f := e.facts
	h.CgroupVersion, h.CgroupMode, h.CgroupControllers = f.Cgroups.Version(), string(f.Cgroups.Mode), f.Cgroups.Controllers
	h.CgroupManager, h.Systemd = e.cgroupManager(), f.Systemd
	h.Rootless, h.AppArmor, h.SELinux, h.Seccomp = f.Rootless, f.AppArmor, f.SELinux, f.Seccomp
	h.Capabilities, h.LogDriver = e.defaultCapabilities(), e.defaultLogDriver()
	h.EventLogger = e.eventLogger()
	path, err := e.monitorPath()
	h.Monitor = Program{Path: path, Version: Build().Version}
	if err != nil {
		h.Monitor = Program{Problem: err.Error()}
	}
}

// describeRuntimes lists the OCI runtime that new containers get, and the others that the engine looks for by itself.
func (e *Engine) describeRuntimes(ctx context.Context) []RuntimeInfo {
	var list []RuntimeInfo
	instead := "another comes first"
	chosen, err := e.runtime("")
	if err != nil {
		instead = err.Error() // the monitor is missing, and without it none is of use
	} else {
		row := RuntimeInfo{Name: chosen.Name(), Path: chosen.Path(), Chosen: true, Reason: e.runtimeReason()}
		info, err := chosen.Info(ctx)
		row.Version = info.Version
		if err != nil {
			row.Chosen, row.Reason = false, err.Error()
		}
		list = append(list, row)
	}
	for _, c := range monitored.Candidates(e.facts) {
		if len(list) > 0 && (list[0].Name == c.Name || list[0].Path == c.Path) {
			continue
		}
		row := RuntimeInfo{Name: c.Name, Path: c.Path, Reason: cmp.Or(c.Problem, instead)}
		if c.Path != "" {
			row.Version = e.runtimeVersion(ctx, c.Path)
		}
		list = append(list, row)
	}
	return list
}

// runtimeReason says why the engine's choice is what it is.
func (e *Engine) runtimeReason() string {
	switch {
	case e.settings.runtime != "":
		return "asked for by an option"
	case e.config.Engine.Runtime != "":
		return "asked for by containers.conf"
	}
	return "the first one that fits this host"
}

func (e *Engine) runtimeVersion(ctx context.Context, path string) string {
	rt, err := e.runtime(path)
	if err != nil {
		return ""
	}
	info, err := rt.Info(ctx)
	if err != nil {
		return ""
	}
	return info.Version
}

// describeStore counts what is kept, as one snapshot of the database.
func (e *Engine) describeStore(ctx context.Context) (StoreInfo, error) {
	info := StoreInfo{
		Root: e.paths.root, RunRoot: e.paths.run, Database: string(e.database), DatabasePath: e.paths.database(),
		GraphRoot: e.paths.storage(), VolumePath: e.paths.volumes(), GraphDriver: "overlay",
	}
	var all []*container.Container
	err := e.store.View(ctx, func(tx store.Tx) (err error) {
		if all, err = tx.Containers().All(); err != nil {
			return err
		}
		volumes, err := tx.Volumes().All()
		if err != nil {
			return err
		}
		info.Volumes = len(volumes)
		info.Events, err = tx.Events().Last()
		return err
	})
	if err != nil {
		return info, err
	}
	info.countContainers(e, all)
	images, err := e.images.List(ctx, image.ListOptions{})
	if err != nil {
		return info, err
	}
	info.Images = len(images)
	info.Allocated, info.Used, info.BackingFS, err = fileSystem(filepath.Dir(e.paths.database()))
	return info, err
}

func (i *StoreInfo) countContainers(e *Engine, all []*container.Container) {
	i.Containers = len(all)
	for _, c := range all {
		e.showTruth(c)
		switch c.State.Status {
		case container.Running, container.Stopping:
			i.Running++
		case container.Paused:
			i.Paused++
		default:
			i.Stopped++
		}
	}
}
