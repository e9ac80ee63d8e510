package ocispec

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/host"
)

func TestWhatCannotBeIsRefusedWithTheReason(t *testing.T) {
	path := func(m Mount) func(*Input) { return func(in *Input) { in.Mounts = []Mount{m} } }
	tests := map[string]struct {
		set   func(in *Input)
		class error
		says  string
	}{
		"no command":         {func(in *Input) { in.Config.Process = container.Process{} }, errdefs.ErrInvalidArgument, "no command"},
		"relative directory": {func(in *Input) { in.Config.Process.WorkDir = "srv" }, errdefs.ErrInvalidArgument, `working directory "srv"`},
		"relative root":      {func(in *Input) { in.Rootfs = "r" }, errdefs.ErrInvalidArgument, `root file system "r"`},
		"no init":            {func(in *Input) { in.Config.Init = true }, errdefs.ErrInvalidArgument, "init_path"},
		"umask":              {func(in *Input) { in.Config.Umask = "8" }, errdefs.ErrInvalidArgument, `umask "8"`},
		"unknown capability": {func(in *Input) { in.Config.Security.CapAdd = []string{"CAP_X"} }, errdefs.ErrInvalidArgument, "CAP_X"},
		"unknown default":    {func(in *Input) { in.DefaultCapabilities = []string{"CAP_X"} }, errdefs.ErrInvalidArgument, "CAP_X"},
		"added and dropped": {func(in *Input) {
			in.Config.Security.CapAdd, in.Config.Security.CapDrop = []string{"CAP_KILL"}, []string{"CAP_KILL"}
		}, errdefs.ErrInvalidArgument, "both added and dropped"},
		"AppArmor that is not there": {func(in *Input) { in.Host = hybrid(); in.Config.Security.AppArmor = "mine" }, errdefs.ErrNotImplemented, `"mine"`},
		"seccomp that is not there": {func(in *Input) {
			in.Host.Seccomp = false
			in.Config.Security.Seccomp = "/p.json"
		}, errdefs.ErrNotImplemented, "/p.json"},
		"seccomp that is no JSON":     {profile("{"), errdefs.ErrInvalidArgument, "/p.json"},
		"seccomp without an action":   {profile("{}"), errdefs.ErrInvalidArgument, "defaultAction"},
		"seccomp with an empty rule":  {profile(`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[null]}`), errdefs.ErrInvalidArgument, "empty"},
		"seccomp with two names":      {profile(`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","names":["b"]}]}`), errdefs.ErrInvalidArgument, "both name"},
		"seccomp with two arch lists": {profile(`{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],"archMap":[{}]}`), errdefs.ErrInvalidArgument, "archMap"},
		"mount at a relative path":    {path(Mount{Type: "bind", Source: "/s", Destination: "d"}), errdefs.ErrInvalidArgument, `"d"`},
		"mount at the root":           {path(Mount{Type: "bind", Source: "/s", Destination: "/a/.."}), errdefs.ErrInvalidArgument, "root directory"},
		"mount of another type":       {path(Mount{Type: "nfs", Source: "/s", Destination: "/d"}), errdefs.ErrInternal, `"nfs"`},
		"half a map":                  {path(Mount{Type: "bind", Source: "/s", Destination: "/d", UIDMap: someMap}), errdefs.ErrInvalidArgument, "needs both"},
		"device at a relative path":   {func(in *Input) { in.Devices = []Device{{Path: "dev"}} }, errdefs.ErrInvalidArgument, `device "dev"`},
		"device rule":                 {func(in *Input) { in.Config.Resources.DeviceCgroupRules = []string{"x 1:1 r"} }, errdefs.ErrInvalidArgument, "x 1:1 r"},
		"namespace without a path": {func(in *Input) {
			in.Config.Namespaces.PID = container.Namespace{Mode: container.FromContainer, Target: "db"}
		}, errdefs.ErrInternal, `"db"`},
		"user namespace without maps": {func(in *Input) { in.Config.Namespaces.User.Mode = container.Private }, errdefs.ErrInvalidArgument, "--uidmap"},
		"resources":                   {func(in *Input) { in.Config.Resources.MemorySwap = 1 }, errdefs.ErrInvalidArgument, "--memory"},
		"sysctl of the whole machine": {sysctl("vm.swappiness", "1"), errdefs.ErrInvalidArgument, "vm.swappiness"},
		"sysctl with a plus":          {sysctl("kernel.shm_rmid_forced", "1+kernel.core_pattern=|/evil"), errdefs.ErrInvalidArgument, "plus sign"},
		"sysctl with a line end":      {sysctl("net.ipv4.ip_forward", "1\nkernel.core_pattern=x"), errdefs.ErrInvalidArgument, "line end"},
		"sysctl of the host's network": {func(in *Input) {
			in.Config.Network.Namespace.Mode = container.Host
			sysctl("net.ipv4.ip_forward", "1")(in)
		}, errdefs.ErrInvalidArgument, "--network host"},
		"sysctl of the host's IPC": {func(in *Input) {
			in.Config.Namespaces.IPC.Mode = container.Host
			sysctl("kernel.shmmax", "1")(in)
		}, errdefs.ErrInvalidArgument, "--ipc host"},
		"sysctl of the host's name": {func(in *Input) {
			in.Config.Namespaces.UTS.Mode = container.Host
			sysctl("kernel.domainname", "x")(in)
		}, errdefs.ErrInvalidArgument, "--uts host"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			in := plainInput(unified())
			test.set(&in)
			_, err := Build(in)
			if !errors.Is(err, test.class) || err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want an error of class %q that says %q", err, test.class, test.says)
			}
		})
	}
}

