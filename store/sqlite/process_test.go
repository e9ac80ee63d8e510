package sqlite_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/sqlite"
	"github.com/berth-engine/berth/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m, processes) }

var processes = storetest.Backend{
	Open:  func(ctx context.Context, path string) (store.Store, error) { return sqlite.Open(ctx, path, paths) },
	Check: sqlite.Check,
	Foreign: func(t *testing.T, path string) func() {
		foreign := shell(t, path)
		must(t, errors.Join(foreign("BEGIN"), foreign("SELECT count(*) FROM container")))
		return func() { must(t, foreign("COMMIT")) }
	},
}

func TestProcesses(t *testing.T) { storetest.Processes(t, processes) }

func contextWithTimeout(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}
