package engine

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/ociruntime"
)

func TestTheLimitOfArgumentsIsTheKernels(t *testing.T) {
	const near = 512 // bytes on either side of the limit: the kernel has a few of its own besides
	limit := argumentsLimit(&specs.Process{})
	for name, size := range map[string]int64{"below": limit - near, "above": limit + near} {
		p := &specs.Process{Args: []string{"/bin/true"}}
		left := size - 2*int64(len(p.Args[0])+1) - 8
		for left > 0 {
			n := min(left-9, 100_000)
			p.Env = append(p.Env, fmt.Sprintf("V%03d=", len(p.Env))+strings.Repeat("x", int(max(n-5, 0))))
			left -= n + 9
		}
		cmd := exec.Command(p.Args[0])
		cmd.Env = p.Env
		kernel := cmd.Run()
		err := requireExecutable(p)
		if errors.Is(kernel, unix.E2BIG) != (name == "above") || errors.Is(err, ociruntime.ErrCannotInvoke) != (name == "above") {
			t.Errorf("%d bytes, %s the limit: the kernel says %v, requireExecutable %v", size, name, kernel, err)
		}
	}
}

func TestAVariableLongerThanTheKernelTakesIsNamed(t *testing.T) {
	p := &specs.Process{Args: []string{"true"}, Env: []string{"LONG=" + strings.Repeat("x", 200_000)}}
	if err := requireExecutable(p); !errors.Is(err, ociruntime.ErrCannotInvoke) || !strings.Contains(err.Error(), "LONG=x") {
		t.Errorf("expected ErrCannotInvoke that names LONG, got %v", err)
	}
	p.Env[0] = p.Env[0][:100_000]
	if err := requireExecutable(p); err != nil {
		t.Error(err)
	}
}
