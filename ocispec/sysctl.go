package ocispec

import (
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
)

// DefaultSysctls are set in a network namespace of the container's own, as Docker does: any user may bind low ports and ping,
// since the ports and addresses are nobody else's.
func DefaultSysctls() map[string]string {
	return map[string]string{
		"net.ipv4.ip_unprivileged_port_start": "0",
		"net.ipv4.ping_group_range":           "0 2147483647",
	}
}

// sysctls fills in kernel parameters. Only those of a namespace can be set, and only in one that is not the host's: anything
// else would change the host.
func (b *builder) sysctls() error {
	set := map[string]string{}
	for name, value := range b.defaultSysctls() {
		kind, err := container.SysctlNamespace(name)
		if err == nil && b.owns(namespaceOf[kind]) {
			set[name] = value
		}
	}
	for name, value := range b.Config.Security.Sysctl {
		if err := container.CheckSysctl(name, value); err != nil {
			return err
		}
		kind, err := container.SysctlNamespace(name)
		if err != nil {
			return err
		}
		if b.find(namespaceOf[kind]) == nil {
			return errdefs.Invalid("sysctl %s cannot be set: the container shares the host's %s namespace, so leave out --%s host or the sysctl",
				name, kind, kind)
		}
		set[name] = value
	}
	if len(set) > 0 {
		b.spec.Linux.Sysctl = set
	}
	return nil
}

// defaultSysctls: a user namespace may not map the groups that the built-in range for ping speaks of.
func (b *builder) defaultSysctls() map[string]string {
	if b.DefaultSysctls != nil {
		return b.DefaultSysctls
	}
	set := DefaultSysctls()
	if b.find(specs.UserNamespace) != nil {
		delete(set, "net.ipv4.ping_group_range")
	}
	if !b.Host.Kernel.AtLeast(4, 11) {
		delete(set, "net.ipv4.ip_unprivileged_port_start")
	}
	return set
}

var namespaceOf = map[string]specs.LinuxNamespaceType{
	"network": specs.NetworkNamespace, "ipc": specs.IPCNamespace, "uts": specs.UTSNamespace,
}
