package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/ociruntime"
	"github.com/berth-engine/berth/ocispec"
	"github.com/berth-engine/berth/rootfs"
)

// specInput is the part of the spec's input that does not depend on a root file system.
func (e *Engine) specInput(cfg *container.Config) ocispec.Input {
	conf := e.config.Containers
	in := ocispec.Input{
		Config: cfg, Host: e.facts, DefaultSeccomp: e.facts.Seccomp, DefaultCapabilities: e.defaultCapabilities(),
		AppArmorProfile: conf.AppArmorProfile, InitBinary: cfg.InitPath,
	}
	if cfg.Init && in.InitBinary == "" {
		in.InitBinary, _ = e.companion("berth-init") // none is refused by Build
	}
	if conf.DefaultSysctls != nil {
		in.DefaultSysctls = pairs(conf.DefaultSysctls)
	}
	return in
}

// pairs makes a map of NAME=value.
func pairs(list []string) map[string]string {
	m := make(map[string]string, len(list))
	for _, p := range list {
		name, value, _ := strings.Cut(p, "=")
		m[name] = value
	}
	return m
}

// buildSpec finds out what the spec depends on, prepares the files and mounts that it names, and builds it.
func (e *Engine) buildSpec(ctx context.Context, s *starting) (*specs.Spec, error) {
	cfg := &s.c.Config
	in := e.specInput(cfg)
	in.Rootfs, in.Systemd = e.paths.rootfs(cfg), e.systemdCgroups()
	in.Hostname = hostname(cfg)
	var err error
	if s.user, err = rootfs.ResolveUser(s.root, cfg.Process.User, cfg.Process.Groups); err != nil {
		return nil, err
	}
	in.User = specUser(s.user)
	if in.CgroupsPath, err = e.cgroupsPath(s.c); err != nil {
		return nil, err
	}
	s.c.State.CgroupPath = ""
	if cfg.Resources.Cgroups != "disabled" {
		s.c.State.CgroupPath = ociruntime.CgroupPath(in.CgroupsPath)
	}
	if in.NamespacePaths, err = e.namespacePaths(ctx, cfg); err != nil {
		return nil, err
	}
	if in.ShmPath, err = e.shmPath(ctx, cfg); err != nil {
		return nil, err
	}
	if in.Devices, err = devicesOf(cfg); err != nil {
		return nil, err
	}
	if in.Mounts, err = e.resolveMounts(ctx, s); err != nil {
		return nil, err
	}
	if in.Files, err = e.writeFiles(s); err != nil {
		return nil, err
	}
	if err := makeMountPoints(s.root, cfg, slices.Concat(in.Mounts, in.Files)); err != nil {
		return nil, err
	}
	if err := makeWorkDir(s, in.Mounts); err != nil {
		return nil, err
	}
	return ocispec.Build(in)
}

func (e *Engine) buildExecProcess(c *container.Container, x *container.ExecSession, user rootfs.User) (*specs.Process, error) {
	in := e.specInput(&c.Config)
	return ocispec.ExecProcess(ocispec.ExecInput{
		Config: &c.Config, Session: x, Host: e.facts, User: specUser(user), Hostname: hostname(&c.Config),
		DefaultCapabilities: in.DefaultCapabilities, AppArmorProfile: in.AppArmorProfile,
	})
}

func specUser(u rootfs.User) ocispec.User {
	return ocispec.User{UID: u.UID, GID: u.GID, Groups: u.Groups, Home: u.Home, Name: u.Name}
}

// hostname is the container's host name: the one asked for, the host's in its UTS namespace, else the beginning of the ID.
func hostname(cfg *container.Config) string {
	if cfg.Namespaces.Hostname != "" {
		return cfg.Namespaces.Hostname
	}
	if cfg.Namespaces.UTS.Mode == container.Host {
		if name, err := os.Hostname(); err == nil {
			return name
		}
	}
	return short(cfg.ID)
}

// namespacePaths are the paths of the namespaces that the container joins.
func (e *Engine) namespacePaths(ctx context.Context, cfg *container.Config) (map[string]string, error) {
	paths := map[string]string{}
	for kind, n := range joined(cfg) {
		if n.Mode == container.FromPath {
			if _, err := os.Stat(n.Target); err != nil {
				return nil, errdefs.Invalid("%s namespace: %w", kind, err)
			}
			paths[kind] = n.Target
			continue
		}
		target, err := e.reread(ctx, n.Target)
		if err != nil {
			return nil, err
		}
		if !e.alive(target.State) {
			return nil, errdefs.Conflict("the %s namespace of container %s cannot be joined: it is not running", kind, target.Config.Name)
		}
		file := kind
		if kind == "network" {
			file = "net"
		}
		paths[kind] = fmt.Sprintf("/proc/%d/ns/%s", target.State.PID, file)
	}
	return paths, nil
}

