package engine

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"syscall"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/host"
	"github.com/berth-engine/berth/ocispec"
	"github.com/berth-engine/berth/store"
)

// The defaults of what neither the options, nor the image, nor containers.conf says.
const (
	defaultShmSize     = 64 << 20
	defaultStopTimeout = 10
	defaultPidsLimit   = 2048
	defaultLogDriver   = "k8s-file"
)

// applyDefaults fills what the options leave open from containers.conf and the constants above.
func (e *Engine) applyDefaults(cfg *container.Config, o CreateOptions) error {
	conf := e.config.Containers
	if cfg.ShmSize == 0 {
		cfg.ShmSize = defaultShmSize
		if conf.ShmSize != "" {
			size, err := container.ParseSize(conf.ShmSize)
			if err != nil {
				return err
			}
			cfg.ShmSize = size
		}
	}
	cfg.Umask = or(cfg.Umask, conf.Umask)
	cfg.Timezone = or(cfg.Timezone, conf.TZ)
	cfg.InitPath = or(cfg.InitPath, conf.InitPath)
	if cfg.Resources.PidsLimit == 0 && cfg.Resources.Cgroups != "disabled" && e.facts.Cgroups.Has("pids") {
		cfg.Resources.PidsLimit = defaultPidsLimit
		if conf.PidsLimit != nil {
			cfg.Resources.PidsLimit = *conf.PidsLimit
		}
	}
	if err := e.applyLogDefaults(cfg, o.Log); err != nil {
		return err
	}
	if err := applyStop(cfg, o, e.stopTimeout()); err != nil {
		return err
	}
	e.applyNamespaceDefaults(cfg)
	return e.applyListDefaults(cfg)
}

// defaultLogDriver is that of containers.conf, if Berth has it: the file may name one for another engine.
func (e *Engine) defaultLogDriver() string {
	if d := e.config.Containers.LogDriver; container.CheckLogDriver(d) == nil && d != "" {
		return d
	}
	return defaultLogDriver
}

// defaultCapabilities are those that a container has unless options say otherwise.
// containers.conf may write their names without CAP_, and leaves it to the engine to say what is no capability.
func (e *Engine) defaultCapabilities() []string {
	listed := e.config.Containers.DefaultCapabilities
	if listed == nil {
		return ocispec.DefaultCapabilities()
	}
	names := make([]string, 0, len(listed))
	for _, c := range listed {
		name, err := container.ParseCapability(c)
		if err != nil {
			name = c // refused, by name, when a container is made
		}
		names = append(names, name)
	}
	return names
}

func (e *Engine) applyLogDefaults(cfg *container.Config, asked container.Log) error {
	cfg.Log = asked
	cfg.Log.Driver = or(asked.Driver, e.defaultLogDriver())
	if err := container.CheckLogDriver(cfg.Log.Driver); err != nil {
		return err
	}
	if err := checkLogPath(cfg.Log.Path); err != nil && cfg.Log.Driver != "none" {
		return err
	}
	if cfg.Log.MaxSize == 0 && e.config.Containers.LogSizeMax > 0 {
		cfg.Log.MaxSize = e.config.Containers.LogSizeMax
	}
	if cfg.Log.MaxSize > 0 && cfg.Log.MaxFiles == 0 {
		cfg.Log.MaxFiles = 1
	}
	return nil
}

// checkLogPath refuses a log file that is there and is none: opening a named pipe waits for its reader, and what is written to a
// device cannot be read again.
func checkLogPath(path string) error {
	if path == "" {
		return nil
	}
	if fi, err := os.Stat(path); err == nil && !fi.Mode().IsRegular() {
		return errdefs.Invalid("log option path=%s: it is there and is not a regular file: choose another path, or --log-driver none", path)
	}
	return nil
}

// stopTimeout is the default in seconds.
func (e *Engine) stopTimeout() uint {
	if t := e.config.Engine.StopTimeout; t != nil && *t >= 0 {
		return uint(*t)
	}
	return defaultStopTimeout
}

func applyStop(cfg *container.Config, o CreateOptions, timeout uint) error {
	cfg.StopSignal, cfg.StopTimeout = int(syscall.SIGTERM), timeout
	if o.StopTimeout != nil {
		cfg.StopTimeout = *o.StopTimeout
	}
	if o.StopSignal == "" {
		return nil
	}
	n, err := container.ParseSignal(o.StopSignal)
	if err != nil {
		return err
	}
	cfg.StopSignal = n
	return nil
}

