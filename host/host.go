// Package host reads facts about this machine: once, into a value that is passed on. Nothing else in Berth asks which control
// groups there are, who runs it or what may be limited.
package host

// Facts are what this machine can do. The zero value is a machine that can do nothing.
type Facts struct {
	// UID is the effective user ID; Rootless is UID != 0.
	UID      int
	Rootless bool
	// BootID is the kernel's (/proc/sys/kernel/random/boot_id).
	BootID  string
	Kernel  KernelVersion
	Arch    string // GOARCH
	Cgroups Cgroups
	// Systemd: systemd is the init (/run/systemd/system is a directory).
	Systemd bool
	// Limits are this process's hard and soft limits by lower-case name (nofile, nproc, …), -1 for unlimited.
	Limits map[string]Limit
	// CanRaiseLimits: CAP_SYS_RESOURCE is in the effective set.
	CanRaiseLimits bool
	// NROpen is the ceiling of every limit of open files (/proc/sys/fs/nr_open), 0 when unknown.
	NROpen int64
	// OOMScoreAdj is this process's own; without CAP_SYS_RESOURCE a child's cannot be lower.
	OOMScoreAdj int
	// Capabilities is the bounding set, as CAP_ names in kernel order.
	Capabilities []string
	Seccomp      bool
	AppArmor     bool
	SELinux      bool
	// ThermalThrottle are the directories below /sys that tell of the processors' heat, one for each.
	ThermalThrottle []string
	// SubUIDs and SubGIDs are the ranges of /etc/subuid and /etc/subgid for the user "containers" (root) or the caller.
	SubUIDs []IDRange
	SubGIDs []IDRange
}

// KernelVersion is major and minor of uname's release.
type KernelVersion struct{ Major, Minor int }

// AtLeast reports whether the kernel is this version or newer.
func (k KernelVersion) AtLeast(major, minor int) bool {
	return k.Major > major || k.Major == major && k.Minor >= minor
}

// CgroupMode is which hierarchies are mounted.
type CgroupMode string

// The modes, as systemd names them.
const (
	Unified CgroupMode = "unified" // v2 alone
	Hybrid  CgroupMode = "hybrid"  // v1 controllers, and v2 at /sys/fs/cgroup/unified
	Legacy  CgroupMode = "legacy"  // v1 alone
	NoneCG  CgroupMode = "none"
)

// Cgroups says what can be limited.
type Cgroups struct {
	Mode CgroupMode
	// Controllers that can be used, sorted.
	Controllers []string
	// V2Controllers are those on the v2 tree of a hybrid host, which some runtimes refuse.
	V2Controllers []string
	// SwapLimit: swap can be limited apart from memory. BlkioWeight: block I/O can be weighted.
	SwapLimit, BlkioWeight bool
}

// Version is 2 on a unified host, else 1.
func (c Cgroups) Version() int {
	if c.Mode == Unified {
		return 2
	}
	return 1
}

// Has reports whether the controller can be used.
func (c Cgroups) Has(controller string) bool {
	for _, x := range c.Controllers {
		if x == controller {
			return true
		}
	}
	return false
}

// Limit is a pair of setrlimit(2), -1 for unlimited.
type Limit struct{ Soft, Hard int64 }

// IDRange is one range of subordinate IDs.
type IDRange struct{ First, Size int64 }
