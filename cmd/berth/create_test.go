package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/ociruntime"
)

// createdBy is what berth create with these arguments asks of the engine.
func createdBy(t *testing.T, args ...string) engine.CreateOptions {
	t.Helper()
	f := twoContainers()
	got := berthWith(t, with(f), strings.NewReader(""), append([]string{"create"}, args...)...)
	if got.code != 0 {
		t.Fatalf("berth create %s\nexpected: exit code 0\ngot: exit code %d and %s", strings.Join(args, " "), got.code, got.err)
	}
	return f.created
}

func pointer[T any](v T) *T { return &v }

func TestCreateFlagsBecomeOptions(t *testing.T) {
	t.Setenv("BERTH_TEST_ENV", "from-here")
	t.Setenv("http_proxy", "")
	os.Unsetenv("http_proxy")
	for _, c := range []struct {
		args string
		want func(o *engine.CreateOptions)
	}{
		{"img", func(o *engine.CreateOptions) {}},
		{"--name web --rm img", func(o *engine.CreateOptions) { o.Name, o.AutoRemove = "web", true }},
		{"--name web --replace img", func(o *engine.CreateOptions) { o.Name, o.Replace = "web", true }},
		{"img sh -c -x", func(o *engine.CreateOptions) { o.Command = []string{"sh", "-c", "-x"} }},
		{"-it img", func(o *engine.CreateOptions) { o.Terminal, o.Stdin = true, true }},
		{"--pull always img", func(o *engine.CreateOptions) { o.Pull = engine.PullAlways }},
		{"--platform linux/arm64/v8 img", func(o *engine.CreateOptions) { o.Platform = "linux/arm64/v8" }},
		{"--arch arm64 --variant v8 img", func(o *engine.CreateOptions) { o.Platform = "linux/arm64/v8" }},
		{"-e A=1 -e BERTH_TEST_ENV -e BERTH_TEST_NONE img", func(o *engine.CreateOptions) { o.Env = []string{"A=1", "BERTH_TEST_ENV=from-here"} }},
		{"--unsetenv PATH --unsetenv-all img", func(o *engine.CreateOptions) { o.UnsetEnv, o.UnsetAll = []string{"PATH"}, true }},
		{"--entrypoint /bin/sh img", func(o *engine.CreateOptions) { o.Entrypoint = &[]string{"/bin/sh"} }},
		{`--entrypoint ["/bin/sh","-c"] img`, func(o *engine.CreateOptions) { o.Entrypoint = &[]string{"/bin/sh", "-c"} }},
		{"--entrypoint= img", func(o *engine.CreateOptions) { o.Entrypoint = &[]string{} }},
		{"-w /srv -u www:www --group-add audio img", func(o *engine.CreateOptions) { o.WorkDir, o.User, o.Groups = "/srv", "www:www", []string{"audio"} }},
		{"-h web -l a=b --label c img", func(o *engine.CreateOptions) {
			o.Namespaces.Hostname, o.Labels = "web", map[string]string{"a": "b", "c": ""}
		}},
		{"--annotation a=b img", func(o *engine.CreateOptions) { o.Annotations = map[string]string{"a": "b"} }},
		{"--network host img", func(o *engine.CreateOptions) { o.Network.Namespace.Mode = container.Host }},
		{"--net none img", func(o *engine.CreateOptions) { o.Network.Namespace.Mode = container.None }},
		{"--network container:db img", func(o *engine.CreateOptions) {
			o.Network.Namespace = container.Namespace{Mode: container.FromContainer, Target: "db"}
		}},
		{"--network ns:/run/netns/x img", func(o *engine.CreateOptions) {
			o.Network.Namespace = container.Namespace{Mode: container.FromPath, Target: "/run/netns/x"}
		}},
		{"--pid host --ipc shareable --uts host --cgroupns private img", func(o *engine.CreateOptions) {
			ns := &o.Namespaces
			ns.PID.Mode, ns.IPC.Mode, ns.UTS.Mode, ns.Cgroup.Mode = container.Host, container.Shareable, container.Host, container.Private
		}},
		{"--userns auto img", func(o *engine.CreateOptions) { o.Namespaces.User.Mode = container.Auto }},
		{"--uidmap 0:100000:65536 img", func(o *engine.CreateOptions) {
			m := []container.IDMap{{HostID: 100000, Size: 65536}}
			o.Namespaces.User.Mode, o.Namespaces.UIDMap, o.Namespaces.GIDMap = container.Private, m, m
		}},
		{"--cap-add net_admin,sys_time --cap-drop ALL img", func(o *engine.CreateOptions) {
			o.Security.CapAdd, o.Security.CapDrop = []string{"CAP_NET_ADMIN", "CAP_SYS_TIME"}, []string{"ALL"}
		}},
		{"--security-opt no-new-privileges --security-opt seccomp=unconfined img", func(o *engine.CreateOptions) {
			o.Security.NoNewPrivileges, o.Security.Seccomp = true, container.Unconfined
		}},
		{"--privileged --sysctl net.ipv4.ip_forward=1 img", func(o *engine.CreateOptions) {
			o.Security.Privileged, o.Security.Sysctl = true, map[string]string{"net.ipv4.ip_forward": "1"}
		}},
		{"--device /dev/fuse:/dev/fuse:rw img", func(o *engine.CreateOptions) {
			o.Devices = []container.Device{{Source: "/dev/fuse", Destination: "/dev/fuse", Access: "rw"}}
		}},
		{"-m 256m --memory-swap -1 --memory-reservation 64m --shm-size 1g img", func(o *engine.CreateOptions) {
			r := &o.Resources
			r.Memory, r.MemorySwap, r.MemoryReservation, o.ShmSize = 256<<20, -1, 64<<20, 1<<30
		}},
		{"--cpus 1.5 --cpuset-cpus 0-1 -c 512 img", func(o *engine.CreateOptions) {
			r := &o.Resources
			r.CPUPeriod, r.CPUQuota, r.CPUSetCPUs, r.CPUShares = 100000, 150000, "0-1", 512
		}},
		{"--pids-limit 0 --blkio-weight 100 --cgroup-parent /x --oom-score-adj 0 img", func(o *engine.CreateOptions) {
			o.Resources.PidsLimit, o.Resources.BlkioWeight, o.Resources.CgroupParent, o.OOMScoreAdj = -1, 100, "/x", pointer(0)
		}},
		{"--ulimit nofile=1024:4096 img", func(o *engine.CreateOptions) {
			o.Rlimits = []container.Rlimit{{Name: "nofile", Soft: 1024, Hard: 4096, Asked: true}}
		}},
		{"-v /srv:/data:ro --tmpfs /tmp img", func(o *engine.CreateOptions) {
			v, _ := container.ParseVolume("/srv:/data:ro", "/")
			m, _ := container.ParseTmpfs("/tmp")
			o.Mounts = []container.Mount{v, m}
		}},
		{"--mount type=bind,source=/srv,target=/data img", func(o *engine.CreateOptions) {
			m, _ := container.ParseMount("type=bind,source=/srv,target=/data", "/")
			o.Mounts = []container.Mount{m}
		}},
		{"--read-only --read-only-tmpfs=false --volumes-from db:ro --image-volume bind img", func(o *engine.CreateOptions) {
			o.ReadOnly, o.ReadWriteTmpfs, o.VolumesFrom, o.ImageVolumes = true, pointer(false), []string{"db:ro"}, "anonymous"
		}},
		{"--init --stop-signal INT --stop-timeout 3 img", func(o *engine.CreateOptions) {
			o.Init, o.StopSignal, o.StopTimeout = true, "INT", pointer(uint(3))
		}},
		{"--restart on-failure:3 img", func(o *engine.CreateOptions) {
			o.Restart = container.RestartPolicy{Name: "on-failure", MaxRetries: 3}
		}},
		{"--log-driver json-file --log-opt max-size=10m --log-opt max-file=3 img", func(o *engine.CreateOptions) {
			o.Log = container.Log{Driver: "json-file", MaxSize: 10 << 20, MaxFiles: 3}
		}},
		{"--rootfs /srv/root sh", func(o *engine.CreateOptions) { o.Image, o.Rootfs, o.Command = "", "/srv/root", []string{"sh"} }},
		{"--rootfs /srv/root:O sh", func(o *engine.CreateOptions) {
			o.Image, o.Rootfs, o.RootfsOverlay, o.Command = "", "/srv/root", true, []string{"sh"}
		}},
		{"--tz Europe/Berlin --umask 27 --hostuser me --requires db img", func(o *engine.CreateOptions) {
			o.Timezone, o.Umask, o.HostUsers, o.Requires = "Europe/Berlin", "0027", []string{"me"}, []string{"db"}
		}},
		{"--add-host a:10.0.0.1 --dns 1.1.1.1 --dns-search x.org --dns-opt ndots:2 --no-hosts img", func(o *engine.CreateOptions) {
			o.Hosts = container.HostsConfig{Add: []string{"a:10.0.0.1"}, NoHosts: true, DNS: []string{"1.1.1.1"}, DNSSearch: []string{"x.org"}, DNSOptions: []string{"ndots:2"}}
		}},
		{"--health-cmd true --health-interval 5s --health-retries 2 img", func(o *engine.CreateOptions) {
			o.Health = &container.Health{Test: []string{"CMD-SHELL", "true"}, Interval: 5 * time.Second, Retries: 2}
		}},
		{"--no-healthcheck img", func(o *engine.CreateOptions) { o.NoHealthcheck = true }},
	} {
		args := strings.Fields(c.args)
		want := engine.CreateOptions{Image: "img", Pull: engine.PullMissing, Command: []string{}}
		c.want(&want)
		got := createdBy(t, args...)
		got.CreateCommand, got.Progress = nil, nil
		if len(got.Labels) == 0 {
			got.Labels = nil
		}
		if len(got.Annotations) == 0 {
			got.Annotations = nil
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("berth create %s\nexpected: %+v\ngot:      %+v", c.args, want, got)
		}
	}
}

