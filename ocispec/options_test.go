package ocispec

import (
	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/host"
)

// option is one row of the golden specs: what is set, and on which host only.
type option struct {
	only string
	set  func(in *Input)
}

func every(set func(in *Input)) option { return option{set: set} }

func onUnified(set func(in *Input)) option { return option{only: "unified", set: set} }

func number[T any](n T) *T { return &n }

var someMap = []container.IDMap{{ContainerID: 0, HostID: 100000, Size: 65536}}

var options = map[string]option{
	"privileged": every(func(in *Input) {
		in.Config.Security.Privileged = true
		in.DefaultSeccomp = true
		in.AppArmorProfile = "berth-default"
		in.Devices = []Device{{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229, FileMode: 0o666, Access: "rwm"}}
	}),
	"privileged-masked": onUnified(func(in *Input) {
		in.Config.Security.Privileged = true
		in.Config.Security.Mask = []string{"/proc/x"}
		in.Config.Security.CapDrop = []string{"CAP_SYS_ADMIN"}
	}),
	"read-only":     onUnified(func(in *Input) { in.Config.ReadOnly, in.Config.ReadWriteTmpfs = true, true }),
	"read-only-all": onUnified(func(in *Input) { in.Config.ReadOnly = true }),
	"cap-add-drop": onUnified(func(in *Input) {
		in.Config.Security.CapAdd, in.Config.Security.CapDrop = []string{"CAP_NET_RAW"}, []string{"CAP_CHOWN", "CAP_KILL"}
	}),
	"cap-drop-all": onUnified(func(in *Input) {
		in.Config.Security.CapAdd, in.Config.Security.CapDrop = []string{"CAP_CHOWN"}, []string{"ALL"}
	}),
	"cap-add-all": every(func(in *Input) {
		in.Config.Security.CapAdd, in.Config.Security.CapDrop = []string{"ALL"}, []string{"CAP_NET_RAW"}
	}),
	"cap-add-lacking": every(func(in *Input) { in.Config.Security.CapAdd = []string{"CAP_SYS_RESOURCE"} }),
	"cap-defaults":    onUnified(func(in *Input) { in.DefaultCapabilities = []string{"CAP_KILL"} }),
	"user": onUnified(func(in *Input) {
		in.User = User{UID: 1000, GID: 100, Groups: []uint32{100, 27, 27, 5}, Home: "/home/u", Name: "u"}
		in.Config.Umask = "0027"
	}),
	"user-cap-add": onUnified(func(in *Input) {
		in.User = User{UID: 1000, GID: 1000}
		in.Config.Security.CapAdd = []string{"CAP_NET_BIND_SERVICE"}
	}),
	"environment": onUnified(func(in *Input) {
		in.Env = []string{"TZ=UTC", "http_proxy=http://engine"}
		in.Config.Process.Env = []string{"PATH=/bin", "TZ=Asia/Tokyo", "A=1", "A=2", "=bad", "HOME=/elsewhere", "EMPTY="}
		in.Config.Process.WorkDir = "/srv"
	}),
	"terminal":          onUnified(func(in *Input) { in.Config.Process.Terminal = true }),
	"no-new-privileges": onUnified(func(in *Input) { in.Config.Security.NoNewPrivileges = true }),
	"init":              onUnified(func(in *Input) { in.Config.Init, in.InitBinary = true, "/usr/libexec/init" }),
	"rlimits": every(func(in *Input) {
		in.Config.Process.Rlimits = []container.Rlimit{
			{Name: "nofile", Soft: 1048576, Hard: 1048577}, {Name: "nproc", Soft: -1, Hard: -1, Asked: true}, {Name: "core", Soft: 0, Hard: -1, Asked: true},
		}
	}),
	"oom-score": every(func(in *Input) { in.Config.Process.OOMScoreAdj = number(-500) }),
	"apparmor":  onUnified(func(in *Input) { in.Config.Security.AppArmor = "mine" }),
	"apparmor-default": every(func(in *Input) {
		in.AppArmorProfile = "berth-default"
	}),
	"selinux-labels": every(func(in *Input) {
		in.ProcessLabel, in.MountLabel = "system_u:system_r:container_t:s0", "system_u:object_r:container_file_t:s0"
	}),
	"seccomp-custom": onUnified(func(in *Input) {
		in.Config.Security.Seccomp, in.Config.Security.SeccompProfile = "/p.json", customProfile
	}),
	"mask-unmask": onUnified(func(in *Input) {
		in.Config.Security.Mask, in.Config.Security.Unmask = []string{"/proc/cpuinfo"}, []string{"/proc/k*", "/proc/sys"}
	}),
	"unmask-all": onUnified(func(in *Input) { in.Config.Security.Unmask = []string{"ALL"} }),
	"sysctl": onUnified(func(in *Input) {
		in.Config.Security.Sysctl = map[string]string{"net.ipv4.ip_forward": "1", "kernel.shmmax": "1", "net.ipv4.ping_group_range": "1 0"}
	}),
	"namespaces-host":   every(hostNamespaces),
	"namespaces-joined": onUnified(joinedNamespaces),
	"network-own":       onUnified(func(in *Input) { in.NamespacePaths = map[string]string{"network": "/run/netns/own"} }),
	"network-host":      onUnified(func(in *Input) { in.Config.Network.Namespace.Mode = container.Host }),
	"cgroupns-private":  every(func(in *Input) { in.Config.Namespaces.Cgroup.Mode = container.Private }),
	"ipc-none":          onUnified(func(in *Input) { in.Config.Namespaces.IPC.Mode = container.None }),
	"ipc-shareable": onUnified(func(in *Input) {
		in.Config.Namespaces.IPC.Mode = container.Shareable
		in.ShmPath = "/run/c/shm"
	}),
	"shm-size": onUnified(func(in *Input) { in.Config.ShmSize = 1 << 20 }),
	"userns": onUnified(func(in *Input) {
		in.Config.Namespaces.User.Mode = container.Auto
		in.Config.Namespaces.UIDMap, in.Config.Namespaces.GIDMap = someMap, someMap
	}),
	"userns-tiny-host-namespaces": onUnified(func(in *Input) {
		hostNamespaces(in)
		in.Config.Namespaces.User.Mode = container.Private
		in.Config.Namespaces.UIDMap = []container.IDMap{{ContainerID: 0, HostID: 100000, Size: 1}}
		in.Config.Namespaces.GIDMap = in.Config.Namespaces.UIDMap
	}),
	"mounts":    onUnified(someMounts),
	"mount-dev": onUnified(func(in *Input) { in.Mounts = []Mount{{Type: "bind", Source: "/dev", Destination: "/dev"}} }),
	"mount-sys": onUnified(func(in *Input) {
		in.Mounts = []Mount{{Type: "bind", Source: "/sys", Destination: "/sys", Options: []string{"ro"}}}
	}),
	"read-only-mounts": onUnified(func(in *Input) {
		in.Config.ReadOnly, in.Config.ReadWriteTmpfs = true, true
		in.Mounts = []Mount{{Type: "tmpfs", Destination: "/var"}, {Type: "bind", Source: "/mine", Destination: "/run"}}
	}),
	"mount-over-files": onUnified(func(in *Input) {
		in.Mounts = []Mount{{Type: "bind", Source: "/my/hosts", Destination: "/etc/hosts"}, {Type: "tmpfs", Destination: "/dev/shm"}}
	}),
	"devices": every(func(in *Input) {
		in.Devices = []Device{
			{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229, FileMode: 0o666, Access: "rwm"},
			{Path: "/dev/pipe", Type: "p", FileMode: 0o600, UID: 1, GID: 2, Access: "rw"},
		}
		in.Config.Resources.DeviceCgroupRules = []string{"c 13:* rwm", "b *:1 r"}
	}),
	"resources":          every(allResources),
	"memory":             every(func(in *Input) { in.Config.Resources.Memory = 64 << 20 }),
	"memory-no-swap":     every(func(in *Input) { in.Config.Resources.Memory, in.Config.Resources.MemorySwap = 64<<20, 64<<20 }),
	"memory-swap-no-end": every(func(in *Input) { in.Config.Resources.Memory, in.Config.Resources.MemorySwap = 64<<20, -1 }),
	"unlimited":          onUnified(func(in *Input) { in.Config.Resources.PidsLimit, in.Config.Resources.CPUQuota = -1, -1 }),
	"cgroups-disabled":   onUnified(func(in *Input) { in.Config.Resources.Cgroups = "disabled" }),
	"no-cgroups":         onUnified(func(in *Input) { in.Host.Cgroups = noCgroups; allResources(in) }),
	"systemd": onUnified(func(in *Input) {
		in.CgroupsPath, in.Systemd = "machine.slice:berth:id", true
		in.Config.StopSignal, in.Config.StopTimeout = 37, 0
		in.Config.Annotations = map[string]string{"org.systemd.property.CPUWeight": "uint64 50"}
	}),
	"annotations": onUnified(func(in *Input) {
		in.ImageAnnotations = map[string]string{
			"org.opencontainers.image.title": "ok", "org.opencontainers.image.version": "1", "run.oci.hooks.stderr": "/evil",
			"org.systemd.property.ExecStart": "/evil", "io.kubernetes.cri.x": "evil", "": "evil",
		}
		in.Config.Annotations = map[string]string{"run.oci.keep_original_groups": "1", "org.opencontainers.image.version": "mine"}
		in.Config.Labels = map[string]string{"run.oci.label": "labels are no annotations"}
	}),
}

