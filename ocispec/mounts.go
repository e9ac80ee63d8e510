package ocispec

import (
	"path"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/host"
)

// DefaultShmSize is the size of /dev/shm, in bytes, where none is configured.
const DefaultShmSize = 64 << 20

// mounts fills in all mounts: the kernel's file systems, then the tmpfs of a read-only container, the user's mounts and the engine's
// files by the depth of their destination. A mount of the user's takes the place of one of the kernel's, and one of /dev or /sys of
// those below too.
func (b *builder) mounts() error {
	if err := absolute("root file system", b.Rootfs); err != nil {
		return err
	}
	own, err := b.ownMounts()
	if err != nil {
		return err
	}
	taken := map[string]bool{}
	for _, m := range own {
		taken[m.Destination] = true
	}
	for _, m := range b.kernelMounts() {
		top := "/" + strings.SplitN(m.Destination, "/", 3)[1]
		if !taken[m.Destination] && !taken[top] {
			b.spec.Mounts = append(b.spec.Mounts, m)
		}
	}
	b.spec.Mounts = append(b.spec.Mounts, own...)
	b.rootPropagation(own)
	return nil
}

// kernelMounts are the file systems that a container has always, in the order in which they have to be mounted.
func (b *builder) kernelMounts() []specs.Mount {
	list := []specs.Mount{b.procMount(), b.devMount(), b.ptsMount()}
	list = append(list, b.mqueueMounts()...)
	list = append(list, b.shmMounts()...)
	list = append(list, b.sysMount())
	if b.Host.Cgroups.Mode != host.NoneCG {
		list = append(list, specs.Mount{
			Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup",
			Options: []string{"rprivate", "nosuid", "noexec", "nodev", "relatime", b.kernelAccess()},
		})
	}
	return list
}

// kernelAccess is how the kernel's own trees are mounted.
func (b *builder) kernelAccess() string {
	if b.privileged() {
		return "rw"
	}
	return "ro"
}

// foreign reports that the container's namespace of this kind belongs to another user namespace than the container's own: it is
// the host's, or one that was there before the new user namespace. The kernel then refuses to mount its file system, and the
// host's is bound instead.
func (b *builder) foreign(kind specs.LinuxNamespaceType) bool {
	if b.find(specs.UserNamespace) == nil {
		return false
	}
	n := b.find(kind)
	return n == nil || b.owns(specs.UserNamespace) && n.Path != ""
}

func (b *builder) procMount() specs.Mount {
	if b.foreign(specs.PIDNamespace) {
		return hostTree("/proc", "nosuid", "noexec", "nodev")
	}
	return specs.Mount{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}}
}

// frozenDev: a read-only container without writable tmpfs has /dev and /dev/shm read-only too.
func (b *builder) frozenDev() bool { return b.Config.ReadOnly && !b.Config.ReadWriteTmpfs }

func (b *builder) devMount() specs.Mount {
	options := []string{"nosuid", "strictatime", "mode=755", "size=65536k"}
	if b.frozenDev() {
		options = append(options, "ro")
	}
	return specs.Mount{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: options}
}

// ptyGroup is the group that owns terminals (tty, by the convention of all distributions).
const ptyGroup = 5

func (b *builder) ptsMount() specs.Mount {
	options := []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}
	if !b.owns(specs.UserNamespace) || mapped(ptyGroup, b.Config.Namespaces.GIDMap) {
		options = append(options, "gid="+strconv.Itoa(ptyGroup))
	}
	return specs.Mount{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: options}
}

// mqueueMounts shows the POSIX message queues; where that cannot be, they work all the same (mq_overview(7)).
func (b *builder) mqueueMounts() []specs.Mount {
	if b.foreign(specs.IPCNamespace) {
		return nil
	}
	return []specs.Mount{{
		Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"},
	}}
}

// shmMounts is /dev/shm: of the container's own, shared with others, the host's, or none.
func (b *builder) shmMounts() []specs.Mount {
	mode := b.Config.Namespaces.IPC.Mode
	switch {
	case mode == container.None:
		return nil
	case b.ShmPath != "":
		return []specs.Mount{b.sharedShm(b.ShmPath)}
	case mode == container.Host:
		return []specs.Mount{b.sharedShm("/dev/shm")}
	}
	size := b.Config.ShmSize
	if size == 0 {
		size = DefaultShmSize
	}
	options := []string{"nosuid", "noexec", "nodev", "mode=1777", "size=" + strconv.FormatInt(size, 10)}
	if b.frozenDev() {
		options = append(options, "ro")
	}
	return []specs.Mount{{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: options}}
}

func (b *builder) sharedShm(source string) specs.Mount {
	options := []string{"rbind", "rprivate", "nosuid", "noexec", "nodev"}
	if b.frozenDev() {
		options = append(options, "ro")
	}
	return specs.Mount{Destination: "/dev/shm", Type: "bind", Source: source, Options: options}
}

func (b *builder) sysMount() specs.Mount {
	if b.foreign(specs.NetworkNamespace) {
		return hostTree("/sys", "nosuid", "noexec", "nodev", b.kernelAccess())
	}
	return specs.Mount{
		Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", b.kernelAccess()},
	}
}

// hostTree binds a tree of the host at its own place.
func hostTree(p string, options ...string) specs.Mount {
	return specs.Mount{Destination: p, Type: "bind", Source: p, Options: append([]string{"rbind", "rslave"}, options...)}
}

// readOnlyTmpfs are the places in a read-only container that programs expect to be able to write to. Each starts with what the
// image has there.
func (b *builder) readOnlyTmpfs() []specs.Mount {
	if !b.Config.ReadOnly || !b.Config.ReadWriteTmpfs {
		return nil
	}
	var list []specs.Mount
	for _, p := range []string{"/run", "/tmp", "/var/tmp"} {
		list = append(list, specs.Mount{
			Destination: p, Type: "tmpfs", Source: "tmpfs", Options: []string{"rw", "rprivate", "nosuid", "nodev", "tmpcopyup"},
		})
	}
	return list
}

