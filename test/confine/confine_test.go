// Package confine tests what a container may do and what it sees: users, capabilities, namespaces, limits, devices, and the
// files that the engine puts into it.
package confine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-engine/berth/test/sandbox"
)

func TestMain(m *testing.M) { sandbox.Main(m) }

// saying is a container and what it prints.
type saying struct {
	name   string
	flags  []string
	script string
	want   string
}

// says runs each as run --rm FLAGS IMAGE sh -c SCRIPT.
func says(t *testing.T, s *sandbox.Sandbox, image string, cases []saying) {
	t.Helper()
	for _, tc := range cases {
		args := append(append([]string{"run", "--rm"}, tc.flags...), image, "sh", "-c", tc.script)
		r := s.Berth(args...)
		if got := strings.TrimSpace(r.Stdout); r.Code != 0 || got != tc.want {
			t.Errorf("%s: expected %q, got %s", tc.name, tc.want, r)
		}
	}
}

func TestUsersAndGroups(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	says(t, s, bb, []saying{
		{"root is the default", nil, "id -u; id -g", "0\n0"},
		{"a name", []string{"-u", "app"}, "id -u; id -g; id -G; echo $HOME", "1000\n1000\n1000 2000\n/home/app"},
		{"a name and a group", []string{"-u", "app:other"}, "id -u; id -g", "1000\n3000"},
		{"a number that passwd knows", []string{"-u", "1000"}, "id -u; id -g; echo $HOME", "1000\n1000\n/home/app"},
		{"a number that it does not know", []string{"-u", "12345"}, "id -u; id -g; echo $HOME", "12345\n0\n/"},
		{"two numbers", []string{"-u", "12345:54321"}, "id -u; id -g", "12345\n54321"},
		{"further groups", []string{"-u", "app", "--group-add", "other", "--group-add", "4000"}, "id -G", "1000 2000 3000 4000"},
		{"umask", []string{"--umask", "0077"}, "umask", "0077"},
		{"umask by default", nil, "umask", "0022"},
		{"working directory", []string{"-w", "/made/on/the/way"}, "pwd", "/made/on/the/way"},
		{"environment", []string{"-e", "A=1", "-e", "B=x y"}, "echo $A-$B-$PATH", "1-x y-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
	})
	image := sandbox.BusyboxImage("localhost/env:1")
	image.Config.Env = append(image.Config.Env, "A=1", "B=2")
	s.Load(image)
	says(t, s, image.Name, []saying{
		{"the image's environment", []string{"-e", "B=3"}, "echo $A$B", "13"},
		{"an unset variable", []string{"--unsetenv", "A"}, "echo $A$B", "2"},
		{"all unset", []string{"--unsetenv-all", "-e", "C=4"}, "echo $A$B$C", "4"},
	})
	s.Fails(125, []string{"nobody-here"}, "run", "--rm", "-u", "nobody-here", bb, "true")
	s.Fails(125, []string{"no-group"}, "run", "--rm", "-u", "app:no-group", bb, "true")
	s.Fails(125, []string{"4294967296"}, "run", "--rm", "-u", "4294967296", bb, "true")
	s.OK("run", "-d", "--name", "c", "-u", "app", bb, "sleep", "1000")
	sandbox.Equal(t, "exec's user", s.OK("exec", "c", "id", "-u"), "1000")
	sandbox.Equal(t, "exec -u's user", s.OK("exec", "-u", "daemon", "c", "id", "-u"), "1")
	sandbox.Equal(t, "exec -w's directory", s.OK("exec", "-w", "/etc", "c", "pwd"), "/etc")
	sandbox.Equal(t, "exec -e's variable", s.OK("exec", "-e", "X=7", "c", "sh", "-c", "echo $X"), "7")
}

func TestUserOfTheHostAddedToPasswd(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	out := s.OK("run", "--rm", "--hostuser", "nobody", bb, "grep", "^nobody:", "/etc/passwd")
	if !strings.HasPrefix(out, "nobody:") || !strings.Contains(out, ":65534:") {
		t.Errorf("expected the host's entry of nobody, got %q", out)
	}
	s.Fails(125, []string{"no-such-user"}, "run", "--rm", "--hostuser", "no-such-user", bb, "true")
}

func TestAHostilePasswdIsNotFollowedNorWaitedFor(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	for _, tc := range []struct {
		name string
		etc  sandbox.Entry
	}{
		{"fifo", sandbox.Fifo("etc/passwd")},
		{"link", sandbox.Link("etc/passwd", "/proc/self/environ")},
		{"outside", sandbox.Link("etc/passwd", "../../../../../../../../../../etc/passwd")},
		{"loop", sandbox.Link("etc/passwd", "passwd")},
		{"huge", sandbox.File("etc/passwd", 0o644, strings.Repeat("x:x:1:1::/:/bin/sh\n", 2<<20))},
		{"line", sandbox.File("etc/passwd", 0o644, strings.Repeat("x", 20<<20))},
		{"directory", sandbox.Dir("etc/passwd", 0o755)},
	} {
		image := sandbox.BusyboxImage("localhost/"+tc.name+":1", []sandbox.Entry{sandbox.Whiteout("etc/passwd")}, []sandbox.Entry{tc.etc})
		s.Load(image)
		// A number needs no passwd; a name that is not in it is an error that says so. Neither takes for ever.
		r := s.Berth("run", "--rm", "-u", "7:7", image.Name, "id", "-u")
		if r.Code != 0 && r.Code != 125 {
			t.Errorf("%s: by number: %s", tc.name, r)
		}
		s.Fails(125, nil, "run", "--rm", "-u", "mail", image.Name, "id", "-u") // mail is a user of the host's
	}
}

func TestFilesThatTheEngineMakes(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	says(t, s, bb, []saying{
		{"hostname", []string{"-h", "box"}, "hostname; cat /etc/hostname", "box\nbox"},
		{"hosts", []string{"-h", "box", "--add-host", "other:10.1.2.3"}, "grep -c localhost /etc/hosts; awk '/other/{print $1}' /etc/hosts; grep -cw box /etc/hosts", "2\n10.1.2.3\n1"},
		{"resolv.conf", []string{"--dns", "192.0.2.1", "--dns-search", "example.org", "--dns-option", "ndots:2"}, "cat /etc/resolv.conf",
			"search example.org\nnameserver 192.0.2.1\noptions ndots:2"},
		{"containerenv", nil, "test -e /run/.containerenv && echo yes", "yes"},
		{"shm", []string{"--shm-size", "5m"}, "df -k /dev/shm | awk 'NR==2{print $2}'; touch /dev/shm/x && echo writable", "5120\nwritable"},
		{"shm by default", nil, "df -k /dev/shm | awk 'NR==2{print $2}'", "65536"},
		{"time zone", []string{"--timezone", "UTC"}, "date +%Z", "UTC"},
		{"devices", nil, "cd /dev && ls -d full null ptmx random tty urandom zero | wc -l", "7"},
		{"loopback is up", nil, "ip -o addr show lo | grep -c 127.0.0.1", "1"},
		{"no other link", []string{"--network", "none"}, "ip -o link | grep -v ' lo:' | grep -vc -E 'tunl|sit|gre|erspan|ip6|vti'; true", "0"},
	})
	// A container's own changes last over a restart.
	s.OK("run", "--name", "c", bb, "sh", "-c", "echo 10.9.8.7 mine >> /etc/hosts; echo x > /file")
	s.OK("start", "-a", "c")
	if out := s.OK("start", "-a", "c"); out != "" {
		t.Errorf("expected no output, got %q", out)
	}
}

func TestTheWritableLayerLastsAndTheImageStays(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "--name", "c", bb, "sh", "-c", "echo x >> /file; wc -l < /file; rm -f /etc/group")
	sandbox.Equal(t, "the second run", s.OK("start", "-a", "c"), "2")
	says(t, s, bb, []saying{{"another container", nil, "ls /file 2>/dev/null; test -f /etc/group && echo whole", "whole"}})
}