const customProfile = `{
  "defaultAction": "SCMP_ACT_ERRNO",
  "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}, {"architecture": "SCMP_ARCH_ARM", "subArchitectures": null}],
  "syscalls": [
    {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"},
    {"name": "old", "action": "SCMP_ACT_ALLOW", "comment": "an older form"},
    {"names": ["for-admins"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
    {"names": ["for-others"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
    {"names": ["for-arm"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm64"]}},
    {"names": ["for-new"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "6.1"}},
    {"names": ["for-newer"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "6.2"}},
    {"names": ["errno"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5}
  ]
}`

func hostNamespaces(in *Input) {
	h := container.Namespace{Mode: container.Host}
	in.Config.Namespaces = container.Namespaces{PID: h, IPC: h, UTS: h, Cgroup: h, User: h}
	in.Config.Network.Namespace = h
}

func joinedNamespaces(in *Input) {
	from := container.Namespace{Mode: container.FromContainer, Target: "other"}
	in.Config.Namespaces = container.Namespaces{PID: from, IPC: from, UTS: from, Cgroup: from, User: from}
	in.Config.Network.Namespace = container.Namespace{Mode: container.FromPath, Target: "/run/netns/x"}
	in.ShmPath = "/run/other/shm"
	in.NamespacePaths = map[string]string{}
	for _, kind := range []string{"pid", "ipc", "uts", "cgroup", "user", "network"} {
		in.NamespacePaths[kind] = "/proc/42/ns/" + kind
	}
}

