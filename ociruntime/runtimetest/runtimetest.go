// Package runtimetest is what every ociruntime.Runtime that runs real containers must pass. Run is called from the tests of an
// implementation, as root, on a host where its OCI runtime works; the containers are made of busybox, which must be installed
// as a static binary.
package runtimetest

import (
	"context"
	"testing"
	"time"

	"github.com/berth-engine/berth/ociruntime"
)

// Factory makes the Runtime to be tested, with its state under runRoot.
type Factory func(t testing.TB, runRoot string) ociruntime.Runtime

// Run runs the whole suite.
func Run(t *testing.T, factory Factory) {
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"Exit", exitTests},
		{"Stdio", stdioTests},
		{"Attach", attachTests},
		{"Terminal", terminalTests},
		{"Log", logTests},
		{"Exec", execTests},
		{"Failure", failureTests},
		{"Handover", handoverTests},
		{"Periodic", periodicTests},
		{"Kill9", killTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range group.tests {
				t.Run(c.rule, func(t *testing.T) {
					t.Parallel()
					c.run(newHarness(t, factory))
				})
			}
		})
	}
}

// test is one rule.
type test struct {
	rule string
	run  func(*harness)
}

// patience is how long anything may take that a test waits for. It says nothing about speed.
const patience = 60 * time.Second

// background is a context for calls that are not expected to be cancelled.
func background(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}