// ownMounts are the mounts of a read-only container, the user's, and the engine's files, sorted. The user's replace the others.
func (b *builder) ownMounts() ([]specs.Mount, error) {
	all := slices.Clone(b.Mounts)
	wanted := map[string]bool{}
	for _, m := range b.Mounts {
		wanted[path.Clean(m.Destination)] = true
	}
	files := b.Files
	if b.Config.Init {
		files = append(slices.Clone(files), Mount{
			Type: "bind", Source: b.InitBinary, Destination: InitPath, Options: []string{"bind", "ro", "nosuid", "nodev"},
		})
	}
	for _, m := range files {
		if !wanted[path.Clean(m.Destination)] {
			all = append(all, m)
		}
	}
	list := b.readOnlyTmpfs()
	for _, m := range all {
		converted, err := specMount(m)
		if err != nil {
			return nil, err
		}
		list = append(list, converted)
	}
	list = lastOfEach(list)
	slices.SortStableFunc(list, func(x, y specs.Mount) int { return depth(x.Destination) - depth(y.Destination) })
	return list, nil
}

// depth is how many directories a clean path goes down.
func depth(p string) int {
	if p == "/" {
		return 0
	}
	return strings.Count(p, "/")
}

// lastOfEach keeps, of mounts with the same destination, the last.
func lastOfEach(list []specs.Mount) []specs.Mount {
	last := map[string]int{}
	for i, m := range list {
		last[m.Destination] = i
	}
	kept := list[:0]
	for i, m := range list {
		if last[m.Destination] == i {
			kept = append(kept, m)
		}
	}
	return kept
}

// specMount checks a mount and completes its options.
func specMount(m Mount) (specs.Mount, error) {
	if err := absolute("mount destination", m.Destination); err != nil {
		return specs.Mount{}, err
	}
	destination := path.Clean(m.Destination)
	if destination == "/" {
		return specs.Mount{}, errdefs.Invalid("nothing can be mounted on the root directory of a container: choose another destination, or --rootfs")
	}
	if (len(m.UIDMap) == 0) != (len(m.GIDMap) == 0) {
		return specs.Mount{}, errdefs.Invalid("the mount at %s has a map of user or of group IDs, and needs both", destination)
	}
	out := specs.Mount{
		Type: m.Type, Source: m.Source, Destination: destination,
		UIDMappings: mappings(m.UIDMap), GIDMappings: mappings(m.GIDMap),
	}
	switch m.Type {
	case "bind":
		out.Options = bindOptions(m)
	case "tmpfs":
		out.Source = "tmpfs"
		out.Options = tmpfsOptions(m.Options)
	default:
		return specs.Mount{}, errdefs.Internal("the mount at %s is of type %q, which is neither bind nor tmpfs", destination, m.Type)
	}
	return out, nil
}

var propagations = []string{"private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable"}

func bindOptions(m Mount) []string {
	options := slices.Clone(m.Options)
	if !slices.Contains(options, "bind") && !slices.Contains(options, "rbind") {
		options = append(options, "rbind")
	}
	if !overlap(options, propagations) {
		options = append(options, "rprivate")
	}
	if len(m.UIDMap) > 0 && !slices.Contains(options, "idmap") && !slices.Contains(options, "ridmap") {
		options = append(options, "idmap")
	}
	return options
}

// tmpfsOptions completes the options with podman's defaults.
func tmpfsOptions(given []string) []string {
	options := slices.DeleteFunc(slices.Clone(given), func(o string) bool { return o == "notmpcopyup" })
	if !overlap(options, propagations) {
		options = append(options, "rprivate")
	}
	for _, pair := range [][2]string{{"nosuid", "suid"}, {"nodev", "dev"}, {"tmpcopyup", "notmpcopyup"}} {
		if !slices.Contains(given, pair[0]) && !slices.Contains(given, pair[1]) {
			options = append(options, pair[0])
		}
	}
	return options
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// rootPropagation lets mounts spread as far as the mount that wants it most (mount_namespaces(7)): without it, the runtime
// makes the whole tree a private one first.
func (b *builder) rootPropagation(mounts []specs.Mount) {
	for _, m := range mounts {
		switch {
		case slices.Contains(m.Options, "shared"), slices.Contains(m.Options, "rshared"):
			b.spec.Linux.RootfsPropagation = "shared"
			return
		case slices.Contains(m.Options, "slave"), slices.Contains(m.Options, "rslave"):
			b.spec.Linux.RootfsPropagation = "rslave"
		}
	}
}

// Resolved is a configured mount with the host's path that stands for it: a bind mount's source, or the directory of a volume.
// The source of a tmpfs is not used. Volumes are mounted nosuid and nodev as far as their options do not say otherwise.
func Resolved(m container.Mount, source string) Mount {
	out := Mount{Type: "bind", Source: source, Destination: m.Destination, Options: slices.Clone(m.Options)}
	switch m.Type {
	case container.Tmpfs:
		out.Type, out.Source = "tmpfs", "tmpfs"
	case container.Volume:
		for _, pair := range [][2]string{{"nosuid", "suid"}, {"nodev", "dev"}} {
			if !slices.Contains(m.Options, pair[0]) && !slices.Contains(m.Options, pair[1]) {
				out.Options = append(out.Options, pair[0])
			}
		}
	}
	if m.ReadOnly && !slices.Contains(out.Options, "ro") {
		out.Options = append(out.Options, "ro")
	}
	return out
}
