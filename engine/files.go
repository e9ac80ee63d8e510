package engine

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/ocispec"
	"github.com/berth-engine/berth/rootfs"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/volume"
)

// fileSet are the files that the engine makes for a run, and the mounts that put them in place.
type fileSet struct {
	e      *Engine
	s      *starting
	mounts []ocispec.Mount
}

// writeFiles makes /etc/hosts, /etc/hostname, /etc/resolv.conf, /run/.containerenv and, where the image's do not do, /etc/passwd,
// /etc/group and /etc/localtime.
func (e *Engine) writeFiles(s *starting) ([]ocispec.Mount, error) {
	f := &fileSet{e: e, s: s}
	cfg := &s.c.Config
	steps := []func() error{f.hostname, f.containerEnv, f.users, f.localtime}
	if !cfg.Hosts.NoHosts {
		steps = append(steps, f.hosts)
	}
	if !slices.Equal(cfg.Hosts.DNS, []string{"none"}) {
		steps = append(steps, f.resolvConf)
	}
	for _, do := range steps {
		if err := do(); err != nil {
			return nil, err
		}
	}
	return f.mounts, nil
}

// add writes a file of the run directory and mounts it at path.
func (f *fileSet) add(name, path string, data []byte) error {
	file := filepath.Join(f.e.paths.containerRun(f.s.c.Config.ID), name)
	if err := os.WriteFile(file, data, 0o644); err != nil {
		return errdefs.Internal("writing %s of container %s: %w", path, f.s.c.Config.Name, err)
	}
	if len(f.s.c.Config.Namespaces.UIDMap) > 0 {
		uid, gid := hostIDs(&f.s.c.Config, 0, 0)
		if err := os.Chown(file, uid, gid); err != nil {
			return errdefs.Internal("writing %s of container %s: %w", path, f.s.c.Config.Name, err)
		}
	}
	f.mounts = append(f.mounts, ocispec.Mount{Type: "bind", Source: file, Destination: path, Options: []string{"bind", "rprivate"}})
	return nil
}

func (f *fileSet) hostname() error {
	if f.s.c.Config.Hosts.NoHostname {
		return nil
	}
	return f.add("hostname", "/etc/hostname", []byte(hostname(&f.s.c.Config)+"\n"))
}

func (f *fileSet) containerEnv() error {
	cfg := &f.s.c.Config
	return f.add("containerenv", "/run/.containerenv", rootfs.ContainerEnv(rootfs.ContainerEnvInput{
		Engine: "berth-" + Build().Version, Name: cfg.Name, ID: cfg.ID, Image: cfg.Image.Name, ImageID: cfg.Image.ID,
		Privileged: cfg.Security.Privileged,
	}))
}

func (f *fileSet) hosts() error {
	cfg := &f.s.c.Config
	in := rootfs.HostsInput{Add: cfg.Hosts.Add, Names: []string{hostname(cfg), cfg.Name}}
	in.Base, _ = os.ReadFile("/etc/hosts") // none is no base
	if cfg.Network.Namespace.Mode == container.None {
		in.Addresses = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	}
	data, err := rootfs.HostsFile(in)
	if err != nil {
		return err
	}
	return f.add("hosts", "/etc/hosts", data)
}

func (f *fileSet) resolvConf() error {
	cfg := &f.s.c.Config
	onHost := cfg.Network.Namespace.Mode == container.Host
	host, err := rootfs.HostResolvConf(onHost)
	if err != nil {
		return err
	}
	data, err := rootfs.ResolvConf(rootfs.ResolvInput{
		Host: host, Servers: cfg.Hosts.DNS, Search: cfg.Hosts.DNSSearch, Options: cfg.Hosts.DNSOptions, HostNetwork: onHost, IPv6: onHost,
	})
	if err != nil {
		return err
	}
	return f.add("resolv.conf", "/etc/resolv.conf", data)
}