func TestCapabilitiesSeccompMasksAndPrivileges(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	status := func(key string) string { return "awk '/^" + key + ":/{print $2}' /proc/self/status" }
	says(t, s, bb, []saying{
		{"default capabilities", nil, status("CapEff"), "00000000800405fb"},
		{"no inheritable ones", nil, status("CapInh"), "0000000000000000"},
		{"added", []string{"--cap-add", "SYS_ADMIN"}, status("CapEff"), "00000000802405fb"},
		{"dropped", []string{"--cap-drop", "ALL", "--cap-add", "CHOWN"}, status("CapEff"), "0000000000000001"},
		{"a user other than root", []string{"-u", "app"}, status("CapEff"), "0000000000000000"},
		{"seccomp filters", nil, status("Seccomp"), "2"},
		{"seccomp unconfined", []string{"--security-opt", "seccomp=unconfined"}, status("Seccomp"), "0"},
		{"no new privileges", []string{"--security-opt", "no-new-privileges"}, status("NoNewPrivs"), "1"},
		{"privileged", []string{"--privileged"}, status("Seccomp") + "; test -w /proc/sys/kernel && echo open", "0\nopen"},
		{"masked", nil, "wc -c < /proc/keys; ls /sys/firmware | wc -l", "0\n0"},
		{"read-only /proc/sys", nil, "echo 1 2>/dev/null > /proc/sys/kernel/domainname || echo refused", "refused"},
		{"an added mask", []string{"--security-opt", "mask=/proc/version"}, "wc -c < /proc/version", "0"},
		{"read-only root", []string{"--read-only"}, "touch /file 2>/dev/null || echo refused; touch /tmp/x && echo temporary", "refused\ntemporary"},
		{"device", []string{"--device", "/dev/kmsg:/dev/my:r"}, "test -c /dev/my && echo yes", "yes"},
		{"no mknod", nil, "mknod /x b 8 0 2>/dev/null || echo refused", "refused"},
		{"no sight of the engine's files", nil, "ls /proc/self/fd | wc -l", "4"},
	})
	s.Fails(125, []string{"NO_SUCH"}, "run", "--rm", "--cap-add", "NO_SUCH", bb, "true")
	s.Fails(125, []string{"/no/profile"}, "run", "--rm", "--security-opt", "seccomp=/no/profile", bb, "true")
	s.Fails(125, []string{"/dev/no-such"}, "run", "--rm", "--device", "/dev/no-such", bb, "true")
}

