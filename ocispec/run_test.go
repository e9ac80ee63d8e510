package ocispec

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/host"
)

// These tests run what Build makes with the OCI runtimes that are installed, in a root file system with nothing but busybox,
// and look at it from the inside.

// machine is a way to run a bundle: an OCI runtime on this host as it is, or with another tree of control groups.
type machine struct {
	name, runtime string
	// prepare is what a shell does first in a mount namespace of its own.
	prepare string
	// unified tells that it leaves version 2 of the control groups alone.
	unified bool
}

// asVersion1 takes the version 2 tree of a hybrid host away, which crun refuses.
const asVersion1 = `if [ -e /sys/fs/cgroup/unified ]; then umount /sys/fs/cgroup/unified; fi`

// asVersion2 puts the version 2 tree in place of all others; its controllers are those that version 1 does not have.
const asVersion2 = `umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup`

// machines are those that this host can be made into.
func machines(facts host.Facts) []machine {
	if facts.Cgroups.Mode == host.Unified {
		return []machine{{"runc", "runc", "true", true}, {"crun", "crun", "true", true}}
	}
	return []machine{
		{"runc", "runc", "true", false}, {"crun", "crun", asVersion1, false},
		{"runc-v2", "runc", asVersion2, true}, {"crun-v2", "crun", asVersion2, true},
	}
}

func (m machine) command(args ...string) *exec.Cmd {
	script := m.prepare + ` && exec "$@"`
	return exec.Command("unshare", append([]string{"-m", "sh", "-c", script, "sh", m.runtime}, args...)...)
}

// facts are this host's, as the machine changes them.
func (m machine) facts(f host.Facts) host.Facts {
	if m.unified && f.Cgroups.Mode != host.Unified {
		f.Cgroups = host.Cgroups{Mode: host.Unified, Controllers: f.Cgroups.V2Controllers}
	}
	return f
}

// bundle is a container to be run.
type bundle struct {
	machine
	dir, id string
	in      Input
	// compiled is a program for UseCompiledSeccomp.
	compiled []byte
}

// onEach runs a test of a container with the command on each machine.
func onEach(t *testing.T, command []string, test func(t *testing.T, b *bundle)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("OCI runtimes need root here: run this test as root")
	}
	facts, err := host.Read()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range machines(facts) {
		t.Run(m.name, func(t *testing.T) {
			if m.runtime == "crun" && m.unified && !facts.CanRaiseLimits {
				t.Skip("under version 2, crun raises RLIMIT_MEMLOCK to confine devices, which needs CAP_SYS_RESOURCE")
			}
			test(t, newBundle(t, m, facts, command))
		})
	}
}

func newBundle(t *testing.T, m machine, facts host.Facts, command []string) *bundle {
	t.Helper()
	dir := t.TempDir()
	b := &bundle{machine: m, dir: dir, id: fmt.Sprintf("ocispec-%d-%s", os.Getpid(), strings.NewReplacer("/", "-", " ", "-").Replace(t.Name()))}
	t.Cleanup(b.removeCgroups)
	rootfs := filepath.Join(dir, "rootfs")
	installBusybox(t, rootfs)
	b.in = Input{
		Config: &container.Config{
			ID: b.id, Name: "test", Process: container.Process{Command: command},
			Network: container.Network{Namespace: container.Namespace{Mode: container.None}},
		},
		Host: m.facts(facts), Rootfs: rootfs, Hostname: "inside", CgroupsPath: "/" + b.id, DefaultSeccomp: true,
	}
	return b
}

// removeCgroups removes what crun leaves when it fails.
func (b *bundle) removeCgroups() {
	for _, pattern := range []string{"/sys/fs/cgroup/*", "/sys/fs/cgroup"} {
		dirs, _ := filepath.Glob(pattern + b.in.CgroupsPath)
		for _, dir := range dirs {
			os.Remove(dir)
		}
	}
}

