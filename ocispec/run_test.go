package ocispec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/host"
)

// runtimes are the ways to run a bundle on this host: runc as it is; crun in a mount namespace without the version 2 tree of
// a hybrid host, which it refuses.
var runtimes = map[string]func(args ...string) *exec.Cmd{
	"runc": func(args ...string) *exec.Cmd { return exec.Command("runc", args...) },
	"crun": func(args ...string) *exec.Cmd {
		script := `if [ -e /sys/fs/cgroup/unified ]; then umount /sys/fs/cgroup/unified; fi; exec crun "$@"`
		return exec.Command("unshare", append([]string{"-m", "sh", "-c", script, "sh"}, args...)...)
	},
}

// bundle is a container to be run by an OCI runtime on this host, in a root file system with nothing but busybox.
type bundle struct {
	dir, id string
	in      Input
}

func newBundle(t *testing.T, command ...string) *bundle {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("an OCI runtime needs root here: run the tests as root")
	}
	facts, err := host.Read()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	b := &bundle{dir: dir, id: fmt.Sprintf("ocispec-%d-%s", os.Getpid(), filepath.Base(dir))}
	rootfs := filepath.Join(dir, "rootfs")
	installBusybox(t, rootfs)
	b.in = Input{
		Config: &container.Config{
			ID: b.id, Name: "test", Process: container.Process{Command: command, WorkDir: "/"},
			Network: container.Network{Namespace: container.Namespace{Mode: container.None}},
		},
		Host: facts, Rootfs: rootfs, Hostname: "inside", CgroupsPath: "/" + b.id, DefaultSeccomp: true,
	}
	return b
}

func installBusybox(t *testing.T, rootfs string) {
	t.Helper()
	program, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatalf("busybox-static is needed for this test: %v", err)
	}
	for _, d := range []string{"bin", "etc", "tmp", "run", "var/tmp", "proc", "sys", "dev"} {
		if err := os.MkdirAll(filepath.Join(rootfs, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(rootfs, "bin/busybox"), program, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, applet := range []string{
		"sh", "cat", "grep", "ls", "mount", "touch", "id", "env", "hostname", "echo", "stat", "mknod", "unshare", "df", "readlink",
		"wc", "ulimit", "mkdir",
	} {
		if err := os.Symlink("busybox", filepath.Join(rootfs, "bin", applet)); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs the bundle and returns what the container printed, both streams.
func (b *bundle) run(t *testing.T, runtime string) string {
	t.Helper()
	out, err := b.try(t, runtime)
	if err != nil {
		t.Fatalf("%s: %v\n%s", runtime, err, out)
	}
	return out
}

func (b *bundle) try(t *testing.T, runtime string) (string, error) {
	t.Helper()
	spec, err := Build(b.in)
	if err != nil {
		t.Fatal(err)
	}
	document, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.dir, "config.json"), document, 0o600); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(b.dir, "state-"+runtime)
	cmd := runtimes[runtime]("--root", state, "run", "--bundle", b.dir, b.id)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	if err != nil {
		runtimes[runtime]("--root", state, "delete", "--force", b.id).Run()
	}
	return out.String(), err
}

// onEach runs the test with each runtime.
func onEach(t *testing.T, test func(t *testing.T, runtime string)) {
	for name := range runtimes {
		t.Run(name, func(t *testing.T) { test(t, name) })
	}
}

func sh(script string) []string { return []string{"/bin/sh", "-c", script} }

// line finds the line of out that begins with the prefix and returns the rest.
func line(t *testing.T, out, prefix string) string {
	t.Helper()
	for l := range strings.Lines(out) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(l), prefix); ok {
			return strings.TrimSpace(rest)
		}
	}
	t.Errorf("no line begins with %q in\n%s", prefix, out)
	return ""
}

const look = `grep -E "Cap|Seccomp:|NoNewPrivs" /proc/self/status; cat /proc/mounts; echo HOST $(hostname); id; env
echo MASKED $(ls /proc/acpi /sys/firmware 2>/dev/null | wc -l) $(cat /proc/keys | wc -c)
touch /x && echo ROOT-WRITABLE; touch /tmp/x && echo TMP-WRITABLE; touch /dev/x 2>/dev/null && echo DEV-WRITABLE
echo 0 > /proc/sys/kernel/sysrq && echo SYSCTL-WRITABLE; mkdir /sys/fs/cgroup/memory/x /sys/fs/cgroup/x 2>/dev/null && echo CGROUP-WRITABLE
ls /sys/fs/cgroup; mknod /dev/m b 7 0 2>/dev/null && echo MKNOD; cat /proc/sys/net/ipv4/ip_unprivileged_port_start`

func TestLook(t *testing.T) {
	onEach(t, func(t *testing.T, runtime string) {
		b := newBundle(t, sh(look)...)
		t.Log(b.run(t, runtime))
	})
}

var _ = slices.Contains[[]string]
var _ specs.Spec
