package sqlite

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/contract"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("expected no error, got: %v", err)
	}
}

func TestOnlySyncedCommitsSync(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "berth.db"), store.Paths{})
	must(t, err)
	defer s.Close()
	for _, c := range []struct {
		d    store.Durability
		want int64 // FULL is 2; NORMAL, which syncs only for checkpoints and when the log is begun anew, 1
	}{{store.Volatile, 1}, {store.Synced, 2}, {store.Volatile, 1}} {
		must(t, s.Update(t.Context(), c.d, func(tx store.UpdateTx) error {
			got, err := tx.(contract.UpdateTx).Rows().Meta.(meta).number("PRAGMA synchronous")
			if got != c.want {
				t.Errorf("durability %d: expected synchronous = %d, got %d", c.d, c.want, got)
			}
			return err
		}))
	}
}

func TestSQLiteMakesNoCheckpointsOfItsOwn(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "berth.db"), store.Paths{})
	must(t, err)
	defer s.Close()
	must(t, s.View(t.Context(), func(t2 store.Tx) error {
		n, err := t2.(*contract.Tx).Rows().Meta.(meta).number("PRAGMA wal_autocheckpoint")
		if n != 0 {
			t.Errorf("expected no automatic checkpoints, got one every %d pages", n)
		}
		return err
	}))
}

func TestAnOlderDatabaseIsBroughtForwardOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	s, err := Open(t.Context(), path, store.Paths{})
	must(t, err)
	defer s.Close()
	old := migrations
	defer func() { migrations = old }()
	migrations = append(migrations[:len(old):len(old)], "CREATE TABLE added (a); INSERT INTO added VALUES (1);", "INSERT INTO added VALUES (2)")
	for range 2 { // the second time there is nothing to do
		newer, err := Open(t.Context(), path, store.Paths{})
		must(t, err)
		must(t, newer.View(t.Context(), func(t2 store.Tx) error {
			n, err := t2.(*contract.Tx).Rows().Meta.(meta).number("SELECT count(*) FROM added")
			if n != 2 {
				t.Errorf("expected 2 rows after the migrations, got %d", n)
			}
			return err
		}))
		must(t, newer.Close())
	}
	migrations = append(migrations, "CREATE TABLE more (a); nonsense")
	if _, err := Open(t.Context(), path, store.Paths{}); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Fatalf("a migration that fails: expected its error, got: %v", err)
	}
	migrations = migrations[:len(old)+2]
	again, err := Open(t.Context(), path, store.Paths{})
	must(t, err)
	must(t, again.Close())
	migrations = old
	if _, err := Open(t.Context(), path, store.Paths{}); !errors.Is(err, store.ErrNewer) {
		t.Fatalf("opened by the older program: expected ErrNewer, got: %v", err)
	}
}

func TestLookupsAndListingsUseIndexes(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "berth.db"), store.Paths{})
	must(t, err)
	defer s.Close()
	c, err := s.take()
	must(t, err)
	defer s.give(c)
	for sql, want := range map[string]string{
		"SELECT c.config, s.state FROM state s JOIN container c ON c.seq = s.seq WHERE s.status NOT IN ('created', 'exited') AND ('' = '' OR c.namespace = '') ORDER BY s.seq": "USING INDEX state_alive",
		"SELECT c.config, s.state FROM container c JOIN state s ON s.seq = c.seq WHERE c.image = 'x' AND c.image != '' ORDER BY c.seq":                                         "USING INDEX container_image",
		"SELECT id FROM object WHERE id > 'a' AND id < 'b' AND kind = 'pod' LIMIT 2":                                                                                           "USING PRIMARY KEY",
		"SELECT session FROM exec WHERE container = 'x' ORDER BY seq":                                                                                                          "USING INDEX exec_container",
	} {
		var plan []string
		must(t, c.query("EXPLAIN QUERY PLAN "+sql, func(r row) error { plan = append(plan, r.ColumnText(3)); return nil }))
		got := strings.Join(plan, "; ")
		if !strings.Contains(got, want) || strings.Contains(got, "TEMP B-TREE") {
			t.Errorf("%s:\nexpected a plan with %s and without a sort\ngot %s", sql, want, got)
		}
	}
}
