package engine

import (
	"context"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	if Reexecuted() {
		return
	}
	os.Exit(m.Run())
}

// testOptions are directories of the test's own, and a monitor that is there: none of these tests starts a container.
func testOptions(t *testing.T) []Option {
	t.Helper()
	dir := t.TempDir()
	return []Option{WithRoot(dir + "/root"), WithRunRoot(dir + "/run"), WithMonitor("/bin/true")}
}

// testEngine opens an engine on directories of its own.
func testEngine(t *testing.T, opts ...Option) *Engine {
	t.Helper()
	opts = append(testOptions(t), opts...)
	e, err := Open(context.Background(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}
