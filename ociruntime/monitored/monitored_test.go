package monitored_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/ociruntime"
	"github.com/berth-engine/berth/ociruntime/monitored"
	"github.com/berth-engine/berth/ociruntime/runtimetest"
)

var monitorPath string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "monitor")
	if err != nil {
		panic(err)
	}
	monitorPath = filepath.Join(dir, "berth-monitor")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", monitorPath, "github.com/berth-engine/berth/cmd/berth-monitor")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		panic(string(out))
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

const ownNamespace = "BERTH_TEST_MOUNT_NAMESPACE"

// crunHost is a process like this one on a host that crun runs on: 1.8 refuses one where the tree of cgroup v2 is mounted beside
// v1's and has controllers. It returns false in the process that is to do nothing itself.
func crunHost(t *testing.T) bool {
	const tree = "/sys/fs/cgroup/unified"
	controllers, _ := os.ReadFile(tree + "/cgroup.controllers")
	if len(bytes.TrimSpace(controllers)) == 0 {
		return true
	}
	if os.Getenv(ownNamespace) != "" {
		if err := unix.Unmount(tree, unix.MNT_DETACH); err != nil {
			t.Fatal(err)
		}
		// crun takes the mount point for a hierarchy all the same; what it makes there must not stay on the host.
		if err := unix.Mount("tmpfs", tree, "tmpfs", 0, ""); err != nil {
			t.Fatal(err)
		}
		return true
	}
	again := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v="+strconv.FormatBool(testing.Verbose()), "-test.timeout=2m")
	again.Env = append(os.Environ(), ownNamespace+"=1")
	again.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	out, err := again.CombinedOutput()
	t.Logf("in a mount namespace:\n%s", out)
	if err != nil {
		t.Error(err)
	}
	return false
}

func TestRunc(t *testing.T) {
	t.Parallel()
	runtimetest.Run(t, factory(t, "runc"))
}

// TestCrun runs in a mount namespace of its own where the host's control groups are not to crun's liking.
func TestCrun(t *testing.T) {
	t.Parallel()
	if !crunHost(t) {
		return
	}
	runtimetest.Run(t, factory(t, "crun"))
}

func factory(t testing.TB, name string) runtimetest.Factory {
	path := programOf(t, name)
	return func(t testing.TB, runRoot string) ociruntime.Runtime {
		t.Cleanup(func() {
			if err := monitored.Unmount(runRoot); err != nil {
				t.Error(err)
			}
		})
		return monitored.New(monitored.Options{RuntimePath: path, MonitorPath: monitorPath, RunRoot: runRoot})
	}
}