// applyNamespaceDefaults decides on the namespaces that nobody asked for: those of containers.conf, else private ones.
func (e *Engine) applyNamespaceDefaults(cfg *container.Config) {
	conf := e.config.Containers
	for _, n := range []struct {
		to   *container.Namespace
		word string
	}{{&cfg.Namespaces.PID, conf.PidNS}, {&cfg.Namespaces.IPC, conf.IPCNS}, {&cfg.Namespaces.UTS, conf.UTSNS}, {&cfg.Namespaces.Cgroup, conf.CgroupNS}} {
		if n.to.Mode == container.Default && n.word == string(container.Host) {
			n.to.Mode = container.Host
		}
	}
	if cfg.Network.Namespace.Mode == container.Default {
		cfg.Network.Namespace.Mode = container.None
	}
	if cfg.Security.Privileged && cfg.Namespaces.Cgroup.Mode == container.Default && e.facts.Cgroups.Version() == 1 {
		cfg.Namespaces.Cgroup.Mode = container.Host
	}
}

// applyListDefaults adds the lists of containers.conf below those of the options.
func (e *Engine) applyListDefaults(cfg *container.Config) error {
	conf := e.config.Containers
	if len(conf.Annotations) > 0 {
		merged := pairs(conf.Annotations)
		maps.Copy(merged, cfg.Annotations)
		cfg.Annotations = merged
	}
	for _, text := range conf.DefaultUlimits {
		l, err := container.ParseUlimit(text)
		if err != nil {
			return err
		}
		l.Asked = false
		if !slices.ContainsFunc(cfg.Process.Rlimits, func(x container.Rlimit) bool { return x.Name == l.Name }) {
			cfg.Process.Rlimits = append(cfg.Process.Rlimits, l)
		}
	}
	if cfg.Security.Seccomp == "" && conf.SeccompProfile != "" && !cfg.Security.Privileged {
		data, err := os.ReadFile(conf.SeccompProfile)
		if err != nil {
			return errdefs.Invalid("seccomp_profile of containers.conf: %w", err)
		}
		cfg.Security.Seccomp, cfg.Security.SeccompProfile = conf.SeccompProfile, string(data)
	}
	if !cfg.Hosts.NoHosts {
		cfg.Hosts.NoHosts = conf.NoHosts
	}
	if len(cfg.Hosts.DNS) == 0 {
		cfg.Hosts.DNS = conf.DNSServers
	}
	if len(cfg.Hosts.DNSSearch) == 0 {
		cfg.Hosts.DNSSearch = conf.DNSSearches
	}
	if len(cfg.Hosts.DNSOptions) == 0 {
		cfg.Hosts.DNSOptions = conf.DNSOptions
	}
	return nil
}

// checkIDMapped refuses id-mapped mounts under a runc that would leave the map out without a word: those before 1.2.
func (e *Engine) checkIDMapped(ctx context.Context, cfg *container.Config) error {
	if !slices.ContainsFunc(cfg.Mounts, func(m container.Mount) bool { return m.IDMap }) {
		return nil
	}
	if m := cfg.Namespaces.User.Mode; m != container.Auto && m != container.Private {
		return errdefs.Invalid("the mount option idmap needs a user namespace: use --userns auto too")
	}
	rt, err := e.runtime(cfg.Runtime)
	if err != nil || rt.Name() != "runc" {
		return err
	}
	info, err := rt.Info(ctx)
	if err != nil {
		return err
	}
	var major, minor int
	if _, err := fmt.Sscanf(info.Version, "runc version %d.%d", &major, &minor); err != nil || major > 1 || minor >= 2 {
		return nil
	}
	return errdefs.NotImplemented("the mount option idmap needs runc 1.2 or newer, or crun: this is %s", info.Version)
}

// namespaceTargets are the namespaces of a configuration that may be another container's.
func namespaceTargets(cfg *container.Config) []*container.Namespace {
	ns := &cfg.Namespaces
	return []*container.Namespace{&ns.PID, &ns.IPC, &ns.UTS, &ns.Cgroup, &ns.User, &cfg.Network.Namespace}
}

// resolveTargets turns the names of other containers into IDs, which are then dependencies.
func (e *Engine) resolveTargets(ctx context.Context, cfg *container.Config, requires []string) error {
	add := func(ref string) (string, error) {
		c, err := e.lookup(ctx, ref)
		if err != nil {
			return "", err
		}
		if !slices.Contains(cfg.Dependencies, c.Config.ID) {
			cfg.Dependencies = append(cfg.Dependencies, c.Config.ID)
		}
		return c.Config.ID, nil
	}
	for _, n := range namespaceTargets(cfg) {
		if n.Mode != container.FromContainer {
			continue
		}
		id, err := add(n.Target)
		if err != nil {
			return err
		}
		n.Target = id
	}
	for _, ref := range requires {
		if _, err := add(ref); err != nil {
			return err
		}
	}
	return nil
}

