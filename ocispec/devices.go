package ocispec

import (
	"os"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/host"
)

// devices fills in the device nodes and what the device control group lets through. The runtime adds the nodes that every
// container has (null, zero, full, random, urandom, tty, console, ptmx) and their rules itself.
func (b *builder) devices() error {
	rules := []specs.LinuxDeviceCgroup{{Allow: b.privileged(), Access: "rwm"}}
	for _, d := range b.Devices {
		if err := absolute("device", d.Path); err != nil {
			return err
		}
		b.spec.Linux.Devices = append(b.spec.Linux.Devices, specDevice(d))
		if !b.privileged() && d.Type != "p" {
			major, minor := d.Major, d.Minor
			rules = append(rules, specs.LinuxDeviceCgroup{
				Allow: true, Type: d.Type, Major: &major, Minor: &minor, Access: d.Access,
			})
		}
	}
	if !b.privileged() {
		for _, text := range b.Config.Resources.DeviceCgroupRules {
			rule, err := parseDeviceRule(text)
			if err != nil {
				return err
			}
			rules = append(rules, rule)
		}
	}
	if b.limitsDevices() {
		b.spec.Linux.Resources = &specs.LinuxResources{Devices: rules}
	} else {
		b.spec.Linux.Resources = &specs.LinuxResources{}
	}
	return nil
}

// limitsDevices: version 2 limits devices by a program in the kernel and needs no controller.
func (b *builder) limitsDevices() bool {
	return b.Host.Cgroups.Mode == host.Unified || b.Host.Cgroups.Has("devices")
}

func specDevice(d Device) specs.LinuxDevice {
	mode := os.FileMode(d.FileMode)
	uid, gid := d.UID, d.GID
	return specs.LinuxDevice{
		Path: d.Path, Type: d.Type, Major: d.Major, Minor: d.Minor, FileMode: &mode, UID: &uid, GID: &gid,
	}
}

// parseDeviceRule parses a rule in the form of the devices controller's files (kernel documentation,
// admin-guide/cgroup-v1/devices): type, major:minor and access, as in "c 13:* rwm".
func parseDeviceRule(text string) (specs.LinuxDeviceCgroup, error) {
	bad := errdefs.Invalid("device cgroup rule %q is not of the form TYPE MAJOR:MINOR ACCESS, as in \"c 13:* rwm\"", text)
	fields := strings.Fields(text)
	if len(fields) != 3 || len(fields[0]) != 1 || !strings.Contains("abc", fields[0]) {
		return specs.LinuxDeviceCgroup{}, bad
	}
	first, second, _ := strings.Cut(fields[1], ":")
	major, ok1 := deviceNumber(first)
	minor, ok2 := deviceNumber(second)
	if !ok1 || !ok2 || strings.Trim(fields[2], "rwm") != "" || len(fields[2]) > 3 {
		return specs.LinuxDeviceCgroup{}, bad
	}
	return specs.LinuxDeviceCgroup{Allow: true, Type: fields[0], Major: major, Minor: minor, Access: fields[2]}, nil
}

// deviceNumber is nil for "*", which stands for all.
func deviceNumber(s string) (*int64, bool) {
	if s == "*" {
		return nil, true
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 0 {
		return nil, false
	}
	return &n, true
}