func TestASeccompProfileOfTheUsersOwnIsApplied(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	profile := s.Write("seccomp.json", `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"}]}`)
	says(t, s, bb, []saying{{"mkdir", []string{"--security-opt", "seccomp=" + profile}, "mkdir /x 2>/dev/null || echo refused; touch /y && echo allowed", "refused\nallowed"}})
}

func TestLimits(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	says(t, s, bb, []saying{
		{"ulimit", []string{"--ulimit", "nofile=100:200"}, "ulimit -Sn; ulimit -Hn", "100\n200"},
		{"core", []string{"--ulimit", "core=0"}, "ulimit -c", "0"},
		{"sysctl", []string{"--sysctl", "kernel.msgmax=65000"}, "cat /proc/sys/kernel/msgmax", "65000"},
		{"oom score", []string{"--oom-score-adj", "500"}, "cat /proc/self/oom_score_adj", "500"},
	})
	s.Fails(125, []string{"kernel.panic"}, "run", "--rm", "--sysctl", "kernel.panic=1", bb, "true")
	s.OK("run", "-d", "--name", "c", "-m", "64m", "--memory-reservation", "32m", "--cpus", "0.5", "--cpu-shares", "512", "--cpuset-cpus", "0", "--pids-limit", "50", bb, "sleep", "1000")
	for file, want := range s.CgroupFiles("c", map[string][2]string{
		// Each with its v1 and its v2 name and value.
		"memory limit": {"memory:memory.limit_in_bytes=67108864", "memory.max=67108864"},
		"cpu quota":    {"cpu:cpu.cfs_quota_us=50000", "cpu.max=50000 100000"},
		"cpu shares":   {"cpu:cpu.shares=512", ""},
		"cpus":         {"cpuset:cpuset.cpus=0", "cpuset.cpus=0"},
		"pids":         {"pids:pids.max=50", "pids.max=50"},
		"reservation":  {"memory:memory.soft_limit_in_bytes=33554432", "memory.low=33554432"},
	}) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		}
		sandbox.Equal(t, file, strings.TrimSpace(string(text)), want)
	}
}

