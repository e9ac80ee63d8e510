package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/ociruntime"
)

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		code int
		text string
	}{
		{"no error", nil, 0, ""},
		{"detached", fmt.Errorf("x: %w", ociruntime.ErrDetached), 0, ""},
		{"a container's own code", exitWith(7), 7, ""},
		{"a signal", exitWith(128 + 9), 137, ""},
		{"nobody saw the end", exitWith(-1), 255, ""},
		{"said already", said(exitEngine), 125, ""},
		{"not found", errdefs.NotFound("no such container: x"), 125, "Error: no such container: x\n"},
		{"exists", errdefs.AlreadyExists("taken"), 125, "Error: taken\n"},
		{"invalid", errdefs.Invalid("bad"), 125, "Error: bad\n"},
		{"conflict", errdefs.Conflict("busy"), 125, "Error: busy\n"},
		{"not implemented", errdefs.NotImplemented("no"), 125, "Error: no\n"},
		{"denied", errdefs.Denied("root"), 125, "Error: root\n"},
		{"unavailable", errdefs.Unavailable("gone"), 125, "Error: gone\n"},
		{"internal", errdefs.Internal("oops"), 125, "Error: oops\n"},
		{"no class", errors.New("bare"), 125, "Error: bare\n"},
		{"command not found", errdefs.With(errdefs.ErrInvalidArgument, fmt.Errorf("nosuch: %w", ociruntime.ErrCommandNotFound)), 127, "Error: nosuch: command not found\n"},
		{"cannot be invoked", fmt.Errorf("/etc: %w", ociruntime.ErrCannotInvoke), 126, "Error: /etc: command cannot be invoked\n"},
		{"interrupted", context.Canceled, 125, "Error: interrupted\n"},
		{"usage", &usageError{command: "berth run", cause: errdefs.Invalid("bad flag")}, 125, "Error: bad flag\nSee 'berth run --help'\n"},
	} {
		var w bytes.Buffer
		if code := report(&w, c.err); code != c.code || w.String() != c.text {
			t.Errorf("%s: expected exit code %d and %q, got %d and %q", c.name, c.code, c.text, code, w.String())
		}
	}
}
