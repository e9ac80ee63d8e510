package ocispec

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/host"
)

var update = flag.Bool("update", false, "rewrite the golden files under testdata")

// unified is a machine of today, by systemd: control groups of version 2, AppArmor.
func unified() host.Facts {
	return host.Facts{
		BootID: "boot", Kernel: host.KernelVersion{Major: 6, Minor: 1}, Arch: "amd64",
		Cgroups: host.Cgroups{
			Mode: host.Unified, Controllers: []string{"cpu", "cpuset", "io", "memory", "pids"}, SwapLimit: true, BlkioWeight: true,
		},
		Systemd: true, CanRaiseLimits: true, NROpen: 1048576, Seccomp: true, AppArmor: true,
		Limits:          map[string]host.Limit{"nofile": {Soft: 1024, Hard: 524288}, "nproc": {Soft: 1000, Hard: 1000}},
		Capabilities:    allCapabilities(),
		ThermalThrottle: []string{"/sys/devices/system/cpu/cpu0/thermal_throttle", "/sys/devices/system/cpu/cpu1/thermal_throttle"},
	}
}

// hybrid is a confined machine: controllers of version 1 and not all of them, no CAP_SYS_RESOURCE, no security modules.
func hybrid() host.Facts {
	f := unified()
	f.Cgroups = host.Cgroups{
		Mode: host.Hybrid, Controllers: []string{"blkio", "cpu", "devices", "freezer", "memory", "pids"}, V2Controllers: []string{"hugetlb"},
	}
	f.Systemd, f.AppArmor, f.CanRaiseLimits = false, false, false
	f.ThermalThrottle = nil
	f.OOMScoreAdj = 100
	f.Capabilities = nil
	for _, name := range allCapabilities() {
		if name != "CAP_SYS_RESOURCE" {
			f.Capabilities = append(f.Capabilities, name)
		}
	}
	return f
}

// selinux is a machine with SELinux and without systemd.
func selinux() host.Facts {
	f := unified()
	f.Systemd, f.AppArmor, f.SELinux = false, false, true
	return f
}

func allCapabilities() []string {
	return []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID",
		"CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW",
		"CAP_IPC_LOCK", "CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT",
		"CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD",
		"CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG",
		"CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
	}
}

// plainInput is a container that asks for nothing.
func plainInput(f host.Facts) Input {
	return Input{
		Config: &container.Config{
			ID: "0123456789ab", Name: "web", Process: container.Process{Entrypoint: []string{"/entry"}, Command: []string{"serve"}},
			Network: container.Network{Namespace: container.Namespace{Mode: container.None}},
		},
		Host: f, Rootfs: "/state/rootfs", Hostname: "0123456789ab", CgroupsPath: "machine.slice:berth:0123456789ab",
		User: User{Home: "/root", Name: "root"},
		Files: []Mount{
			{Type: "bind", Source: "/run/c/hosts", Destination: "/etc/hosts", Options: []string{"bind", "rprivate"}},
			{Type: "bind", Source: "/run/c/resolv.conf", Destination: "/etc/resolv.conf", Options: []string{"bind", "rprivate"}},
		},
	}
}

// golden compares with a file of testdata, or writes it with -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what is built now (go test -update, if this is meant):\n%s", file, diff.Diff("want", want, "got", got))
	}
}

func pretty(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

func mustBuild(t *testing.T, in Input) []byte {
	t.Helper()
	spec, err := Build(in)
	if err != nil {
		t.Fatal(err)
	}
	return pretty(t, spec)
}

var hosts = map[string]func() host.Facts{"unified": unified, "hybrid": hybrid, "selinux": selinux}

// TestDefaultSpecs has the whole spec of a container that asks for nothing, on each host.
func TestDefaultSpecs(t *testing.T) {
	for name, facts := range hosts {
		t.Run(name, func(t *testing.T) {
			golden(t, "default/"+name+".json", mustBuild(t, plainInput(facts())))
		})
	}
}

// TestSeccompProfiles has the whole filter as it comes out for a default and for a mighty container.
func TestSeccompProfiles(t *testing.T) {
	for name, caps := range map[string][]string{"default": nil, "all-capabilities": {"ALL"}} {
		in := plainInput(unified())
		in.DefaultSeccomp = true
		in.Config.Security.CapAdd = caps
		spec, err := Build(in)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "seccomp/"+name+".json", pretty(t, spec.Linux.Seccomp))
	}
}

// TestOptionsChangeTheSpec has, for each option and host, what it changes in the default spec, and the warnings.
func TestOptionsChangeTheSpec(t *testing.T) {
	for name, option := range options {
		for on, facts := range hosts {
			if option.only != "" && option.only != on {
				continue
			}
			t.Run(name+"/"+on, func(t *testing.T) {
				in := plainInput(facts())
				option.set(&in)
				text := diff.Diff("default", mustBuild(t, plainInput(facts())), "with "+name, mustBuild(t, in))
				for _, w := range Warnings(in) {
					text = append(text, "warning: "+w+"\n"...)
				}
				golden(t, "options/"+name+"."+on+".diff", text)
			})
		}
	}
}

// TestExecProcesses has the process documents of exec sessions.
func TestExecProcesses(t *testing.T) {
	for name, set := range execs {
		in := plainInput(unified())
		x := ExecInput{
			Config: in.Config, Host: in.Host, User: in.User, Hostname: in.Hostname,
			Session: &container.ExecSession{Command: []string{"sh", "-c", "true"}},
		}
		set(&x)
		p, err := ExecProcess(x)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		golden(t, "exec/"+name+".json", pretty(t, p))
	}
}