// shmPath is the directory that is the container's /dev/shm, mounted if it is its own to share; empty for one that the OCI runtime
// mounts.
func (e *Engine) shmPath(ctx context.Context, cfg *container.Config) (string, error) {
	ipc := cfg.Namespaces.IPC
	switch ipc.Mode {
	case container.Host:
		return "/dev/shm", nil
	case container.FromContainer:
		target, err := e.reread(ctx, ipc.Target)
		if err != nil {
			return "", err
		}
		path := e.paths.shm(target.Config.ID)
		if on, err := rootfs.Mounted(path); err != nil || !on {
			return "", errors.Join(err, errdefs.Conflict("container %s does not share its IPC namespace: create it with --ipc shareable", target.Config.Name))
		}
		return path, nil
	case container.Default, container.Shareable:
		path := e.paths.shm(cfg.ID)
		return path, mountShm(path, cfg)
	}
	return "", nil
}

func mountShm(path string, cfg *container.Config) error {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return errdefs.Internal("making /dev/shm of container %s: %w", cfg.Name, err)
	}
	if on, err := rootfs.Mounted(path); on || err != nil {
		return err
	}
	options := fmt.Sprintf("mode=1777,size=%d", cfg.ShmSize)
	if len(cfg.Namespaces.UIDMap) > 0 {
		options += fmt.Sprintf(",uid=%d,gid=%d", cfg.Namespaces.UIDMap[0].HostID, cfg.Namespaces.GIDMap[0].HostID)
	}
	if err := unix.Mount("shm", path, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, options); err != nil {
		return errdefs.Internal("mounting /dev/shm of container %s: %w", cfg.Name, err)
	}
	return nil
}

// devicesOf looks the devices up on the host; a directory stands for the devices in it.
func devicesOf(cfg *container.Config) ([]ocispec.Device, error) {
	var list []ocispec.Device
	for _, d := range cfg.Devices {
		fi, err := os.Stat(d.Source)
		if err != nil {
			return nil, errdefs.Invalid("device %s: %w", d.Source, err)
		}
		if !fi.IsDir() {
			dev, err := deviceAt(d.Source, d.Destination, d.Access)
			if err != nil {
				return nil, err
			}
			list = append(list, dev)
			continue
		}
		found, err := devicesBelow(d)
		if err != nil {
			return nil, err
		}
		list = append(list, found...)
	}
	if cfg.Security.Privileged {
		return append(list, hostDevices(list)...), nil
	}
	return list, nil
}

func devicesBelow(d container.Device) ([]ocispec.Device, error) {
	var list []ocispec.Device
	entries, err := os.ReadDir(d.Source)
	if err != nil {
		return nil, errdefs.Invalid("device directory %s: %w", d.Source, err)
	}
	for _, entry := range entries {
		dev, err := deviceAt(filepath.Join(d.Source, entry.Name()), filepath.Join(d.Destination, entry.Name()), d.Access)
		if err == nil {
			list = append(list, dev)
		}
	}
	if len(list) == 0 {
		return nil, errdefs.Invalid("the directory %s holds no device: name a device, as in /dev/fuse, or use --volume for a directory", d.Source)
	}
	return list, nil
}

func deviceAt(source, destination, access string) (ocispec.Device, error) {
	var st unix.Stat_t
	if err := unix.Stat(source, &st); err != nil {
		return ocispec.Device{}, errdefs.Invalid("device %s: %w", source, err)
	}
	kind := map[uint32]string{unix.S_IFCHR: "c", unix.S_IFBLK: "b", unix.S_IFIFO: "p"}[st.Mode&unix.S_IFMT]
	if kind == "" {
		return ocispec.Device{}, errdefs.Invalid("%s is not a device", source)
	}
	return ocispec.Device{
		Path: destination, Type: kind, Major: int64(unix.Major(st.Rdev)), Minor: int64(unix.Minor(st.Rdev)),
		FileMode: st.Mode & 0o777, UID: st.Uid, GID: st.Gid, Access: or(access, "rwm"),
	}, nil
}

// hostDevices are the devices of the host that a privileged container gets besides the ones it names.
func hostDevices(named []ocispec.Device) []ocispec.Device {
	taken := map[string]bool{"/dev/console": true, "/dev/ptmx": true}
	for _, d := range named {
		taken[d.Path] = true
	}
	var list []ocispec.Device
	filepath.WalkDir("/dev", func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if entry.IsDir() {
			switch path {
			case "/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/fd", "/dev/.lxc", "/dev/.udev":
				return filepath.SkipDir
			}
			return nil
		}
		if entry.Type()&os.ModeDevice == 0 || taken[path] {
			return nil
		}
		if d, err := deviceAt(path, path, "rwm"); err == nil {
			list = append(list, d)
		}
		return nil
	})
	return list
}

