package ocispec

import (
	"slices"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
)

// DefaultCapabilities are those that a container has when nothing else is said, sorted.
func DefaultCapabilities() []string {
	return []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SETFCAP",
		"CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
	}
}

// capabilities makes the five sets.
//
// The inheritable set is empty, in exec too: a program with inheritable file capabilities would otherwise gain them. There is
// one exception, podman's: capabilities that the user adds by name for a process that is not root's, which the kernel would
// take away at execve(2), are inheritable and ambient; so every program has them anyway.
func (p common) capabilities(w *warnings) (*specs.LinuxCapabilities, error) {
	bounding, err := p.bounding(w)
	if err != nil {
		return nil, err
	}
	caps := &specs.LinuxCapabilities{Bounding: bounding}
	if p.user.UID == 0 {
		caps.Effective, caps.Permitted = bounding, bounding
		return caps, nil
	}
	var kept []string
	for _, name := range p.config.Security.CapAdd {
		if name != "ALL" && slices.Contains(bounding, name) {
			kept = append(kept, name)
		}
	}
	slices.Sort(kept)
	kept = slices.Compact(kept)
	caps.Effective, caps.Permitted, caps.Inheritable, caps.Ambient = kept, kept, kept, kept
	return caps, nil
}

// bounding is the default set, with what is added, without what is dropped, as far as this host has it. Dropping ALL leaves
// what is added by name; adding ALL, all but what is dropped by name.
func (p common) bounding(w *warnings) ([]string, error) {
	add, drop := p.config.Security.CapAdd, p.config.Security.CapDrop
	for _, name := range slices.Concat(add, drop, p.defaultCaps) {
		if name == "ALL" {
			continue
		}
		if _, err := container.ParseCapability(name); err != nil {
			return nil, err
		}
	}
	for _, name := range add {
		if name != "ALL" && slices.Contains(drop, name) {
			return nil, errdefs.Invalid("capability %s is both added and dropped", name)
		}
	}
	set := p.baseCapabilities()
	for _, name := range add {
		if name != "ALL" && !slices.Contains(p.host.Capabilities, name) {
			w.add("%s cannot be added: this host does not have it in its bounding set", name)
		}
		set = append(set, name)
	}
	set = slices.DeleteFunc(set, func(name string) bool {
		return slices.Contains(drop, name) || !slices.Contains(p.host.Capabilities, name)
	})
	slices.Sort(set)
	return slices.Compact(set), nil
}

// baseCapabilities is a new list of what the set starts with.
func (p common) baseCapabilities() []string {
	add, drop := p.config.Security.CapAdd, p.config.Security.CapDrop
	switch {
	case slices.Contains(drop, "ALL"):
		return nil
	case p.privileged || slices.Contains(add, "ALL"):
		return slices.Clone(p.host.Capabilities)
	case p.defaultCaps != nil:
		return slices.Clone(p.defaultCaps)
	}
	return DefaultCapabilities()
}
