// Package sandbox runs the real berth in a place of its own, for the integration tests: a state directory, a run directory and
// configuration files in a temporary directory, programs built from this tree, images made on the spot, and a leak check at the
// end of each test.
//
// A test package begins with
//
//	func TestMain(m *testing.M) { sandbox.Main(m) }
//
// which runs all its tests once with runc and once with crun (BERTH_TEST_RUNTIME=runc chooses one), each in a process of its own.
package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/berth-engine/berth/test/private"
)

const (
	// runtimeVariable names the OCI runtimes to test with, separated by commas.
	runtimeVariable = "BERTH_TEST_RUNTIME"
	// childVariable is set in the process that runs the tests: "plain", or "private" in a mount namespace of its own.
	childVariable = "BERTH_TEST_CHILD"
)

// Main runs the tests of a package with every OCI runtime and exits.
func Main(m *testing.M) {
	if os.Getenv(childVariable) == "" {
		os.Exit(eachRuntime())
	}
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(top); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// eachRuntime runs this program once with each OCI runtime. It returns the exit code for the whole.
func eachRuntime() int {
	names := "runc,crun"
	if v := os.Getenv(runtimeVariable); v != "" {
		names = v
	}
	code := 0
	for _, name := range strings.Split(names, ",") {
		err := again(name)
		var exit *exec.ExitError
		switch {
		case err == nil:
		case errors.As(err, &exit) && exit.ExitCode() > 0:
			fmt.Printf("the tests above ran with %s\n", name)
			code = exit.ExitCode()
		default:
			fmt.Fprintf(os.Stderr, "sandbox: with %s: %v\n", name, err)
			code = 1
		}
	}
	return code
}

// again runs this program with one OCI runtime; crun, on a hybrid host, in a mount namespace of its own without the v2 tree.
func again(name string) error {
	if os.Geteuid() != 0 {
		return errors.New("these tests run containers and must run as root")
	}
	if _, err := exec.LookPath(name); err != nil {
		return fmt.Errorf("%w: install Debian's package %s", err, name)
	}
	// The child dies with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe", childArguments()...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	mode := "plain"
	if name == "crun" && private.Needed() {
		mode = "private"
		cmd.SysProcAttr = private.Attributes()
	}
	cmd.Env = append(os.Environ(), runtimeVariable+"="+name, childVariable+"="+mode)
	return cmd.Run()
}

// childArguments are this program's, without those that name files which only one process can write.
func childArguments() []string {
	var args []string
	for _, a := range os.Args[1:] {
		if !strings.HasPrefix(a, "-test.testlogfile=") {
			args = append(args, a)
		}
	}
	return args
}

// prepare makes what all tests of this process share.
func prepare() error {
	if os.Getenv(childVariable) == "private" {
		if err := private.Mounts(); err != nil {
			return err
		}
	}
	// Short, since the path of a socket below it may have 107 bytes and holds a container's ID.
	dir, err := os.MkdirTemp("", "bt")
	if err != nil {
		return err
	}
	top = dir
	// A user namespace's root is a stranger to these directories, who must be able to pass.
	return os.Chmod(top, 0o755)
}

// top is the directory of this process's sandboxes.
var top string

// Runtime is the name of the OCI runtime that this process tests with.
func Runtime() string { return os.Getenv(runtimeVariable) }