// makeMountPoints makes what is mounted onto behind a link of the image's that leads nowhere, where not every OCI runtime does. Other
// mount points are left to the runtime, and so is what lies in another mount.
func makeMountPoints(root *rootfs.Root, cfg *container.Config, mounts []ocispec.Mount) error {
	uid, gid := hostIDs(cfg, 0, 0)
	for _, m := range mounts {
		if coversKernelFiles(m.Destination) || strings.HasPrefix(m.Destination, "/dev/") || mountAbove(filepath.Dir(m.Destination), mounts) != nil {
			continue
		}
		if !behindDanglingLink(root, m.Destination) {
			continue
		}
		name := m.Destination
		if fi, err := os.Stat(m.Source); m.Type == "bind" && (err != nil || !fi.IsDir()) {
			name = filepath.Dir(name) // the file itself is no trouble to make, once its directory is there
		}
		if err := root.MkdirAll(name, 0o755, uid, gid); err != nil {
			return err
		}
	}
	return nil
}

// behindDanglingLink reports whether the first that is missing on the way to name is what a link leads to.
func behindDanglingLink(root *rootfs.Root, name string) bool {
	if _, err := root.Stat(name); !errors.Is(err, errdefs.ErrNotFound) {
		return false
	}
	for i := range name {
		if i == 0 || name[i] != '/' {
			continue
		}
		if _, err := root.Stat(name[:i]); err != nil {
			name = name[:i]
			break
		}
	}
	_, err := root.Lstat(name)
	return err == nil
}

// makeWorkDir makes the working directory if it is missing: in the root file system, or in the mount that it lies in.
func makeWorkDir(s *starting, mounts []ocispec.Mount) error {
	dir := s.c.Config.Process.WorkDir
	if dir == "/" {
		return nil
	}
	root, name := s.root, dir
	if m := mountAbove(dir, mounts); m != nil {
		if m.Type != "bind" {
			return nil // a new tmpfs is the OCI runtime's to make it in
		}
		r, err := rootfs.OpenRoot(m.Source)
		if err != nil {
			return nil // a file, or gone: the runtime says so
		}
		defer r.Close()
		root, name = r, strings.TrimPrefix(dir, m.Destination)
	}
	if name == "" {
		return nil
	}
	if root != s.root && slices.Contains(mountAbove(dir, mounts).Options, "ro") {
		return requireWorkDir(root, name, dir)
	}
	uid, gid := hostIDs(&s.c.Config, s.user.UID, s.user.GID)
	err := root.MkdirAll(name, 0o755, uid, gid)
	if err != nil {
		return errdefs.With(errdefs.Class(err), fmt.Errorf("working directory %s: %w", dir, err))
	}
	return nil
}

// requireWorkDir refuses a working directory that would have to be made in a mount that the container must not write to.
func requireWorkDir(mount *rootfs.Root, name, dir string) error {
	_, err := mount.Stat(name)
	if errors.Is(err, errdefs.ErrNotFound) {
		return errdefs.Invalid("working directory %s is missing, and the mount that it lies in is read-only: make it first, or choose another with --workdir", dir)
	}
	return err
}

// mountAbove is the mount that path lies in, nil if that is the root file system.
func mountAbove(path string, mounts []ocispec.Mount) *ocispec.Mount {
	var best *ocispec.Mount
	for i, m := range mounts {
		if (path == m.Destination || strings.HasPrefix(path, m.Destination+"/")) && (best == nil || len(m.Destination) > len(best.Destination)) {
			best = &mounts[i]
		}
	}
	return best
}

// hostIDs are the IDs on the host of an ID in the container.
func hostIDs(cfg *container.Config, uid, gid uint32) (int, int) {
	return mapID(cfg.Namespaces.UIDMap, uid), mapID(cfg.Namespaces.GIDMap, gid)
}

func mapID(maps []container.IDMap, id uint32) int {
	for _, m := range maps {
		if int64(id) >= m.ContainerID && int64(id) < m.ContainerID+m.Size {
			return int(m.HostID + int64(id) - m.ContainerID)
		}
	}
	return int(id)
}

// specCaps are the effective and bounding capabilities of a spec.
func specCaps(data []byte) (effective, bounding []string) {
	var spec struct {
		Process struct {
			Capabilities struct{ Effective, Bounding []string }
		}
	}
	if json.Unmarshal(data, &spec) != nil {
		return nil, nil
	}
	return spec.Process.Capabilities.Effective, spec.Process.Capabilities.Bounding
}