// checkConfig refuses a configuration that cannot become a spec, before anything is made, and returns what the user is to be
// warned of. It builds the spec as far as that is possible without a root file system.
func (e *Engine) checkConfig(cfg *container.Config) ([]string, error) {
	if cfg.PreserveFDs > 0 && cfg.Restart.Name != "" && cfg.Restart.Name != "no" {
		return nil, errdefs.Invalid("--preserve-fds and --restart exclude each other: a restart has no files to pass on")
	}
	if err := checkSources(cfg); err != nil {
		return nil, err
	}
	tried := *cfg
	if cfg.Namespaces.User.Mode == container.Auto { // the range is given when the container is added
		any := []container.IDMap{{HostID: autoUserSize, Size: autoUserSize}}
		tried.Namespaces.UIDMap, tried.Namespaces.GIDMap = any, any
	}
	in := e.specInput(&tried)
	in.Rootfs, in.Hostname, in.NamespacePaths = "/", "check", placeholders(cfg)
	if _, err := ocispec.Build(in); err != nil {
		return nil, err
	}
	return ocispec.Warnings(in), nil
}

// placeholders stand for the paths of joined namespaces, in a spec that is not to be run.
func placeholders(cfg *container.Config) map[string]string {
	paths := map[string]string{}
	for kind, n := range joined(cfg) {
		paths[kind] = "/proc/1/ns/" + kind
		if n.Mode == container.FromPath {
			paths[kind] = n.Target
		}
	}
	return paths
}

// joined are the namespaces that are not the container's own and not the host's, by the runtime spec's kind.
func joined(cfg *container.Config) map[string]container.Namespace {
	ns := cfg.Namespaces
	all := map[string]container.Namespace{
		"pid": ns.PID, "ipc": ns.IPC, "uts": ns.UTS, "cgroup": ns.Cgroup, "user": ns.User, "network": cfg.Network.Namespace,
	}
	maps.DeleteFunc(all, func(_ string, n container.Namespace) bool {
		return n.Mode != container.FromContainer && n.Mode != container.FromPath
	})
	return all
}

// autoUserSize is how many IDs a user namespace has that the engine chooses: all that an image's files commonly use.
const autoUserSize = 65536

// allocateIDs gives a container with an automatic user namespace a range of subordinate IDs that no other container has. It runs
// in the transaction that adds the container, so that no range is given twice.
func allocateIDs(tx store.UpdateTx, cfg *container.Config, facts host.Facts) error {
	if cfg.Namespaces.User.Mode != container.Auto || len(cfg.Namespaces.UIDMap) > 0 {
		return nil
	}
	all, err := tx.Containers().All()
	if err != nil {
		return err
	}
	auto, err := container.ParseAutoMaps(cfg.Namespaces.User.Target)
	if err != nil {
		return err
	}
	if len(auto.UIDMap)+len(auto.GIDMap) > 0 {
		return errdefs.NotImplemented("--userns auto takes no mappings yet: leave uidmapping and gidmapping out")
	}
	size := or(auto.Size, autoUserSize)
	uid, ok := freeRange(facts.SubUIDs, size, func(yield func(container.IDMap)) {
		for _, c := range all {
			for _, m := range c.Config.Namespaces.UIDMap {
				yield(m)
			}
		}
	})
	gid, gok := freeRange(facts.SubGIDs, size, func(yield func(container.IDMap)) {
		for _, c := range all {
			for _, m := range c.Config.Namespaces.GIDMap {
				yield(m)
			}
		}
	})
	if !ok || !gok {
		return errdefs.Conflict("no %d unused IDs are left for a user namespace: add a range for the user \"containers\" to /etc/subuid and /etc/subgid", size)
	}
	cfg.Namespaces.UIDMap = []container.IDMap{{HostID: uid, Size: size}}
	cfg.Namespaces.GIDMap = []container.IDMap{{HostID: gid, Size: size}}
	return nil
}

// freeRange finds size IDs in the ranges that no map uses.
func freeRange(ranges []host.IDRange, size int64, used func(func(container.IDMap))) (int64, bool) {
	for _, r := range ranges {
		at := r.First
		for moved := true; moved; {
			moved = false
			used(func(m container.IDMap) {
				if m.HostID < at+size && at < m.HostID+m.Size {
					at, moved = m.HostID+m.Size, true
				}
			})
		}
		if at+size <= r.First+r.Size {
			return at, true
		}
	}
	return 0, false
}