func TestALimitAboveTheHostsIsClampedWithAWarning(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	r := s.Berth("run", "--rm", "--ulimit", "nofile=2000000000:2000000000", bb, "sh", "-c", "ulimit -Hn")
	r.Expect(t, 0)
	if sandbox.Atoi(t, r.Stdout) <= 0 {
		t.Errorf("expected a limit that the host allows, got %s", r)
	}
}

func TestOutOfMemoryIsSeen(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	// busybox's tail keeps what it reads in memory until it has seen a newline, of which /dev/zero has none.
	r := s.Berth("run", "--name", "c", "-m", "16m", "--memory-swap", "16m", bb, "tail", "/dev/zero")
	r.Expect(t, 137)
	sandbox.Equal(t, "OOMKilled", s.OK("inspect", "-f", "{{.State.OOMKilled}}", "c"), "true")
	s.OK("run", "--name", "d", bb, "true")
	sandbox.Equal(t, "OOMKilled of another", s.OK("inspect", "-f", "{{.State.OOMKilled}}", "d"), "false")
}

func TestThePidsLimitHolds(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	r := s.Berth("run", "--rm", "--pids-limit", "10", bb, "sh", "-c", "i=0; while [ $i -lt 30 ]; do sleep 3 & i=$((i+1)); done; wait")
	if !strings.Contains(r.Stderr, "fork") {
		t.Errorf("expected fork to fail, got %s", r)
	}
}

func TestWithoutControlGroupsTheContainerIsInItsMonitors(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.Fails(125, []string{"--cgroups disabled"}, "create", "--cgroups", "disabled", "-m", "64m", bb)
	s.Fails(125, []string{"--cgroups disabled"}, "create", "--cgroups", "disabled", "--pid", "host", bb)
	if sandbox.Runtime() == "runc" {
		s.Fails(125, []string{"runc", "crun"}, "create", "--cgroups", "disabled", bb)
		return
	}
	s.OK("run", "-d", "--cgroups", "disabled", "--name", "c", bb, "sleep", "1000")
	sandbox.Equal(t, "control groups", cgroups(t, s.OK("inspect", "-f", "{{.State.Pid}}", "c")), cgroups(t, fmt.Sprint(s.Monitor("c"))))
	sandbox.Equal(t, "exec", s.OK("exec", "c", "echo", "in"), "in")
	s.OK("stop", "-t", "0", "c")
}