func TestCreateRefusesWhatCannotBe(t *testing.T) {
	for args, what := range map[string]string{
		"":                                   "missing arguments",
		"--network bridge img":               "networks are still to come",
		"--network my-net img":               "networks are still to come",
		"--network none --network host img":  "more than once",
		"--pull sometimes img":               "always, missing, never or newer",
		"--replace img":                      "needs --name",
		"--cpus 1 --cpu-quota 5000 img":      "exclude each other",
		"--userns host --uidmap 0:1:1 img":   "exclude each other",
		"--platform linux/arm64 --os x img":  "exclude each other",
		"--gpus all img":                     "--device",
		"--workdir srv img":                  "absolute",
		"--env-file /nonexistent img":        "/nonexistent",
		"--label-file /nonexistent img":      "/nonexistent",
		"--security-opt seccomp=/nope img":   "/nope",
		"--security-opt seccomp=/dev/zero x": "not a regular file",
		"--image-volume x img":               "anonymous, tmpfs or ignore",
		"--memory lots img":                  "lots",
		"--stop-signal NOPE img":             "NOPE",
		"--restart sometimes img":            "sometimes",
		"--health-cmd x --health-interval x": "missing arguments",
		"--no-such-flag img":                 "unknown flag: --no-such-flag",
		"-v a:b:c:d img":                     "a:b:c:d",
		"--entrypoint [x img":                "JSON list",
	} {
		f := twoContainers()
		got := berthWith(t, with(f), strings.NewReader(""), append([]string{"create"}, strings.Fields(args)...)...)
		if got.code != exitEngine || !strings.Contains(got.err, what) || !strings.Contains(got.err, "See 'berth create --help'") {
			t.Errorf("berth create %s\nexpected: exit code 125, %q and where to read on\ngot: exit code %d and %s", args, what, got.code, got.err)
		}
		if f.created.Image != "" {
			t.Errorf("berth create %s: expected no container, one was made", args)
		}
	}
}

