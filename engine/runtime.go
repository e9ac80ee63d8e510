package engine

import (
	"context"
	"path/filepath"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/ociruntime"
	"github.com/berth-engine/berth/ociruntime/missing"
	"github.com/berth-engine/berth/ociruntime/monitored"
)

// runtimeOf is the OCI runtime of a container: that of its current run, else the one it asked for, else the engine's choice. A
// runtime that is not installed is a Runtime too, every operation of which says so.
func (e *Engine) runtimeOf(c *container.Container) (ociruntime.Runtime, error) {
	asked := c.Config.Runtime
	if c.State.Runtime != "" && c.State.Status != container.Created {
		asked = c.State.Runtime
	}
	return e.runtime(asked)
}

// runtime is an OCI runtime by name or path, empty for the engine's choice.
func (e *Engine) runtime(asked string) (ociruntime.Runtime, error) {
	e.runtimesMu.Lock()
	defer e.runtimesMu.Unlock()
	if rt, ok := e.runtimes[asked]; ok {
		return rt, nil
	}
	rt, err := e.findRuntime(asked)
	if err != nil {
		return nil, err
	}
	e.runtimes[asked] = rt
	return rt, nil
}

func (e *Engine) findRuntime(asked string) (ociruntime.Runtime, error) {
	var candidates []string
	switch {
	case asked != "":
		candidates = e.runtimePaths(asked)
	case e.settings.runtime != "":
		asked = e.settings.runtime
		candidates = e.runtimePaths(asked)
	case e.config.Engine.Runtime != "":
		asked = e.config.Engine.Runtime
		candidates = e.runtimePaths(asked)
	}
	path, err := monitored.Select(e.facts, candidates)
	if err != nil {
		return missing.New(asked, err), nil
	}
	monitor, err := e.monitorPath()
	if err != nil {
		return nil, err
	}
	return monitored.New(monitored.Options{
		Name: filepath.Base(path), RuntimePath: path, MonitorPath: monitor, RunRoot: e.paths.run,
		SystemdCgroup: e.systemdCgroups(),
	}), nil
}

// runtimePaths are the paths that containers.conf gives for a runtime's name, else the name itself.
func (e *Engine) runtimePaths(name string) []string {
	if paths := e.config.Engine.Runtimes[name]; len(paths) > 0 && !filepath.IsAbs(name) {
		return paths
	}
	return []string{name}
}

// runtimeForNew refuses to make a container that could not be run.
func (e *Engine) runtimeForNew(ctx context.Context, o CreateOptions) error {
	rt, err := e.runtime(o.Runtime)
	if err != nil {
		return err
	}
	if rt.Path() == "" { // a missing one says what to do
		_, err = rt.Info(ctx)
		return err
	}
	if o.Resources.Cgroups == "disabled" {
		return monitored.LeavesCgroup(rt.Path())
	}
	return nil
}

// cgroupManager is cgroupfs or systemd.
func (e *Engine) cgroupManager() string {
	for _, m := range []string{e.settings.cgroupManager, e.config.Engine.CgroupManager} {
		if m != "" {
			return m
		}
	}
	if e.facts.Systemd {
		return "systemd"
	}
	return "cgroupfs"
}

func (e *Engine) systemdCgroups() bool { return e.cgroupManager() == "systemd" }

// cgroupsPath is the spec's linux.cgroupsPath of a container. With cgroupfs it is one directory below the parent, so that
// nothing is left of it when the container is gone.
func (e *Engine) cgroupsPath(c *container.Container) (string, error) {
	parent, id := c.Config.Resources.CgroupParent, c.Config.ID
	if !e.systemdCgroups() {
		return filepath.Join("/", parent, "berth-"+id), nil
	}
	if parent == "" {
		parent = "machine.slice"
	}
	if filepath.Ext(parent) != ".slice" {
		return "", errdefs.Invalid("cgroup parent %q: with systemd it is the name of a slice, as in machine.slice", parent)
	}
	return filepath.Base(parent) + ":berth:" + id, nil
}