// users adds to /etc/passwd who the image does not know: a user that is but a number, and users of the host that were asked for.
func (f *fileSet) users() error {
	cfg := &f.s.c.Config
	if f.s.user.Name != "" && len(cfg.HostUsers) == 0 {
		return nil
	}
	var entries []rootfs.PasswdEntry
	for _, name := range cfg.HostUsers {
		entry, err := rootfs.HostUser(name)
		if err != nil {
			return err
		}
		entries = append(entries, entry)
	}
	if f.s.user.Name == "" {
		entries = append(entries, rootfs.NumericUser(f.s.user.UID, f.s.user.GID, or(cfg.Process.WorkDir, "/")))
	}
	passwd, group, err := rootfs.ReadUserFiles(f.s.root)
	if err != nil || len(passwd) == 0 && len(cfg.HostUsers) == 0 {
		return err // an image without the file has no program that reads it
	}
	if passwd, err = rootfs.AddPasswd(passwd, entries...); err != nil {
		return err
	}
	if err := f.add("passwd", "/etc/passwd", passwd); err != nil || len(cfg.HostUsers) == 0 {
		return err
	}
	for _, entry := range entries {
		if group, err = rootfs.AddGroup(group, entry.Name, entry.GID); err != nil {
			return err
		}
	}
	return f.add("group", "/etc/group", group)
}

// localtime puts the zone that was asked for at /etc/localtime.
func (f *fileSet) localtime() error {
	zone := f.s.c.Config.Timezone
	if zone == "" {
		return nil
	}
	path := filepath.Join("/usr/share/zoneinfo", filepath.Clean("/"+zone))
	if zone == "local" {
		path = "/etc/localtime"
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return errdefs.Invalid("time zone %q: the host has no %s: install tzdata, or use a name as in Europe/Paris", zone, path)
	}
	if err != nil {
		return errdefs.Invalid("time zone %q: %w", zone, err)
	}
	return f.add("localtime", "/etc/localtime", data)
}

// checkSources refuses bind mounts whose source is not there.
func checkSources(cfg *container.Config) error {
	for _, m := range cfg.Mounts {
		if m.Type != container.Bind || m.CreateSource {
			continue
		}
		if _, err := os.Stat(m.Source); err != nil {
			if errors.Is(err, os.ErrNotExist) {
				return errdefs.Invalid("mount source %s does not exist: make it first, or correct the path", m.Source)
			}
			return errdefs.Invalid("mount source %s: %w", m.Source, err)
		}
	}
	return nil
}

// resolveMounts turns the configuration's mounts into mounts of paths of the host, making and filling what they need.
func (e *Engine) resolveMounts(ctx context.Context, s *starting) ([]ocispec.Mount, error) {
	cfg := &s.c.Config
	if err := checkSources(cfg); err != nil {
		return nil, err
	}
	var list []ocispec.Mount
	for _, m := range cfg.Mounts {
		source := m.Source
		switch {
		case m.Type == container.Volume:
			var err error
			if source, err = e.prepareVolume(ctx, s, m); err != nil {
				return nil, err
			}
		case m.Type == container.Bind && m.CreateSource:
			if err := os.MkdirAll(source, 0o755); err != nil {
				return nil, errdefs.Invalid("making the mount source %s: %w", source, err)
			}
		}
		// Not before: the volume's first use looks at what the image has there.
		if err := checkImageVolume(s.root, m); err != nil {
			return nil, err
		}
		if m.Chown && m.Type != container.Tmpfs {
			uid, gid := hostIDs(cfg, s.user.UID, s.user.GID)
			if err := rootfs.ChownTree(ctx, source, uid, gid); err != nil {
				return nil, err
			}
		}
		out := ocispec.Resolved(m, source)
		if m.IDMap {
			out.UIDMap, out.GIDMap = cfg.Namespaces.UIDMap, cfg.Namespaces.GIDMap
		}
		list = append(list, out)
	}
	return list, nil
}

// checkImageVolume makes the mount point of a volume of the image's, and refuses one that a link of the image's would lead to the
// kernel's files.
func checkImageVolume(root *rootfs.Root, m container.Mount) error {
	if !m.FromImage {
		return nil
	}
	f, err := root.MountPoint(m.Destination, true)
	if err != nil {
		return err
	}
	defer f.Close()
	top, err := root.Open("/", unix.O_PATH)
	if err != nil {
		return err
	}
	defer top.Close()
	above, err := os.Readlink(rootfs.FDPath(top))
	real, rerr := os.Readlink(rootfs.FDPath(f))
	if err = errors.Join(err, rerr); err != nil {
		return errdefs.Internal("resolving %s in the container: %w", m.Destination, err)
	}
	if real = "/" + strings.TrimPrefix(strings.TrimPrefix(real, above), "/"); coversKernelFiles(real) {
		return errdefs.Invalid("the image declares a volume at %s, which leads to %s, where the kernel's files are: leave its volumes out with --image-volume ignore", m.Destination, real)
	}
	return nil
}

