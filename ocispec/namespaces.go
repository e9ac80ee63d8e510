package ocispec

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/host"
)

// namespaces fills in the namespaces, the id maps and the host name.
func (b *builder) namespaces() error {
	n := b.Config.Namespaces
	kinds := []struct {
		kind      specs.LinuxNamespaceType
		namespace container.Namespace
	}{
		{specs.PIDNamespace, n.PID},
		{specs.IPCNamespace, n.IPC},
		{specs.UTSNamespace, n.UTS},
		{specs.CgroupNamespace, b.cgroupNamespace()},
		{specs.UserNamespace, b.userNamespace()},
		{specs.NetworkNamespace, b.Config.Network.Namespace},
	}
	b.spec.Linux.Namespaces = []specs.LinuxNamespace{{Type: specs.MountNamespace}}
	for _, k := range kinds {
		if k.namespace.Mode == container.Host {
			continue
		}
		joined, err := b.namespacePath(k.kind, k.namespace)
		if err != nil {
			return err
		}
		b.spec.Linux.Namespaces = append(b.spec.Linux.Namespaces, specs.LinuxNamespace{Type: k.kind, Path: joined})
	}
	if b.owns(specs.UTSNamespace) {
		b.spec.Hostname = b.Hostname
	}
	return b.idMaps()
}

// namespacePath is the path of a namespace that is joined, or that the engine has made; empty for a new one.
func (b *builder) namespacePath(kind specs.LinuxNamespaceType, n container.Namespace) (string, error) {
	switch n.Mode {
	case container.FromContainer, container.FromPath, container.FromPod:
		p := b.NamespacePaths[string(kind)]
		if p == "" {
			return "", errdefs.Internal("the %s namespace of %s %q is to be joined, and its path is not known", kind, n.Mode, n.Target)
		}
		return p, nil
	}
	if kind == specs.NetworkNamespace {
		return b.NamespacePaths[string(kind)], nil
	}
	return "", nil
}

// cgroupNamespace is by default a new one under version 2 only, as with Docker and podman.
func (b *builder) cgroupNamespace() container.Namespace {
	n := b.Config.Namespaces.Cgroup
	if n.Mode == container.Default && b.Host.Cgroups.Mode != host.Unified {
		n.Mode = container.Host
	}
	return n
}

// userNamespace is by default the host's.
func (b *builder) userNamespace() container.Namespace {
	n := b.Config.Namespaces.User
	if n.Mode == container.Default {
		n.Mode = container.Host
	}
	return n
}

// find returns the spec's namespace of a kind, nil for the host's.
func (b *builder) find(kind specs.LinuxNamespaceType) *specs.LinuxNamespace {
	for i, n := range b.spec.Linux.Namespaces {
		if n.Type == kind {
			return &b.spec.Linux.Namespaces[i]
		}
	}
	return nil
}

// owns reports whether the container has a new namespace of this kind, or for the network one of its own.
func (b *builder) owns(kind specs.LinuxNamespaceType) bool {
	n := b.find(kind)
	if n == nil {
		return false
	}
	if kind == specs.NetworkNamespace {
		switch b.Config.Network.Namespace.Mode {
		case container.FromContainer, container.FromPath, container.FromPod:
			return false
		}
		return true
	}
	return n.Path == ""
}

// idMaps fills in the maps of a new user namespace.
func (b *builder) idMaps() error {
	if !b.owns(specs.UserNamespace) {
		return nil
	}
	n := b.Config.Namespaces
	if n.User.Mode == container.Auto && len(n.UIDMap) == 0 && len(n.GIDMap) == 0 {
		return nil // the engine has not chosen them yet, and only checks the configuration
	}
	if len(n.UIDMap) == 0 || len(n.GIDMap) == 0 {
		return errdefs.Invalid("a user namespace of its own needs maps of user and group IDs: --uidmap and --gidmap, or --userns auto")
	}
	b.spec.Linux.UIDMappings = mappings(n.UIDMap)
	b.spec.Linux.GIDMappings = mappings(n.GIDMap)
	return nil
}

func mappings(maps []container.IDMap) []specs.LinuxIDMapping {
	var list []specs.LinuxIDMapping
	for _, m := range maps {
		list = append(list, specs.LinuxIDMapping{
			ContainerID: uint32(m.ContainerID), HostID: uint32(m.HostID), Size: uint32(m.Size),
		})
	}
	return list
}

// mapped reports whether an ID exists in the container.
func mapped(id int64, maps []container.IDMap) bool {
	for _, m := range maps {
		if id >= m.ContainerID && id < m.ContainerID+m.Size {
			return true
		}
	}
	return false
}