func profile(content string) func(*Input) {
	return func(in *Input) { in.Config.Security.Seccomp, in.Config.Security.SeccompProfile = "/p.json", content }
}

func sysctl(name, value string) func(*Input) {
	return func(in *Input) { in.Config.Security.Sysctl = map[string]string{name: value} }
}

// TestInheritableCapabilitiesAreNobodysUnlessAskedFor: CVE-2022-24769 and its kin.
func TestInheritableCapabilitiesAreNobodysUnlessAskedFor(t *testing.T) {
	for name, option := range options {
		in := plainInput(unified())
		option.set(&in)
		if in.User.UID != 0 && len(in.Config.Security.CapAdd) > 0 {
			continue
		}
		spec, err := Build(in)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		p, err := ExecProcess(ExecInput{
			Config: in.Config, Host: in.Host, User: in.User, Session: &container.ExecSession{Command: []string{"sh"}, Privileged: true},
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for what, caps := range map[string]*specs.LinuxCapabilities{"container": spec.Process.Capabilities, "exec": p.Capabilities} {
			if len(caps.Inheritable)+len(caps.Ambient) > 0 {
				t.Errorf("%s, %s: inheritable %v, ambient %v, want none", name, what, caps.Inheritable, caps.Ambient)
			}
		}
	}
}

// TestBuildKeepsItsInput: a spec must not carry anything from one container to another (CVE-2020-14370).
func TestBuildKeepsItsInput(t *testing.T) {
	for name, option := range options {
		in := plainInput(unified())
		option.set(&in)
		in.DefaultSeccomp = true
		before, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		first, err := Build(in)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := pretty(t, first)
		spoil(first)
		if after, _ := json.Marshal(in); string(after) != string(before) {
			t.Errorf("%s: the input is another after Build, or shares memory with the spec", name)
		}
		second, err := Build(in)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := pretty(t, second); string(got) != string(want) {
			t.Errorf("%s: a second Build gives another spec once the first is changed", name)
		}
	}
}

// spoil writes into every list and map of a spec that could be shared.
func spoil(s *specs.Spec) {
	for _, list := range [][]string{
		s.Process.Args, s.Process.Env, s.Process.Capabilities.Bounding, s.Linux.MaskedPaths, s.Linux.ReadonlyPaths,
	} {
		for i := range list {
			list[i] = "spoiled"
		}
	}
	for _, m := range s.Mounts {
		for i := range m.Options {
			m.Options[i] = "spoiled"
		}
	}
	for _, m := range []map[string]string{s.Annotations, s.Linux.Sysctl} {
		if m != nil {
			m["spoiled"] = "yes"
		}
	}
	if s.Linux.Seccomp != nil {
		for _, call := range s.Linux.Seccomp.Syscalls {
			for i := range call.Names {
				call.Names[i] = "spoiled"
			}
		}
	}
	if s.Process.OOMScoreAdj != nil {
		*s.Process.OOMScoreAdj = 1
	}
}

func TestEveryVariableHasOneValue(t *testing.T) {
	in := plainInput(unified())
	in.Config.Process.Env = []string{"A=1", "B=2", "A=3", "PATH=/x"}
	in.Config.Process.Terminal = true
	spec, err := Build(in)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, e := range spec.Process.Env {
		name, _, _ := strings.Cut(e, "=")
		if seen[name] {
			t.Errorf("%s is there twice in %q", name, spec.Process.Env)
		}
		seen[name] = true
	}
}

func TestThePrimaryGroupIsAnAdditionalOne(t *testing.T) {
	in := plainInput(unified())
	in.User = User{UID: 5, GID: 7, Groups: []uint32{8, 7, 8}}
	spec, err := Build(in)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := spec.Process.User.AdditionalGids, []uint32{7, 8}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRefusedCallsAreAnsweredEPERMAndUnknownOnesENOSYS(t *testing.T) {
	in := plainInput(unified())
	in.DefaultSeccomp = true
	spec, err := Build(in)
	if err != nil {
		t.Fatal(err)
	}
	filter := spec.Linux.Seccomp
	if filter.DefaultErrnoRet == nil || *filter.DefaultErrnoRet != 38 {
		t.Fatalf("the default is %v, want ENOSYS", filter.DefaultErrnoRet)
	}
	answers := map[string][]string{}
	for _, rule := range filter.Syscalls {
		answer := string(rule.Action)
		if rule.ErrnoRet != nil && *rule.ErrnoRet == 1 {
			answer = "EPERM"
		}
		if len(rule.Args) > 0 {
			answer += " if"
		}
		for _, name := range rule.Names {
			if !slices.Contains(answers[name], answer) {
				answers[name] = append(answers[name], answer)
			}
		}
	}
	for name, want := range map[string][]string{
		"read": {"SCMP_ACT_ALLOW"}, "mount": {"EPERM"}, "keyctl": {"EPERM"}, "bpf": {"EPERM"}, "unshare": {"EPERM"}, "reboot": {"EPERM"},
		"chroot": {"SCMP_ACT_ALLOW"}, "clone": {"SCMP_ACT_ALLOW if", "EPERM if"}, "socket": {"SCMP_ACT_ALLOW if", "EPERM if"},
		"clone3": nil, "fsopen": nil, "vm86": nil, "s390_pci_mmio_read": nil, "listmount": {"SCMP_ACT_ALLOW"}, "call_of_tomorrow": nil,
	} {
		if got := answers[name]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func TestOldKernelsRefuseWhatTheyCannotConfine(t *testing.T) {
	allows := func(f host.Facts, name string) bool {
		in := plainInput(f)
		in.DefaultSeccomp = true
		spec, err := Build(in)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(spec.Linux.Seccomp.Syscalls, func(s specs.LinuxSyscall) bool {
			return s.Action == specs.ActAllow && slices.Contains(s.Names, name)
		})
	}
	old := unified()
	old.Kernel = host.KernelVersion{Major: 4, Minor: 7}
	if allows(old, "ptrace") {
		t.Error("ptrace is allowed on Linux 4.7, where it gets around seccomp")
	}
	if !allows(unified(), "ptrace") {
		t.Error("ptrace is not allowed on Linux 6.1")
	}
}

func TestDeviceRulesAreParsed(t *testing.T) {
	for text, ok := range map[string]bool{
		"c 1:3 rwm": true, "b *:* r": true, "a *:* rwm": true, "c 1:3": false, "c 1 rwm": false, "d 1:3 rwm": false, "c -1:3 r": false,
		"c 1:3 x": false, "c 1:3 rwmr": false, "": false, "c  1:3  w": true, "c 99999999999:1 r": false,
	} {
		if _, err := parseDeviceRule(text); (err == nil) != ok {
			t.Errorf("%q: got %v, want accepted: %v", text, err, ok)
		}
	}
}

func FuzzDeviceRule(f *testing.F) {
	f.Add("c 13:* rwm")
	f.Fuzz(func(t *testing.T, text string) {
		if r, err := parseDeviceRule(text); err == nil && (r.Access == "" || !strings.Contains("abc", r.Type)) {
			t.Errorf("%q: got %+v", text, r)
		}
	})
}

func FuzzSeccompProfile(f *testing.F) {
	f.Add(customProfile)
	f.Fuzz(func(t *testing.T, content string) {
		in := plainInput(unified())
		profile(content)(&in)
		if spec, err := Build(in); err == nil && spec.Linux.Seccomp.DefaultAction == "" {
			t.Errorf("%q: accepted without a default action", content)
		}
	})
}

func BenchmarkBuild(b *testing.B) {
	in := plainInput(unified())
	in.DefaultSeccomp = true
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Build(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBuildAndMarshal(b *testing.B) {
	in := plainInput(unified())
	in.DefaultSeccomp = true
	for b.Loop() {
		spec, err := Build(in)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := json.Marshal(spec); err != nil {
			b.Fatal(err)
		}
	}
}
