package engine

import (
	"fmt"
	"os"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/ociruntime"
)

// requireExecutable refuses a process whose arguments and environment are larger than execve(2) takes: the OCI runtime would find
// that out only when it has let the process go, and its complaint would be taken for the process's own.
//
// ociruntime.ErrCannotInvoke.
func requireExecutable(p *specs.Process) error {
	longest := 32 * os.Getpagesize() // MAX_ARG_STRLEN
	total := int64(len(p.Args[0]) + 1)
	for _, list := range [][]string{p.Args, p.Env} {
		for _, s := range list {
			if len(s) >= longest {
				return tooLarge("%.40s… has %d bytes, and the kernel takes %d of one argument or variable", s, len(s), longest-1)
			}
			total += int64(len(s)) + 1 + 8 // and a pointer
		}
	}
	if limit := argumentsLimit(p); total > limit {
		return tooLarge("the arguments and the environment have %d bytes, and the kernel takes %d: pass on less of it, as in a file", total, limit)
	}
	return nil
}

func tooLarge(format string, args ...any) error {
	return errdefs.With(errdefs.ErrInvalidArgument, fmt.Errorf("%w: %s", ociruntime.ErrCannotInvoke, fmt.Sprintf(format, args...)))
}

// argumentsLimit is what the kernel takes of arguments and environment in all: a quarter of the stack's limit, but no more than 6 MiB
// and no less than 128 KiB (Linux, fs/exec.c, bprm_stack_limits).
func argumentsLimit(p *specs.Process) int64 {
	const least, most = 128 << 10, 6 << 20
	var stack unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_STACK, &stack) != nil {
		return most
	}
	for _, l := range p.Rlimits {
		if l.Type == "RLIMIT_STACK" {
			stack.Cur = l.Soft
		}
	}
	return int64(max(min(stack.Cur/4, most), least))
}
