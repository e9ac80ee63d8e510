package runtimetest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/berth-engine/berth/ociruntime"
)

var failureTests = []test{
	{"a command that is not there is not found", func(h *harness) {
		h.expectStartError(ociruntime.ErrCommandNotFound, "no-such-command")
		h.expectStartError(ociruntime.ErrCommandNotFound, "/no/such/command")
	}},
	{"a command that cannot be run cannot be invoked", func(h *harness) {
		h.expectStartError(ociruntime.ErrCannotInvoke, "/bin/not-executable")
		h.expectStartError(ociruntime.ErrCannotInvoke, "/bin/directory")
	}},
	{"a command that fails only when it is started says so on standard error", func(h *harness) {
		for command, word := range map[string]string{"/bin/bad-format": "xec format error", "/bin/bad-interpreter": "o such file or directory"} {
			s := h.box(command).finish()
			if s.exit.Code == 0 || !strings.Contains(s.stderr.String(), word) {
				h.Errorf("%s: exit code %d and %q; expected a failure that says %q", command, s.exit.Code, s.stderr.String(), word)
			}
		}
	}},
	{"the runtime's own error is told in one line", func(h *harness) {
		b := h.box("/bin/true")
		b.spec.Root.Path = "/no/such/rootfs"
		_, err := b.tryCreate(h.ctx)
		if err == nil || !strings.Contains(err.Error(), "/no/such/rootfs") || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), `"level"`) {
			h.Errorf("error %v; expected one line about /no/such/rootfs", err)
		}
	}},
	{"with a terminal, errors are told as well", func(h *harness) {
		b := h.terminal("")
		b.spec.Process.Args = []string{"no-such-command"}
		if _, err := b.tryCreate(h.ctx); !errors.Is(err, ociruntime.ErrCommandNotFound) {
			h.Errorf("error %v; expected ErrCommandNotFound", err)
		}
	}},
	{"a log that cannot be opened fails the creation", func(h *harness) {
		b := h.logged("k8s-file", "true")
		b.request.Log.Path = filepath.Join(h.root, "nowhere", "log")
		if _, err := b.tryCreate(h.ctx); err == nil || !strings.Contains(err.Error(), b.request.Log.Path) {
			h.Errorf("error %v; expected one about %s", err, b.request.Log.Path)
		}
	}},
	{"a creation that is cancelled leaves nothing", func(h *harness) {
		b := h.box("/bin/sleep", "1000")
		ctx, cancel := context.WithCancel(h.ctx)
		go func() {
			h.eventually("the creation has begun", func() bool {
				_, err := os.Stat(filepath.Join(b.run, "attach"))
				return err == nil
			})
			cancel()
		}()
		p, err := b.tryCreate(ctx)
		if err == nil {
			b.process = p // it was too late to be cancelled
		} else if !errors.Is(err, context.Canceled) {
			h.Errorf("error %v; expected that of the context", err)
		}
	}},
	{"a start of what is not there is an error", func(h *harness) {
		if err := h.runtime.Start(h.ctx, "no-such-container"); err == nil {
			h.Error("no error")
		}
	}},
}

// expectStartError creates and starts a container that must fail in one of the two.
func (h *harness) expectStartError(want error, args ...string) {
	h.Helper()
	b := h.box(args...)
	p, err := b.tryCreate(h.ctx)
	if err == nil {
		b.process = p
		err = h.runtime.Start(h.ctx, b.id)
	}
	if !errors.Is(err, want) {
		h.Errorf("%q: error %v; expected %v", args, err, want)
	}
}