func installBusybox(t *testing.T, rootfs string) {
	t.Helper()
	for _, d := range []string{"bin", "etc", "run", "var/tmp", "proc", "sys", "dev", "tmp"} {
		if err := os.MkdirAll(filepath.Join(rootfs, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	copyFile(t, "/bin/busybox", filepath.Join(rootfs, "bin/busybox"))
	for _, applet := range strings.Fields("sh cat grep ls mount touch id env hostname stat mknod mkdir sleep dd wc readlink umask") {
		if err := os.Symlink("busybox", filepath.Join(rootfs, "bin", applet)); err != nil {
			t.Fatal(err)
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatalf("a static busybox and the test's own programs are needed: %v", err)
	}
	if err := os.WriteFile(to, content, 0o755); err != nil {
		t.Fatal(err)
	}
}

// probe is the program of testdata/probe, built once.
func probe(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "probe")
	build := exec.Command("go", "build", "-o", program, "./testdata/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the probe: %v\n%s", err, out)
	}
	return program
}

// run runs the container to its end and returns what it printed, both streams.
func (b *bundle) run(t *testing.T) string {
	t.Helper()
	b.writeSpec(t)
	out, err := b.command("--root", b.state(), "run", "--bundle", b.dir, b.id).CombinedOutput()
	if err != nil {
		b.command("--root", b.state(), "delete", "--force", b.id).Run()
		t.Fatalf("%s run: %v\n%s", b.name, err, out)
	}
	return string(out)
}

func (b *bundle) state() string { return filepath.Join(b.dir, "state") }

func (b *bundle) writeSpec(t *testing.T) {
	t.Helper()
	spec, err := Build(b.in)
	if err != nil {
		t.Fatal(err)
	}
	UseCompiledSeccomp(spec, b.compiled)
	b.write(t, "config.json", spec)
}

func (b *bundle) write(t *testing.T, name string, document any) string {
	t.Helper()
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(b.dir, name)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func sh(lines ...string) []string { return []string{"/bin/sh", "-c", strings.Join(lines, "\n")} }

// expect sees that each of the lines was printed.
func expect(t *testing.T, out string, lines ...string) {
	t.Helper()
	printed := "\n" + strings.ReplaceAll(out, "\t", " ") + "\n"
	for _, l := range lines {
		if !strings.Contains(printed, "\n"+l+"\n") {
			t.Errorf("the line %q was not printed", l)
		}
	}
	if t.Failed() {
		t.Logf("printed:\n%s", out)
	}
}

// try is a line of a script that prints its name with yes or no.
func try(name, command string) string {
	return fmt.Sprintf("if (%s) >/dev/null 2>&1; then echo %s yes; else echo %s no; fi", command, name, name)
}

func TestADefaultContainerIsConfined(t *testing.T) {
	script := sh(
		"grep -E '^(Cap|Seccomp:|NoNewPrivs)' /proc/self/status",
		"echo host $(hostname)", "echo user $(id -u):$(id -g)", "echo container $container", "echo home $HOME",
		"echo ports $(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)",
		"echo keys $(cat /proc/keys | wc -c)", "echo firmware $(ls /sys/firmware | wc -l)", "echo acpi $(ls /proc/acpi | wc -l)",
		"echo shm $(stat -f -c %T /dev/shm)", "echo links $(ls /sys/class/net)",
		try("root-written", "touch /x"), try("sysctl-written", "echo 1 > /proc/sys/vm/swappiness"), try("sys-written", "echo 0 > /sys/kernel/profiling"),
		try("cgroup-written", "f=$(ls -d /sys/fs/cgroup/memory/cgroup.procs /sys/fs/cgroup/cgroup.procs 2>/dev/null) && echo $$ > $f"),
		try("cgroup-seen", "ls /sys/fs/cgroup/memory/tasks || ls /sys/fs/cgroup/cgroup.procs"),
		try("node-made", "mknod /node c 10 229"), try("mounted", "mount -t tmpfs tmpfs /tmp"), try("null-written", "echo x > /dev/null"),
	)
	onEach(t, script, func(t *testing.T, b *bundle) {
		expect(t, b.run(t),
			"CapInh: 0000000000000000", "CapPrm: 00000000800405fb", "CapEff: 00000000800405fb", "CapBnd: 00000000800405fb",
			"CapAmb: 0000000000000000", "NoNewPrivs: 0", "Seccomp: 2",
			"host inside", "user 0:0", "container oci", "home /", "ports 0", "keys 0", "firmware 0", "acpi 0", "shm tmpfs", "links lo",
			"root-written yes", "sysctl-written no", "sys-written no", "cgroup-written no", "cgroup-seen yes", "node-made no", "mounted no", "null-written yes")
	})
}

func TestAPrivilegedContainerIsNot(t *testing.T) {
	script := sh(
		"grep -E '^(CapEff|CapInh|Seccomp:)' /proc/self/status", "echo keys $(cat /proc/keys | wc -c)",
		try("firmware-masked", "grep -q ' /sys/firmware ' /proc/mounts"), try("sysctl-written", "cat /proc/sys/vm/swappiness > /proc/sys/vm/swappiness"),
		try("mounted", "mount -t tmpfs tmpfs /tmp"), try("cgroup-writable", "grep -E '^cgroup2? /sys/fs/cgroup.* rw' /proc/mounts"),
		try("sys-writable", "grep -E '^sysfs /sys sysfs rw' /proc/mounts"), try("device-read", "dd if=/dev/full of=/dev/null count=1"),
		try("other-device-read", "mknod /tmp/kmsg c 1 11 && dd if=/tmp/kmsg of=/dev/null bs=8192 count=1"),
	)
	onEach(t, script, func(t *testing.T, b *bundle) {
		b.in.Config.Security.Privileged = true
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		_, bounding, _ := strings.Cut(string(status), "CapBnd:\t")
		out := b.run(t)
		expect(t, out, "CapEff: "+bounding[:16], "CapInh: 0000000000000000", "Seccomp: 0", "firmware-masked no", "sysctl-written yes",
			"mounted yes", "cgroup-writable yes", "sys-writable yes", "device-read yes", "other-device-read yes")
		if strings.Contains(out, "keys 0\n") {
			t.Errorf("/proc/keys is masked in\n%s", out)
		}
	})
}

func TestAReadOnlyContainerWritesIntoTmpfsOnly(t *testing.T) {
	script := sh(
		try("root", "touch /x"), try("etc", "touch /etc/x"), try("tmp", "touch /tmp/x"), try("run", "touch /run/x"), try("var-tmp", "touch /var/tmp/x"),
		try("shm", "touch /dev/shm/x"), try("dev", "touch /dev/x"), try("copied", "ls /run/of-the-image"), try("null", "echo x > /dev/null"),
	)
	for name, tmpfs := range map[string]bool{"with tmpfs": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			onEach(t, script, func(t *testing.T, b *bundle) {
				b.in.Config.ReadOnly, b.in.Config.ReadWriteTmpfs = true, tmpfs
				if err := os.WriteFile(filepath.Join(b.in.Rootfs, "run/of-the-image"), nil, 0o644); err != nil {
					t.Fatal(err)
				}
				answer := map[bool]string{true: " yes", false: " no"}[tmpfs]
				expect(t, b.run(t), "root no", "etc no", "tmp"+answer, "run"+answer, "var-tmp"+answer, "shm"+answer, "dev"+answer, "copied yes", "null yes")
			})
		})
	}
}

func TestCallsAreAnsweredAsTheProfileSays(t *testing.T) {
	program := probe(t)
	onEach(t, []string{"/bin/probe"}, func(t *testing.T, b *bundle) {
		copyFile(t, program, filepath.Join(b.in.Rootfs, "bin/probe"))
		expect(t, b.run(t), profileAnswers...)
	})
}

// profileAnswers are what the probe prints under the default profile: 1 is EPERM, 38 ENOSYS.
var profileAnswers = []string{
	"call unknown 38", "call keyctl 1", "call mount 1", "call clone-newuser 1", "call clone3 38", "call socket-vsock 1", "call socket-unix 0",
}

func TestTheInitGetsTheCommand(t *testing.T) {
	program := probe(t)
	onEach(t, []string{"/bin/sh", "-c", "x"}, func(t *testing.T, b *bundle) {
		b.in.Config.Init, b.in.InitBinary = true, program
		expect(t, b.run(t), "init 1 -- /bin/sh -c x")
	})
}

func TestAUserHasNoMoreThanWasAdded(t *testing.T) {
	script := sh("grep -E '^Cap' /proc/self/status", "echo user $(id -u) $(id -g) $(id -G)", "echo mask $(umask)")
	onEach(t, script, func(t *testing.T, b *bundle) {
		b.in.User = User{UID: 1000, GID: 100, Groups: []uint32{27}}
		b.in.Config.Umask = "0027"
		expect(t, b.run(t), "CapEff: 0000000000000000", "CapPrm: 0000000000000000", "CapInh: 0000000000000000", "CapBnd: 00000000800405fb",
			"user 1000 100 100 27", "mask 0027")
		b.in.Config.Security.CapAdd = []string{"CAP_NET_RAW"}
		expect(t, b.run(t), "CapEff: 0000000000002000", "CapPrm: 0000000000002000", "CapAmb: 0000000000002000", "CapBnd: 00000000800425fb")
	})
}

func TestLimitsAreThoseOfTheControlGroup(t *testing.T) {
	script := sh("cd /sys/fs/cgroup", "echo memory $(cat memory/memory.limit_in_bytes)", "echo both $(cat memory/memory.memsw.limit_in_bytes)",
		"echo pids $(cat pids/pids.max)", "echo cpu $(cat cpu/cpu.cfs_quota_us cpu/cpu.shares)", "echo cpus $(cat cpuset/cpuset.cpus)",
		"echo device $(cat devices/devices.list | grep 'c 10:229')", "grep 'Max open files' /proc/self/limits")
	onEach(t, script, func(t *testing.T, b *bundle) {
		b.in.Config.Resources = container.Resources{
			Memory: 64 << 20, PidsLimit: 50, CPUPeriod: 100000, CPUQuota: 50000, CPUShares: 512, CPUSetCPUs: "0", BlkioWeight: 500,
		}
		b.in.Devices = []Device{{Path: "/dev/fuse", Type: "c", Major: 10, Minor: 229, FileMode: 0o666, Access: "rw"}}
		b.in.Config.Process.Rlimits = []container.Rlimit{{Name: "nofile", Soft: 100, Hard: 1 << 30}}
		hard, _ := b.in.Host.Clamp("nofile", host.Limit{Soft: 100, Hard: 1 << 30})
		out := b.run(t)
		expect(t, out, fmt.Sprintf("Max open files            100                  %-20d files     ", hard.Hard))
		if !b.unified {
			expect(t, out, "memory 67108864", "both 134217728", "pids 50", "cpu 50000 512", "cpus 0", "device c 10:229 rw")
			return
		}
		// The controllers are all on version 1 of this host: each limit is left out, and said so.
		if got := len(Warnings(b.in)); b.in.Host.Cgroups.Has("memory") == (got > 0) {
			t.Errorf("%d warnings with the controllers %v", got, b.in.Host.Cgroups.Controllers)
		}
	})
}

func TestNamespacesAreThoseAskedFor(t *testing.T) {
	script := sh("for n in pid ipc uts net cgroup user; do echo $n $(readlink /proc/self/ns/$n); done", "echo host $(hostname)", try("shm", "ls -d /dev/shm"))
	onEach(t, script, func(t *testing.T, b *bundle) {
		own := b.run(t)
		for _, kind := range []string{"pid", "ipc", "uts", "net"} {
			if strings.Contains(own, namespace(t, kind)) {
				t.Errorf("the %s namespace is the host's in\n%s", kind, own)
			}
		}
		if shared := strings.Contains(own, namespace(t, "cgroup")); shared == b.unified {
			t.Errorf("the cgroup namespace is the host's: %v, with version 2: %v", shared, b.unified)
		}
		hostNamespaces(&b.in)
		name, err := os.Hostname()
		if err != nil {
			t.Fatal(err)
		}
		expect(t, b.run(t), namespace(t, "pid"), namespace(t, "ipc"), namespace(t, "uts"), namespace(t, "net"), namespace(t, "cgroup"), namespace(t, "user"), "host "+name, "shm yes")
		b.in.Config.Namespaces.IPC.Mode = container.None
		expect(t, b.run(t), "shm no")
		b.in.Config.Namespaces.Cgroup.Mode = container.Private
		if out := b.run(t); strings.Contains(out, namespace(t, "cgroup")) {
			t.Errorf("the cgroup namespace is the host's in\n%s", out)
		}
	})
}

func namespace(t *testing.T, kind string) string {
	t.Helper()
	link, err := os.Readlink("/proc/self/ns/" + kind)
	if err != nil {
		t.Fatal(err)
	}
	return kind + " " + link
}

func TestAUserNamespaceMapsRoot(t *testing.T) {
	script := sh("echo map $(cat /proc/self/uid_map)", "echo user $(id -u)", try("proc", "ls /proc/1"), try("sys", "ls /sys/class"), try("written", "touch /tmp/x"),
		try("cgroup", "ls /sys/fs/cgroup/memory || ls /sys/fs/cgroup/cgroup.procs"))
	for name, set := range map[string]func(*Input){"own namespaces": func(*Input) {}, "namespaces of the host": hostNamespaces} {
		t.Run(name, func(t *testing.T) {
			onEach(t, script, func(t *testing.T, b *bundle) {
				set(&b.in)
				b.in.Config.Namespaces.User.Mode = container.Private
				b.in.Config.Namespaces.UIDMap, b.in.Config.Namespaces.GIDMap = someMap, someMap
				giveTo(t, b.dir, 100000)
				expect(t, b.run(t), "map 0 100000 65536", "user 0", "proc yes", "sys yes", "written yes", "cgroup yes")
			})
		})
	}
}

// giveTo gives the root file system to a user, and lets the user reach it.
func giveTo(t *testing.T, dir string, id int) {
	t.Helper()
	openWay(t, dir)
	if out, err := exec.Command("chown", "-hR", fmt.Sprintf("%d:%d", id, id), filepath.Join(dir, "rootfs")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// openWay lets any user reach a temporary directory.
func openWay(t *testing.T, dir string) {
	t.Helper()
	for ; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAnIDMappedMountHasTheContainersOwners: files of the host's root are the container's root's, though nothing was chowned.
func TestAnIDMappedMountHasTheContainersOwners(t *testing.T) {
	onEach(t, sh("echo owner $(stat -c %u /data/file)", try("written", "touch /data/new")), func(t *testing.T, b *bundle) {
		if b.runtime == "runc" {
			t.Skip("runc maps IDs of mounts from 1.2 on, and ignores the maps before")
		}
		b.in.Config.Namespaces.User.Mode = container.Private
		b.in.Config.Namespaces.UIDMap, b.in.Config.Namespaces.GIDMap = someMap, someMap
		data := t.TempDir()
		if err := os.WriteFile(filepath.Join(data, "file"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		m := Resolved(container.Mount{Type: container.Bind, Destination: "/data", IDMap: true}, data)
		m.UIDMap, m.GIDMap = someMap, someMap
		b.in.Mounts = []Mount{m}
		giveTo(t, b.dir, 100000)
		openWay(t, data)
		expect(t, b.run(t), "owner 0", "written yes")
	})
}

func TestMountsAreMadeInOrder(t *testing.T) {
	script := sh("grep -E ' /(a|t|b)' /proc/mounts", try("deep", "ls /a/b/file"), try("t", "touch /t/x"), "echo size $(stat -f -c '%b %s' /t)",
		try("ro", "touch /a/b/x"), try("rw", "touch /a/x"))
	onEach(t, script, func(t *testing.T, b *bundle) {
		outer, inner := t.TempDir(), t.TempDir()
		if err := os.WriteFile(filepath.Join(inner, "file"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		b.in.Mounts = []Mount{
			Resolved(container.Mount{Type: container.Bind, Destination: "/a/b", ReadOnly: true}, inner),
			Resolved(container.Mount{Type: container.Tmpfs, Destination: "/t", Options: []string{"size=8192", "mode=700"}}, ""),
			Resolved(container.Mount{Type: container.Volume, Destination: "/a"}, outer),
		}
		expect(t, b.run(t), "deep yes", "t yes", "size 2 4096", "ro no", "rw yes")
		if _, err := os.Stat(filepath.Join(outer, "x")); err != nil {
			t.Errorf("what the container wrote into the volume: %v", err)
		}
	})
}

// TestExecHasWhatTheContainerHas runs a second process from ExecProcess's document.
func TestExecHasWhatTheContainerHas(t *testing.T) {
	onEach(t, []string{"/bin/sleep", "60"}, func(t *testing.T, b *bundle) {
		b.start(t)
		look := sh("grep -E '^(Cap|Seccomp:|NoNewPrivs)' /proc/self/status", "echo a $A", "echo in $(readlink /proc/self/cwd)", "echo user $(id -u)")
		plain := b.exec(t, &container.ExecSession{Command: look, Env: []string{"A=1"}, WorkDir: "/etc"}, User{})
		expect(t, plain, "CapInh: 0000000000000000", "CapEff: 00000000800405fb", "CapBnd: 00000000800405fb", "Seccomp: 2", "a 1", "in /etc", "user 0")
		user := b.exec(t, &container.ExecSession{Command: look}, User{UID: 1000, GID: 1000})
		expect(t, user, "CapInh: 0000000000000000", "CapEff: 0000000000000000", "user 1000")
		all := b.exec(t, &container.ExecSession{Command: look, Privileged: true}, User{})
		if strings.Contains(all, "CapEff:\t00000000800405fb") || !strings.Contains(all, "CapInh:\t0000000000000000") {
			t.Errorf("a privileged session has not all capabilities, or inheritable ones:\n%s", all)
		}
	})
}

// start runs the container in the background until the test ends.
func (b *bundle) start(t *testing.T) {
	t.Helper()
	b.writeSpec(t)
	cmd := b.command("--root", b.state(), "run", "--bundle", b.dir, "--detach", b.id)
	log, err := os.Create(filepath.Join(b.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log // a buffer would be waited for until the container ends
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(log.Name())
		t.Fatalf("%s run: %v\n%s", b.name, err, text)
	}
	id := b.id
	t.Cleanup(func() {
		if out, err := b.command("--root", b.state(), "delete", "--force", id).CombinedOutput(); err != nil {
			t.Errorf("%s delete: %v\n%s", b.name, err, out)
		}
	})
}

func (b *bundle) exec(t *testing.T, s *container.ExecSession, u User) string {
	t.Helper()
	p, err := ExecProcess(ExecInput{Config: b.in.Config, Session: s, Host: b.in.Host, User: u, Hostname: b.in.Hostname})
	if err != nil {
		t.Fatal(err)
	}
	file := b.write(t, "process.json", p)
	out, err := b.command("--root", b.state(), "exec", "--process", file, b.id).CombinedOutput()
	if err != nil {
		t.Fatalf("%s exec: %v\n%s", b.name, err, out)
	}
	return string(out)
}