func TestCreateReadsFiles(t *testing.T) {
	dir := t.TempDir()
	env, labels := filepath.Join(dir, "env"), filepath.Join(dir, "labels")
	os.WriteFile(env, []byte("# comment\nA=1\n\nB=two words\n"), 0o600)
	os.WriteFile(labels, []byte("x=1\ny=2\n"), 0o600)
	o := createdBy(t, "--env-file", env, "-e", "A=3", "--label-file", labels, "--label", "y=3", "img")
	if want := []string{"A=1", "B=two words", "A=3"}; !reflect.DeepEqual(o.Env, want) {
		t.Errorf("expected the environment %q, got %q", want, o.Env)
	}
	if want := map[string]string{"x": "1", "y": "3"}; !reflect.DeepEqual(o.Labels, want) {
		t.Errorf("expected the labels %v, got %v", want, o.Labels)
	}
}

func TestCreatePrintsTheIDAndWarnsOnStandardError(t *testing.T) {
	f := twoContainers()
	f.warnings = []string{"swap is not limited"}
	got := berthWith(t, with(f), nil, "create", "-p", "80", "img")
	if got.code != 0 || got.out != idWeb+"\n" || !strings.Contains(got.err, "Warning: swap is not limited") || !strings.Contains(got.err, "ports are not published") {
		t.Errorf("expected the ID alone on standard output and two warnings on standard error, got %+v", got)
	}
}

