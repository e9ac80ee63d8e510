package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/sqlite"
	"github.com/berth-engine/berth/store/storetest"
)

// paths is what the tests' databases are created with.
var paths = store.Paths{Root: "/r", RunRoot: "/rr", StorageRoot: "/s", StorageRun: "/sr", GraphDriver: "overlay"}

func open(t *testing.T, path string, opts ...sqlite.Option) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, paths, opts...)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opener {
		path := filepath.Join(t.TempDir(), "store", "berth.db")
		return func(t *testing.T, namespace string) store.Store { return open(t, path, sqlite.Namespace(namespace)) }
	})
}
