package ocispec

import (
	"path"
	"slices"
)

// maskedPaths are not to be seen in a container: they tell of the host or reach its hardware.
var maskedPaths = []string{
	"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
	"/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
	"/sys/devices/virtual/powercap", "/sys/firmware", "/sys/fs/selinux",
}

// readOnlyPaths can be read in a container only.
var readOnlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}

// hiddenPaths fills in what is masked and what is read-only. A privileged container has only what it asks to be masked.
func (b *builder) hiddenPaths() {
	s := b.Config.Security
	if !b.privileged() {
		for _, p := range slices.Concat(maskedPaths, b.Host.ThermalThrottle) {
			if !unmasked(p, s.Unmask) {
				b.spec.Linux.MaskedPaths = append(b.spec.Linux.MaskedPaths, p)
			}
		}
		for _, p := range readOnlyPaths {
			if !unmasked(p, s.Unmask) {
				b.spec.Linux.ReadonlyPaths = append(b.spec.Linux.ReadonlyPaths, p)
			}
		}
	}
	for _, p := range s.Mask {
		if !slices.Contains(b.spec.Linux.MaskedPaths, p) {
			b.spec.Linux.MaskedPaths = append(b.spec.Linux.MaskedPaths, p)
		}
	}
}

// unmasked: ALL unmasks every path, a pattern of path.Match those that it fits.
func unmasked(p string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		fits, err := path.Match(pattern, p)
		return pattern == "ALL" || err == nil && fits
	})
}
