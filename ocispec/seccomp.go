package ocispec

import (
	"encoding/json"
	"slices"

	"github.com/moby/profiles/seccomp"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/host"
)

// seccomp fills in the filter of system calls. A privileged container has only the one that it names.
func (b *builder) seccomp() error {
	s := b.Config.Security
	named := s.Seccomp != "" && s.Seccomp != container.Unconfined
	switch {
	case s.Seccomp == container.Unconfined:
		return nil
	case !b.Host.Seccomp && named:
		return errdefs.NotImplemented("seccomp profile %s was asked for, and this host's kernel does not have seccomp", s.Seccomp)
	case named:
		return b.customSeccomp(s.Seccomp, s.SeccompProfile)
	case b.Host.Seccomp && b.DefaultSeccomp && !b.privileged():
		b.spec.Linux.Seccomp = b.defaultSeccomp()
	}
	return nil
}

// customSeccomp takes a profile in Docker's form, which is that of the runtime spec with conditions.
func (b *builder) customSeccomp(name, content string) error {
	var profile seccomp.Seccomp
	if err := json.Unmarshal([]byte(content), &profile); err != nil {
		return errdefs.Invalid("seccomp profile %s is not a JSON document of Docker's form: %w", name, err)
	}
	if profile.DefaultAction == "" {
		return errdefs.Invalid("seccomp profile %s has no defaultAction", name)
	}
	if len(profile.Architectures) != 0 && len(profile.ArchMap) != 0 {
		return errdefs.Invalid("seccomp profile %s has both architectures and archMap: leave one out", name)
	}
	for _, rule := range profile.Syscalls {
		if rule == nil || rule.Name != "" && len(rule.Names) != 0 {
			return errdefs.Invalid("seccomp profile %s has a rule that is empty or has both name and names", name)
		}
		if rule.Name != "" {
			rule.Names = []string{rule.Name}
		}
	}
	b.spec.Linux.Seccomp = b.resolveProfile(&profile)
	return nil
}

// refusedCalls are system calls that a default container is not to make and that are answered EPERM, as programs expect that know
// them for long. The default answer, ENOSYS, does for the rest of what the profile does not allow: for calls so new that programs
// ask whether they are there, and for those so old that kernels do not have them any more. Every name costs the OCI runtime
// 20 to 40 µs at every start, so that the list is no longer than it has to be.
var refusedCalls = []string{
	"acct", "add_key", "bpf", "chroot", "clock_settime", "delete_module", "fanotify_init", "finit_module", "get_mempolicy",
	"init_module", "io_uring_enter", "io_uring_register", "io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_file_load", "kexec_load",
	"keyctl", "mbind", "migrate_pages", "mount", "move_pages", "name_to_handle_at", "open_by_handle_at", "perf_event_open",
	"pivot_root", "process_vm_readv", "process_vm_writev", "ptrace", "quotactl", "reboot", "request_key", "set_mempolicy",
	"setdomainname", "sethostname", "setns", "settimeofday", "stime", "swapoff", "swapon", "syslog", "umount", "umount2", "unshare",
	"userfaultfd", "vhangup",
}

// defaultSeccomp is the profile of moby/profiles with two differences.
//
// A call that the profile does not know is answered ENOSYS instead of EPERM, so that programs fall back to older calls when libc
// or the kernel is newer than the profile. What is long known and refused is answered EPERM as before; only personality(2) with an
// argument that is not allowed gets ENOSYS too.
//
// The x32 calls of amd64 are left out, so that a program that makes one is killed: distributions ship them switched off, and a
// third architecture costs the OCI runtime half as much again as the other two.
func (b *builder) defaultSeccomp() *specs.LinuxSeccomp {
	filter := b.resolveProfile(seccomp.DefaultProfile())
	filter.Architectures = slices.DeleteFunc(filter.Architectures, func(a specs.Arch) bool { return a == specs.ArchX32 })
	filter.DefaultErrnoRet = errno(unix.ENOSYS)
	filter.Syscalls = slices.DeleteFunc(filter.Syscalls, func(s specs.LinuxSyscall) bool { // what the default says already
		return s.Action == specs.ActErrno && s.ErrnoRet != nil && *s.ErrnoRet == uint(unix.ENOSYS)
	})
	known := map[string]bool{}
	for _, rule := range filter.Syscalls {
		for _, name := range rule.Names {
			known[name] = true
		}
	}
	refused := slices.DeleteFunc(slices.Clone(refusedCalls), func(name string) bool { return known[name] })
	filter.Syscalls = append(filter.Syscalls, specs.LinuxSyscall{Names: refused, Action: specs.ActErrno, ErrnoRet: errno(unix.EPERM)})
	filter.Syscalls = append(filter.Syscalls, b.refusedArguments()...)
	return filter
}

