package backend

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
)

// A conversion that is killed once the new database is in place leaves the old one's log beside it.
func TestTheLogIsEmptyBeforeADatabaseIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	s, err := Open(t.Context(), SQLite, path, store.Paths{Root: "/r"}, "")
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(t.Context(), store.Synced, func(tx store.UpdateTx) error {
		return tx.Writer().Append(event.Event{Type: event.System, Action: event.Refresh})
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if n := logSize(t, path); n == 0 {
		t.Fatal("expected a log with the last update in it")
	}
	alone, err := openAlone(t.Context(), SQLite, path)
	if err != nil {
		t.Fatal(err)
	}
	defer alone.Close()
	if n := logSize(t, path); n != 0 {
		t.Errorf("expected an empty log, got one of %d bytes", n)
	}
}

func logSize(t *testing.T, path string) int64 {
	t.Helper()
	st, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}