// prepareVolume makes a volume ready to be mounted, and at its first use gives it the image's files and owner. It returns the
// directory to be mounted.
func (e *Engine) prepareVolume(ctx context.Context, s *starting, m container.Mount) (string, error) {
	unlock, err := e.lockVolume(ctx, m.Source)
	if err != nil {
		return "", err
	}
	defer unlock()
	var v *volume.Volume
	err = e.store.View(ctx, func(tx store.Tx) (err error) {
		v, err = tx.Volumes().Volume(m.Source)
		return err
	})
	if err != nil {
		return "", err
	}
	dir, err := e.localVolumes().Mount(ctx, v.Name, v.Options, s.c.Config.ID)
	if err != nil {
		return "", err
	}
	if v.NeedsCopyUp || v.NeedsChown {
		if err := e.firstUse(ctx, s, *v, m, dir); err != nil {
			return "", err
		}
	}
	if m.Subpath == "" {
		return dir, nil
	}
	return e.mountSubpath(s, dir, m.Subpath)
}

// firstUse fills an empty volume with the image's files at the mount point, and gives it their owner; where the image has none, the
// container's user. That it has been done is recorded first, so that a volume in use is never written over. What was in the volume
// before its first use, as in one that stands for a directory of the host, has an owner already.
func (e *Engine) firstUse(ctx context.Context, s *starting, v volume.Volume, m container.Mount, dir string) error {
	copyUp := v.NeedsCopyUp && !m.NoCopy
	v.NeedsCopyUp, v.NeedsChown = false, false
	err := e.store.Update(ctx, store.Synced, func(tx store.UpdateTx) error { return tx.VolumeWriter().Set(&v) })
	if err != nil {
		return err
	}
	if _, err := s.root.Stat(m.Destination); copyUp && err == nil {
		_, err = rootfs.CopyUp(ctx, s.root, m.Destination, dir)
		return err
	}
	uid, gid := hostIDs(&s.c.Config, s.user.UID, s.user.GID)
	return giveEmpty(dir, uid, gid)
}

// giveEmpty gives a directory to a user if there is nothing in it.
func giveEmpty(dir string, uid, gid int) error {
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) == 0 {
		err = os.Lchown(dir, uid, gid)
	}
	if err != nil {
		return errdefs.Internal("giving a volume to its user: %w", err)
	}
	return nil
}

// mountSubpath mounts a directory or file of a volume, resolved inside it, at a place of the run's own, and returns that: whoever has
// the volume too may rename and relink what is on the way to it until the OCI runtime mounts it (DESIGN I8).
func (e *Engine) mountSubpath(s *starting, dir, subpath string) (string, error) {
	f, err := openSubpath(dir, subpath)
	if err != nil {
		return "", err
	}
	defer f.Close()
	above := e.paths.subpaths(s.c.Config.ID)
	if err := makeDirectory(above, 0o700); err != nil {
		return "", err
	}
	s.subpaths++
	target := filepath.Join(above, strconv.Itoa(s.subpaths))
	return target, rootfs.BindFile(f, target)
}

// openSubpath opens a directory or a regular file of a volume with O_PATH, resolved inside the volume.
func openSubpath(dir, subpath string) (*os.File, error) {
	root, err := rootfs.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	// A container may have left anything there: opened for reading, a named pipe would wait for ever.
	f, err := root.Open(subpath, unix.O_PATH)
	if err != nil {
		return nil, errdefs.Invalid("subpath %s of the volume: %w", subpath, err)
	}
	if fi, err := f.Stat(); err != nil || !fi.IsDir() && !fi.Mode().IsRegular() {
		f.Close()
		return nil, errdefs.Invalid("subpath %s of the volume is neither a directory nor a file: choose another", subpath)
	}
	return f, nil
}