func errno(e unix.Errno) *uint {
	n := uint(e)
	return &n
}

// refusedArguments are the complements of the rules that allow a call with some arguments only.
func (b *builder) refusedArguments() []specs.LinuxSyscall {
	refuse := func(name string, arg specs.LinuxSeccompArg) specs.LinuxSyscall {
		return specs.LinuxSyscall{
			Names: []string{name}, Action: specs.ActErrno, ErrnoRet: errno(unix.EPERM), Args: []specs.LinuxSeccompArg{arg},
		}
	}
	rules := []specs.LinuxSyscall{
		refuse("socket", specs.LinuxSeccompArg{Index: 0, Value: unix.AF_ALG, Op: specs.OpEqualTo}),
		refuse("socket", specs.LinuxSeccompArg{Index: 0, Value: unix.AF_VSOCK, Op: specs.OpEqualTo}),
	}
	if b.bounded("CAP_SYS_ADMIN") {
		return rules
	}
	flags := uint(0)
	if b.Host.Arch == "s390x" {
		flags = 1 // clone(2): the order of the arguments is another there
	}
	for _, bit := range []uint64{
		unix.CLONE_NEWNS, unix.CLONE_NEWUTS, unix.CLONE_NEWIPC, unix.CLONE_NEWUSER, unix.CLONE_NEWPID, unix.CLONE_NEWNET,
		unix.CLONE_NEWCGROUP,
	} {
		rules = append(rules, refuse("clone", specs.LinuxSeccompArg{Index: flags, Value: bit, ValueTwo: bit, Op: specs.OpMaskedEqual}))
	}
	return rules
}

func (b *builder) bounded(capability string) bool {
	return slices.Contains(b.spec.Process.Capabilities.Bounding, capability)
}

// resolveProfile decides the conditions of a profile for this container and host.
func (b *builder) resolveProfile(p *seccomp.Seccomp) *specs.LinuxSeccomp {
	filter := new(specs.LinuxSeccomp)
	*filter = p.LinuxSeccomp
	filter.Syscalls = nil
	arch := nativeArch[b.Host.Arch]
	for _, a := range p.ArchMap {
		if a.Arch == arch.seccomp {
			filter.Architectures = append(filter.Architectures, a.Arch)
			filter.Architectures = append(filter.Architectures, a.SubArches...)
		}
	}
	for _, rule := range p.Syscalls {
		if b.onArch(rule, arch.profile) && b.included(rule.Includes) && !b.excluded(rule.Excludes) {
			filter.Syscalls = append(filter.Syscalls, rule.LinuxSyscall)
		}
	}
	return filter
}

func (b *builder) onArch(rule *seccomp.Syscall, arch string) bool {
	if rule.Includes != nil && len(rule.Includes.Arches) > 0 && !slices.Contains(rule.Includes.Arches, arch) {
		return false
	}
	return rule.Excludes == nil || !slices.Contains(rule.Excludes.Arches, arch)
}

// included: all that the filter names must hold.
func (b *builder) included(f *seccomp.Filter) bool {
	if f == nil {
		return true
	}
	for _, name := range f.Caps {
		if !b.bounded(name) {
			return false
		}
	}
	return f.MinKernel == nil || kernelAtLeast(b.Host.Kernel, f.MinKernel)
}

// excluded: one of what the filter names is enough.
func (b *builder) excluded(f *seccomp.Filter) bool {
	if f == nil {
		return false
	}
	return slices.ContainsFunc(f.Caps, b.bounded) || f.MinKernel != nil && kernelAtLeast(b.Host.Kernel, f.MinKernel)
}

func kernelAtLeast(k host.KernelVersion, v *seccomp.KernelVersion) bool {
	return k.AtLeast(int(v.Kernel), int(v.Major))
}

// nativeArch names Go's architectures as the runtime spec and as profiles' conditions do (libseccomp's names).
var nativeArch = map[string]struct {
	seccomp specs.Arch
	profile string
}{
	"386":      {specs.ArchX86, "x86"},
	"amd64":    {specs.ArchX86_64, "amd64"},
	"arm":      {specs.ArchARM, "arm"},
	"arm64":    {specs.ArchAARCH64, "arm64"},
	"loong64":  {specs.ArchLOONGARCH64, "loongarch64"},
	"mips64":   {specs.ArchMIPS64, "mips64"},
	"mips64le": {specs.ArchMIPSEL64, "mipsel64"},
	"mipsle":   {specs.ArchMIPSEL, "mipsel"},
	"ppc64le":  {specs.ArchPPC64LE, "ppc64le"},
	"riscv64":  {specs.ArchRISCV64, "riscv64"},
	"s390x":    {specs.ArchS390X, "s390x"},
}
