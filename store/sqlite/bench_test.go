package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/store/sqlite"
	"github.com/berth-engine/berth/store/storetest"
)

func BenchmarkStore(b *testing.B) { storetest.Benchmarks(b, processes) }

func web(n int) *container.Container { return storetest.Web(n) }

// filled is a database with n containers, each of which has made four events.
func filled(tb testing.TB, n int) string {
	path := filepath.Join(tb.TempDir(), "berth.db")
	s, err := sqlite.Open(tb.Context(), path, paths)
	if err != nil {
		tb.Fatal(err)
	}
	defer s.Close()
	storetest.Fill(tb, s, n)
	return path
}