// cgroups are the control groups of a process of the host's.
func cgroups(t *testing.T, pid string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestInitReapsAndForwards(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	says(t, s, bb, []saying{
		{"the program is not the first process", []string{"--init"}, "test $$ -gt 1 && echo yes", "yes"},
		{"zombies are reaped", []string{"--init"}, "(sleep 0.1 &) ; sleep 0.5; grep -l 'State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l", "0"},
	})
	s.OK("run", "-d", "--init", "--name", "c", bb, "sleep", "1000")
	s.Eventually("the command to run", func() bool { return strings.Contains(s.OK("top", "c", "args"), "\nsleep 1000") })
	s.OK("stop", "c") // sleep as first process would ignore TERM until it is killed
	sandbox.Equal(t, "exit code", s.OK("inspect", "-f", "{{.State.ExitCode}}", "c"), "143")
	s.Fails(9, nil, "run", "--rm", "--init", bb, "sh", "-c", "exit 9")
}

func TestNamespaces(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	ns := func(kind string) string {
		link, err := os.Readlink("/proc/self/ns/" + kind)
		if err != nil {
			t.Fatal(err)
		}
		return link
	}
	read := func(kind string) string { return "readlink /proc/self/ns/" + kind }
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	says(t, s, bb, []saying{
		{"pid host", []string{"--pid", "host"}, read("pid"), ns("pid")},
		{"ipc host", []string{"--ipc", "host"}, read("ipc"), ns("ipc")},
		{"uts host", []string{"--uts", "host"}, read("uts") + "; hostname", ns("uts") + "\n" + host},
		{"network host", []string{"--network", "host"}, read("net"), ns("net")},
		{"cgroup host", []string{"--cgroupns", "host"}, read("cgroup"), ns("cgroup")},
		{"user host", nil, read("user"), ns("user")},
	})
	for _, kind := range []string{"pid", "ipc", "uts", "net", "mnt"} {
		if got := s.OK("run", "--rm", bb, "readlink", "/proc/self/ns/"+kind); got == ns(kind) {
			t.Errorf("expected a private %s namespace by default", kind)
		}
	}
	s.OK("run", "-d", "--name", "first", "--ipc", "shareable", "-h", "first", bb, "sh", "-c", "echo shared > /dev/shm/file; exec sleep 1000")
	s.Eventually("the file in /dev/shm", func() bool { return s.Berth("exec", "first", "cat", "/dev/shm/file").Code == 0 })
	of := func(kind string) string { return s.OK("exec", "first", "readlink", "/proc/self/ns/"+kind) }
	says(t, s, bb, []saying{
		{"pid of a container", []string{"--pid", "container:first"}, read("pid"), of("pid")},
		{"ipc of a container", []string{"--ipc", "container:first"}, read("ipc") + "; cat /dev/shm/file", of("ipc") + "\nshared"},
		{"uts of a container", []string{"--uts", "container:first"}, "hostname", "first"},
		{"network of a container", []string{"--network", "container:first"}, read("net"), of("net")},
	})
	second := s.OK("create", "--name", "second", "--network", "container:first", bb)
	s.Fails(125, []string{"nobody"}, "run", "--rm", "--pid", "container:nobody", bb, "true")
	s.OK("stop", "-t", "0", "first")
	if r := s.Berth("rm", "first"); r.Code == 0 || !strings.Contains(r.Stderr, "first") || !strings.Contains(r.Stderr, second[:12]) {
		t.Errorf("expected a refusal that names the dependent container, got %s", r)
	}
	s.OK("start", "second") // which starts what it depends on, too
	sandbox.Equal(t, "status of the first", s.OK("inspect", "-f", "{{.State.Status}}", "first"), "running")
	s.OK("rm", "-f", "-t", "0", "--depend", "first")
	s.NoLeaks()
}

func TestUserNamespaces(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	says(t, s, bb, []saying{
		{"mapped", []string{"--uidmap", "0:100000:65536"}, "awk '{print $1,$2,$3}' /proc/self/uid_map; id -u; stat -c %u /etc/passwd; touch /x && stat -c %u /x", "0 100000 65536\n0\n0\n0"},
		{"mapped, another user", []string{"--uidmap", "0:100000:65536", "-u", "app"}, "id -u; touch ~/x && stat -c %u ~/x", "1000\n1000"},
	})
}

func TestMounts(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	dir := filepath.Dir(s.Write("mnt/file", "content\n"))
	says(t, s, bb, []saying{
		{"-v", []string{"-v", dir + ":/data"}, "cat /data/file; echo new > /data/new", "content"},
		{"-v ro", []string{"-v", dir + ":/data:ro"}, "touch /data/x 2>/dev/null || echo refused", "refused"},
		{"-v of a file", []string{"-v", dir + "/file:/a/b/file:ro"}, "cat /a/b/file", "content"},
		{"--mount bind", []string{"--mount", "type=bind,src=" + dir + ",dst=/data,ro"}, "cat /data/file", "content"},
		{"--mount tmpfs", []string{"--mount", "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=700"}, "df -k /t | awk 'NR==2{print $1,$2}'; stat -c %a /t", "tmpfs 1024\n700"},
		{"--tmpfs", []string{"--tmpfs", "/t:size=2m"}, "df -k /t | awk 'NR==2{print $1,$2}'", "tmpfs 2048"},
		{"one in another", []string{"--tmpfs", "/data", "-v", dir + ":/data/sub:ro", "--tmpfs", "/data/sub2"}, "touch /data/x /data/sub2/x && cat /data/sub/file", "content"},
	})
	sandbox.Equal(t, "what the container wrote", s.Exists(dir+"/new"), true)
	s.Fails(125, []string{"/no/such/source"}, "run", "--rm", "--mount", "type=bind,src=/no/such/source,dst=/x", bb, "true")
	s.Fails(125, []string{"/data"}, "run", "--rm", "-v", dir+":/data", "--tmpfs", "/data", bb, "true")
}

func TestAMountsDestinationIsResolvedInTheRoot(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	outside := filepath.Join(s.Dir, "outside")
	if err := os.Mkdir(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	layer := []sandbox.Entry{sandbox.Link("abs", outside), sandbox.Link("up", "../../../../../../../../../.."+outside)}
	for dir := outside; dir != "/"; dir = filepath.Dir(dir) {
		layer = append(layer, sandbox.Dir(strings.TrimPrefix(dir, "/"), 0o755)) // inside, the same path is the container's own
	}
	image := sandbox.BusyboxImage("localhost/evil:1", layer)
	s.Load(image)
	dir := filepath.Dir(s.Write("mnt/file", "content\n"))
	for _, link := range []string{"/abs", "/up"} {
		r := s.Berth("run", "--rm", "-v", dir+":"+link+"/deep", image.Name, "cat", link+"/deep/file")
		if r.Code != 0 || r.Stdout != "content\n" {
			t.Errorf("%s: expected the file inside the container, got %s", link, r)
		}
		r = s.Berth("run", "--rm", "-w", link+"/cwd", image.Name, "pwd")
		if r.Code != 0 {
			t.Errorf("%s: as working directory: %s", link, r)
		}
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 0 {
		t.Errorf("expected nothing made outside of the container's root, got %v (%v)", entries, err)
	}
}

func TestImageVolumesAreAnonymousFilledAndRemoved(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	image := sandbox.BusyboxImage("localhost/vol:1", []sandbox.Entry{sandbox.Dir("vol", 0o750), sandbox.File("vol/file", 0o640, "from the image\n")})
	image.Config = v1.ImageConfig{
		Env: image.Config.Env, Volumes: map[string]struct{}{"/vol": {}}, WorkingDir: "/work/dir", User: "app",
		Entrypoint: []string{"sh", "-c"}, Cmd: []string{"echo default"}, Labels: map[string]string{"of": "image"}, StopSignal: "USR1",
	}
	s.Load(image)
	sandbox.Equal(t, "the default command", s.OK("run", "--rm", image.Name), "default")
	sandbox.Equal(t, "the image's user and directory", s.OK("run", "--rm", image.Name, "id -u; pwd"), "1000\n/work/dir")
	sandbox.Equal(t, "the volume's content", s.OK("run", "--rm", "-u", "0", image.Name, "cat /vol/file; stat -c %a /vol; grep -c ' /vol ' /proc/self/mounts"), "from the image\n750\n1")
	sandbox.Equal(t, "another entry point", s.OK("run", "--rm", "--entrypoint", "echo", image.Name, "x"), "x")
	s.OK("create", "--name", "c", image.Name)
	sandbox.Equal(t, "the image's label", s.OK("inspect", "-f", `{{index .Config.Labels "of"}}`, "c"), "image")
	s.OK("rm", "-v", "c")
	s.NoLeaks()
}

func TestPreservedDescriptorsReachTheProcess(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	f, err := os.Open(s.Write("fd", "through three\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	ctx := t.Context()
	cmd := s.Command(ctx, "run", "--rm", "--preserve-fds", "1", bb, "sh", "-c", "cat <&3")
	cmd.ExtraFiles = []*os.File{f}
	r := s.Finish(ctx, cmd)
	sandbox.Equal(t, "output", r.Stdout, "through three\n")
}

func TestEnvironmentsOfContainersMadeAtATimeAreNotMixed(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	errs := make(chan string, 8)
	for i := range cap(errs) {
		go func() {
			r := s.Berth("run", "--rm", "-e", fmt.Sprintf("ONLY%d=1", i), bb, "sh", "-c", "env | grep ^ONLY")
			if want := fmt.Sprintf("ONLY%d=1\n", i); r.Stdout != want {
				errs <- fmt.Sprintf("expected %q, got %s", want, r)
				return
			}
			errs <- ""
		}()
	}
	for range cap(errs) {
		if e := <-errs; e != "" {
			t.Error(e)
		}
	}
}

func TestARootfsDirectoryOfTheHostIsUsedAsItIs(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	root := s.Unpack(sandbox.BusyboxImage("x"))
	sandbox.Equal(t, "output", s.OK("run", "--rm", "--rootfs", root, "sh", "-c", "echo x > /made; echo done"), "done")
	sandbox.Equal(t, "written into it", s.Exists(root+"/made"), true)
	sandbox.Equal(t, "with :O", s.OK("run", "--rm", "--rootfs", root+":O", "sh", "-c", "echo x > /kept-out; echo done"), "done")
	sandbox.Equal(t, "written into it with :O", s.Exists(root+"/kept-out"), false)
}
