//go:build failpoints

package engine

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// failpoint acts on BERTH_FAILPOINT, which is VERB:STEP:WHEN=ACTION with WHEN before or after, and ACTION error, kill (this process,
// with SIGKILL) or stop (with SIGSTOP, until somebody continues it). BERTH_FAILPOINT=list prints each point that is passed to standard
// error, so that a test need not know them.
func failpoint(verb, step, when string) error {
	value := os.Getenv("BERTH_FAILPOINT")
	if value == "" {
		return nil
	}
	point := verb + ":" + step + ":" + when
	if value == "list" {
		fmt.Fprintln(os.Stderr, "failpoint", point)
		return nil
	}
	where, action, _ := strings.Cut(value, "=")
	if where != point {
		return nil
	}
	switch action {
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "stop":
		// To this thread: one sent to the process may be taken by another, and this one come to the end meanwhile.
		runtime.LockOSThread()
		unix.Tgkill(os.Getpid(), unix.Gettid(), syscall.SIGSTOP)
		runtime.UnlockOSThread()
		return nil
	case "error":
		return errdefs.Internal("failpoint %s", point)
	}
	return errdefs.Invalid("BERTH_FAILPOINT=%s: the action is kill, stop or error", value)
}