func TestCIDFileIsThereOnlyWithItsContainer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cid")
	f := twoContainers()
	f.err["create"] = errdefs.NotFound("no such image")
	if got := berthWith(t, with(f), nil, "run", "-d", "--cidfile", path, "img"); got.code != exitEngine {
		t.Fatalf("expected exit code 125, got %+v", got)
	}
	if _, err := os.Stat(path); err == nil {
		t.Fatal("expected no file where no container was made")
	}
	mustPrint(t, with(twoContainers()), idWeb+"\n", "run", "-d", "--cidfile", path, "img")
	if data, _ := os.ReadFile(path); string(data) != idWeb {
		t.Errorf("expected the ID in the file, got %q", data)
	}
	mustFail(t, with(twoContainers()), exitEngine, "there already", "run", "-d", "--cidfile", path, "img")
	if data, _ := os.ReadFile(path); string(data) != idWeb {
		t.Errorf("expected the file of another container untouched, got %q", data)
	}
}

func TestRunExitCodes(t *testing.T) {
	for _, c := range []struct {
		name   string
		break_ func(f *fakeContainers)
		code   int
	}{
		{"ended well", func(f *fakeContainers) {}, 0},
		{"its own code", func(f *fakeContainers) { f.status.Code = 3 }, 3},
		{"a signal", func(f *fakeContainers) { f.status.Code = 143 }, 143},
		{"not created", func(f *fakeContainers) { f.err["create"] = errdefs.NotFound("no image") }, 125},
		{"no such command", func(f *fakeContainers) { f.err["start"] = ociruntime.ErrCommandNotFound }, 127},
		{"not invokable", func(f *fakeContainers) { f.err["start"] = ociruntime.ErrCannotInvoke }, 126},
		{"detached by its keys", func(f *fakeContainers) { f.err["start"] = ociruntime.ErrDetached }, 0},
	} {
		f := twoContainers()
		c.break_(f)
		if got := berthWith(t, with(f), nil, "run", "img"); got.code != c.code {
			t.Errorf("berth run, %s: expected exit code %d, got %+v", c.name, c.code, got)
		}
	}
}

func TestRunFlagsThatExcludeEachOther(t *testing.T) {
	mustFail(t, with(twoContainers()), exitEngine, "exclude", "run", "-d", "-a", "stdout", "img")
	mustFail(t, with(twoContainers()), exitEngine, "stdin, stdout or stderr", "run", "-a", "stdlog", "img")
	mustFail(t, with(twoContainers()), exitEngine, "ctrl-", "run", "--detach-keys", "ctrl-ä", "img")
	mustFail(t, with(twoContainers()), exitEngine, "not open", "run", "--preserve-fds", "900", "img")
}
