package ocispec

import (
	"maps"
	"path"
	"strconv"
	"strings"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
)

// version is the runtime spec whose fields are used: id-mapped mounts came with 1.1.0.
const version = "1.1.0"

// Build makes the spec (OCI runtime specification, config.md and config-linux.md). The error is ErrInvalidArgument when the
// configuration cannot be right, ErrNotImplemented when this host cannot do it.
func Build(in Input) (*specs.Spec, error) {
	spec, _, err := build(in)
	return spec, err
}

// Warnings says what Build leaves out or lowers although it was asked for, a sentence each. It is empty when Build fails.
func Warnings(in Input) []string {
	_, warnings, err := build(in)
	if err != nil {
		return nil
	}
	return warnings
}

// builder holds a spec while it is made.
type builder struct {
	Input
	spec     specs.Spec
	warnings warnings
}

func build(in Input) (*specs.Spec, []string, error) {
	b := &builder{Input: in}
	b.spec = specs.Spec{
		Version: version,
		Root:    &specs.Root{Path: in.Rootfs, Readonly: in.Config.ReadOnly},
		Linux:   &specs.Linux{CgroupsPath: in.CgroupsPath},
	}
	b.spec.Annotations = b.annotations()
	for _, step := range []func() error{b.namespaces, b.process, b.seccomp, b.mounts, b.devices, b.resources, b.sysctls} {
		if err := step(); err != nil {
			return nil, nil, err
		}
	}
	b.hiddenPaths()
	if b.Host.SELinux {
		b.spec.Linux.MountLabel = b.MountLabel
	}
	return &b.spec, b.warnings, nil
}

// scopeProperties are the annotations by which crun and runc (docs/systemd.md) tell systemd how to stop a container's scope when the
// machine goes down. Without them it waits a minute and a half for a first process that takes no SIGTERM. No time is no limit to it.
func scopeProperties(c *container.Config) map[string]string {
	timeout := uint64(max(c.StopTimeout, 1)) * uint64(time.Second/time.Microsecond)
	properties := map[string]string{"org.systemd.property.TimeoutStopUSec": "uint64 " + strconv.FormatUint(timeout, 10)}
	if c.StopSignal > 0 {
		properties["org.systemd.property.KillSignal"] = "int32 " + strconv.Itoa(c.StopSignal)
	}
	return properties
}

// annotations are the user's, and of the image's only those that describe it.
func (b *builder) annotations() map[string]string {
	kept := map[string]string{}
	for key, value := range b.ImageAnnotations {
		if strings.HasPrefix(key, "org.opencontainers.image.") {
			kept[key] = value
		}
	}
	if b.Systemd && b.Config.Resources.Cgroups != "disabled" {
		maps.Copy(kept, scopeProperties(b.Config))
	}
	maps.Copy(kept, b.Config.Annotations)
	if len(kept) == 0 {
		return nil
	}
	return kept
}

// privileged is shorthand for the option that lifts every confinement.
func (b *builder) privileged() bool { return b.Config.Security.Privileged }

// absolute checks a path that the runtime takes relative to the container's root.
func absolute(what, p string) error {
	if !path.IsAbs(p) {
		return errdefs.Invalid("%s %q is not an absolute path", what, p)
	}
	if strings.ContainsRune(p, 0) {
		return errdefs.Invalid("%s %q holds a zero byte", what, p)
	}
	return nil
}