func someMounts(in *Input) {
	in.Mounts = []Mount{
		Resolved(container.Mount{Type: container.Bind, Destination: "/a/b/c", ReadOnly: true}, "/src"),
		Resolved(container.Mount{Type: container.Volume, Source: "data", Destination: "/a", Options: []string{"exec"}}, "/volumes/data"),
		Resolved(container.Mount{Type: container.Bind, Destination: "/slave", Options: []string{"rslave"}}, "/s"),
		Resolved(container.Mount{Type: container.Bind, Destination: "/shared", Options: []string{"bind", "shared"}}, "/s"),
		Resolved(container.Mount{Type: container.Tmpfs, Destination: "/t", Options: []string{"size=1024", "noexec", "dev", "notmpcopyup"}, ReadOnly: true}, ""),
		Resolved(container.Mount{Type: container.Tmpfs, Destination: "/a/twice"}, ""),
		Resolved(container.Mount{Type: container.Bind, Destination: "/a/twice/"}, "/last"),
		{Type: "bind", Source: "/m", Destination: "/mapped", UIDMap: someMap, GIDMap: someMap},
	}
}

func allResources(in *Input) {
	in.Config.Resources = container.Resources{
		Memory: 64 << 20, MemorySwap: 128 << 20, MemoryReservation: 32 << 20, MemorySwappiness: number(uint64(10)), OOMKillDisable: true,
		CPUShares: 512, CPUPeriod: 100000, CPUQuota: 50000, CPUSetCPUs: "0-1", CPUSetMems: "0", PidsLimit: 100, BlkioWeight: 500,
	}
}

var execs = map[string]func(x *ExecInput){
	"plain": func(x *ExecInput) {},
	"options": func(x *ExecInput) {
		x.Session.Env = []string{"A=session", "B=2"}
		x.Session.WorkDir, x.Session.Terminal = "/tmp", true
		x.Config.Process.Env = []string{"A=container"}
		x.Config.Process.WorkDir = "/srv"
		x.Config.Process.Rlimits = []container.Rlimit{{Name: "nofile", Soft: 10, Hard: 20}}
		x.Config.Umask = "0077"
		x.Config.Security.NoNewPrivileges = true
		x.AppArmorProfile = "berth-default"
		x.User = User{UID: 1000, GID: 1000, Home: "/home/u"}
	},
	"privileged": func(x *ExecInput) { x.Session.Privileged = true; x.AppArmorProfile = "berth-default" },
	"capabilities": func(x *ExecInput) {
		x.Config.Security.CapAdd, x.Config.Security.CapDrop = []string{"CAP_SYS_PTRACE"}, []string{"CAP_CHOWN"}
	},
	"of-privileged": func(x *ExecInput) { x.Config.Security.Privileged = true },
}

var noCgroups = host.Cgroups{Mode: host.NoneCG}
