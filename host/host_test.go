package host

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// files makes a tree with these files.
func files(t *testing.T, content map[string]string) tree {
	t.Helper()
	root := t.TempDir()
	for name, text := range content {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return tree(root)
}

func TestCgroupModeFollowsFromWhatIsMounted(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		want  Cgroups
	}{
		"unified": {
			map[string]string{"sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n", "proc/swaps": ""},
			Cgroups{Mode: Unified, Controllers: []string{"cpu", "cpuset", "io", "memory", "pids"}, SwapLimit: true, BlkioWeight: true},
		},
		"unified without controllers": {
			map[string]string{"sys/fs/cgroup/cgroup.controllers": "\n"},
			Cgroups{Mode: Unified, Controllers: []string{}, BlkioWeight: true},
		},
		"hybrid with a controller on version 2": {
			map[string]string{
				"sys/fs/cgroup/unified/cgroup.controllers": "hugetlb\n", "sys/fs/cgroup/unified/cgroup.procs": "",
				"sys/fs/cgroup/memory/cgroup.procs": "", "sys/fs/cgroup/pids/cgroup.procs": "", "sys/fs/cgroup/systemd/cgroup.procs": "",
				"sys/fs/cgroup/memory/memory.memsw.limit_in_bytes": "",
			},
			Cgroups{Mode: Hybrid, Controllers: []string{"memory", "pids"}, V2Controllers: []string{"hugetlb"}, SwapLimit: true},
		},
		"legacy with joint hierarchies": {
			map[string]string{
				"sys/fs/cgroup/cpu,cpuacct/cgroup.procs": "", "sys/fs/cgroup/cpu/cgroup.procs": "",
				"sys/fs/cgroup/net_cls,net_prio/cgroup.procs": "", "sys/fs/cgroup/name=own/cgroup.procs": "",
				"sys/fs/cgroup/pids/nothing-is-mounted-here": "",
				"sys/fs/cgroup/blkio/cgroup.procs":           "", "sys/fs/cgroup/blkio/blkio.bfq.weight": "",
			},
			Cgroups{Mode: Legacy, Controllers: []string{"blkio", "cpu", "cpuacct", "net_cls", "net_prio"}, BlkioWeight: true},
		},
		"none": {nil, Cgroups{Mode: NoneCG}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := readCgroups(files(t, test.files)); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestFactsComeFromTheFilesOfTheTree(t *testing.T) {
	root := files(t, map[string]string{
		"proc/self/status":                               "Name:\tberth\nCapEff:\t0000000001000001\nCapBnd:\t0000000000000003\nSeccomp:\t0\n",
		"proc/sys/kernel/random/boot_id":                 "b0a7\n",
		"proc/sys/kernel/osrelease":                      "6.1.0-18-amd64\n",
		"proc/sys/fs/nr_open":                            "1048576\n",
		"run/systemd/system/.keep":                       "",
		"sys/module/apparmor/parameters/enabled":         "Y\n",
		"sys/fs/selinux/enforce":                         "1",
		"proc/self/oom_score_adj":                        "-500\n",
		"sys/devices/system/cpu/cpu0/thermal_throttle/x": "",
		"sys/devices/system/cpu/present":                 "0-1,4\n",
		"etc/subuid":                                     "containers:100000:65536\nother:1:2\n",
		"etc/subgid":                                     "containers:200000:65536\n",
		"sys/fs/cgroup/cgroup.controllers":               "cpu",
		"sys/fs/cgroup/unified/cgroup.controllers":       "ignored on a unified host",
		"sys/fs/cgroup/memory/cgroup.procs":              "ignored too",
	})
	var got Facts
	if err := got.readTree(root); err != nil {
		t.Fatal(err)
	}
	want := Facts{
		BootID: "b0a7", Kernel: KernelVersion{6, 1}, NROpen: 1048576, Systemd: true, AppArmor: true, SELinux: true, Seccomp: true,
		CanRaiseLimits: true, Capabilities: []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE"},
		Cgroups: Cgroups{Mode: Unified, Controllers: []string{"cpu"}, BlkioWeight: true}, OOMScoreAdj: -500,
		ThermalThrottle: []string{
			"/sys/devices/system/cpu/cpu0/thermal_throttle", "/sys/devices/system/cpu/cpu1/thermal_throttle",
			"/sys/devices/system/cpu/cpu4/thermal_throttle",
		},
		SubUIDs: []IDRange{{100000, 65536}}, SubGIDs: []IDRange{{200000, 65536}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestWithoutProcNothingIsGuessed(t *testing.T) {
	var f Facts
	if err := f.readTree(files(t, nil)); !errors.Is(err, errdefs.ErrInternal) {
		t.Errorf("got %v, want an internal error that says /proc is not mounted", err)
	}
}

func TestThisMachineIsRead(t *testing.T) {
	f, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	if f.BootID == "" || f.Kernel.Major == 0 || f.Arch == "" || len(f.Limits) != len(limitNumbers) || len(f.Capabilities) == 0 {
		t.Errorf("facts are missing: %+v", f)
	}
}

func TestKernelReleaseIsParsed(t *testing.T) {
	for release, want := range map[string]KernelVersion{
		"6.1.0-18-amd64": {6, 1}, "5.4-rc1": {5, 4}, "3.10": {3, 10}, "7": {7, 0}, "": {}, "5.15.0": {5, 15},
	} {
		if got := parseRelease(release); got != want {
			t.Errorf("%q: got %v, want %v", release, got, want)
		}
	}
}

func TestKernelVersionsCompareByMajorFirst(t *testing.T) {
	k := KernelVersion{5, 4}
	for v, want := range map[KernelVersion]bool{{5, 4}: true, {5, 3}: true, {4, 20}: true, {5, 5}: false, {6, 0}: false} {
		if got := k.AtLeast(v.Major, v.Minor); got != want {
			t.Errorf("5.4 at least %v: got %v, want %v", v, got, want)
		}
	}
}

func TestLimitsAreClampedToWhatCanBeSet(t *testing.T) {
	limits := map[string]Limit{"nofile": {1024, 20000}, "core": {0, -1}, "nproc": {-1, -1}}
	plain := Facts{Limits: limits, NROpen: 1 << 20}
	mighty := Facts{Limits: limits, NROpen: 1 << 20, CanRaiseLimits: true}
	tests := []struct {
		facts      Facts
		name       string
		want, got  Limit
		clampedWas bool
	}{
		{plain, "nofile", Limit{1024, 4096}, Limit{1024, 4096}, false},
		{plain, "nofile", Limit{1024, 1048576}, Limit{1024, 20000}, true},
		{plain, "nofile", Limit{-1, -1}, Limit{20000, 20000}, true},
		{plain, "core", Limit{-1, -1}, Limit{-1, -1}, false},
		{plain, "nproc", Limit{5, 4}, Limit{4, 4}, true},
		{plain, "unheard", Limit{1, 2}, Limit{1, 2}, false},
		{mighty, "nofile", Limit{1024, 1 << 20}, Limit{1024, 1 << 20}, false},
		{mighty, "nofile", Limit{-1, -1}, Limit{1 << 20, 1 << 20}, true},
		{mighty, "nproc", Limit{-1, -1}, Limit{-1, -1}, false},
		{Facts{CanRaiseLimits: true}, "nofile", Limit{-1, -1}, Limit{-1, -1}, false},
	}
	for _, test := range tests {
		got, clamped := test.facts.Clamp(test.name, test.want)
		if got != test.got || clamped != test.clampedWas {
			t.Errorf("%s %v (can raise: %v): got %v %v, want %v %v",
				test.name, test.want, test.facts.CanRaiseLimits, got, clamped, test.got, test.clampedWas)
		}
	}
}

func TestSubordinateIDsOfOneOwner(t *testing.T) {
	text := "# a comment\ncontainers:100000:65536\nann:1:2\ncontainers:300000:10\ncontainers:x:10\ncontainers:5:0\n" +
		"containers:4294967295:1\ncontainers:9223372036854775807:9223372036854775807\ncontainers:-1:5\ncontainers\n"
	want := []IDRange{{100000, 65536}, {300000, 10}}
	if got := parseSubIDs(text, []string{"containers"}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSubordinateIDsOfAUserByNameAndNumber(t *testing.T) {
	root := files(t, map[string]string{
		"etc/passwd": "root:x:0:0::/:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n",
		"etc/subuid": "ann:1:2\n1000:10:5\ncontainers:100:1\n",
		"etc/subgid": "ann:3:4\n",
	})
	uids, gids := readSubIDs(root, 1000)
	if want := []IDRange{{1, 2}, {10, 5}}; !reflect.DeepEqual(uids, want) {
		t.Errorf("UIDs: got %v, want %v", uids, want)
	}
	if want := []IDRange{{3, 4}}; !reflect.DeepEqual(gids, want) {
		t.Errorf("GIDs: got %v, want %v", gids, want)
	}
}

func TestStatIsCountedFromTheLastParenthesis(t *testing.T) {
	tail := " S 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 13 14"
	for _, comm := range []string{"sh", "a b", "x) R 1 2 3", "((", "))", ") S 1 1 1 0 -1 1 1 1 1 1 1 1 1 1 20 0 1 0 1 1"} {
		state, start, ok := parseStat([]byte(fmt.Sprintf("42 (%s)%s\n", comm, tail)))
		if state != 'S' || start != 987654 || !ok {
			t.Errorf("comm %q: got %c %d %v, want S 987654 true", comm, state, start, ok)
		}
	}
	for _, bad := range []string{"", "42 (sh", "42 (sh) S 1 2", "42 (sh) S 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 x 13"} {
		if _, _, ok := parseStat([]byte(bad)); ok {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func FuzzStat(f *testing.F) {
	f.Add([]byte("42 (sh) S 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 13"))
	f.Fuzz(func(t *testing.T, stat []byte) { parseStat(stat) })
}

func FuzzCPUList(f *testing.F) {
	f.Add("0-3,8")
	f.Add("0-99999999999")
	f.Fuzz(func(t *testing.T, list string) {
		if n := len(parseCPUList(list)); n > maxCPUs {
			t.Errorf("%q: got %d processors, want at most %d", list, n, maxCPUs)
		}
	})
}

func FuzzSubIDs(f *testing.F) {
	f.Add("containers:1:2\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, r := range parseSubIDs(text, []string{"containers"}) {
			if !inIDSpace(r.First, r.Size) {
				t.Errorf("%q gives the range %v, which is none", text, r)
			}
		}
	})
}

func TestAProcessIsAliveUntilItEnds(t *testing.T) {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	start, err := StartTime(cmd.Process.Pid)
	if err != nil || start == 0 {
		t.Fatalf("start time of a running process: got %d, %v", start, err)
	}
	if !Alive(cmd.Process.Pid, start) {
		t.Error("a running process is not alive")
	}
	if Alive(cmd.Process.Pid, start+1) {
		t.Error("a process with another start time is taken for the same")
	}
	in.Close()
	awaitZombie(t, cmd.Process.Pid)
	if Alive(cmd.Process.Pid, start) {
		t.Error("a zombie is alive")
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := StartTime(cmd.Process.Pid); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("start time of a process that is gone: got %v, want not found", err)
	}
}

// awaitZombie returns when the child has ended; it stays a zombie until it is waited for.
func awaitZombie(t *testing.T, pid int) {
	t.Helper()
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
}

func TestNoProcessHasAnIDBelowOne(t *testing.T) {
	for _, pid := range []int{0, -1} {
		if _, err := StartTime(pid); !errors.Is(err, errdefs.ErrNotFound) {
			t.Errorf("%d: got %v, want not found", pid, err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	for b.Loop() {
		if _, err := Read(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAlive(b *testing.B) {
	start, err := StartTime(os.Getpid())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		Alive(os.Getpid(), start)
	}
}
