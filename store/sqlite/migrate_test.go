package sqlite

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"zombiezen.com/go/sqlite"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
)

// golden unpacks a database that was written by the program of an older version: testdata/vN.db.gz.
func golden(t *testing.T, version int) string {
	t.Helper()
	packed, err := os.ReadFile(filepath.Join("testdata", fmt.Sprintf("v%d.db.gz", version)))
	must(t, err)
	z, err := gzip.NewReader(bytes.NewReader(packed))
	must(t, err)
	b, err := io.ReadAll(z)
	must(t, err)
	path := filepath.Join(t.TempDir(), "berth.db")
	must(t, os.WriteFile(path, b, 0o600))
	return path
}

// goldenPaths is what the golden databases were created with.
var goldenPaths = store.Paths{Root: "/r", RunRoot: "/rr", StorageRoot: "/s", StorageRun: "/sr", GraphDriver: "overlay"}

func TestADatabaseOfEveryOlderVersionIsBroughtForwardWhole(t *testing.T) {
	for version := 1; version < len(migrations); version++ {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			path := golden(t, version)
			must(t, Check(t.Context(), path)) // as it is
			s, err := Open(t.Context(), path, goldenPaths)
			must(t, err)
			defer s.Close()
			must(t, Check(t.Context(), path))
			must(t, s.View(t.Context(), func(tx store.Tx) error { return holdsGolden(t, tx) }))
			must(t, s.Update(t.Context(), store.Synced, func(tx store.UpdateTx) error {
				free := &container.Container{Config: container.Config{ID: "new", Name: "web3"}, State: container.State{Status: container.Created}}
				taken := &container.Container{Config: container.Config{ID: "other", Name: "web0"}, State: container.State{Status: container.Created}}
				if err := tx.ContainerWriter().Add(taken); !errors.Is(err, errdefs.ErrAlreadyExists) {
					t.Errorf("a name that is taken: expected ErrAlreadyExists, got %v", err)
				}
				return tx.ContainerWriter().Add(free)
			}))
			if got, want := tables(t, s), tables(t, fresh(t)); !slices.Equal(got, want) {
				t.Errorf("expected the schema of a new database:\n%q\ngot:\n%q", want, got)
			}
		})
	}
}

// holdsGolden checks for what was put into every golden database: containers web0, web1, which needs it, and web2, which is in a
// namespace; web3, which was removed; an exec session, two volumes, exit codes, events.
func holdsGolden(t *testing.T, tx store.Tx) error {
	var names []string
	var id [3]string
	cs, err := tx.Containers().All()
	for i, c := range cs {
		names = append(names, c.Config.Name)
		id[i] = c.Config.ID
	}
	if want := []string{"web0", "web1", "web2"}; !slices.Equal(names, want) {
		t.Fatalf("expected containers %v, got %v", want, names)
	}
	if c := cs[2]; c.Config.Namespace != "other" || c.State.Status != container.Exited || len(cs[0].Config.Mounts) != 2 {
		t.Errorf("expected web2 of namespace other, exited by a refresh, and two mounts of web0, got %+v", c)
	}
	needs, needsErr := tx.Containers().Dependents(id[0])
	users, usersErr := tx.Volumes().Users("logs")
	sessions, sessErr := tx.Execs().OfContainer(id[0])
	code, codeErr := tx.ExitCode(id[0])
	last, lastErr := tx.Events().Last()
	boot, bootErr := tx.BootID()
	for what, ok := range map[string]bool{
		"web1 depends on web0":  slices.Equal(needs, []string{id[1]}),
		"all mount the volume":  len(users) == 3,
		"web0 has a session":    len(sessions) == 1 && sessions[0].ID == "e1",
		"web0 ended with 3":     code == 3,
		"there were 4 events":   last == 4,
		"the boot ID was known": boot == "boot of version 1",
	} {
		if !ok {
			t.Errorf("expected that %s: got dependents %v, users %v, sessions %v, code %d, last event %d, boot %q",
				what, needs, users, sessions, code, last, boot)
		}
	}
	return errors.Join(err, needsErr, usersErr, sessErr, codeErr, lastErr, bootErr)
}

func fresh(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "berth.db"), store.Paths{})
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// tables are the columns of all tables, and the indexes.
func tables(t *testing.T, s *Store) (all []string) {
	t.Helper()
	c, err := s.take()
	must(t, err)
	defer s.give(c)
	must(t, c.query(`SELECT m.name || '.' || p.name || ' ' || p.type || ' ' || p."notnull" || ' ' || p.pk
		FROM sqlite_master m, pragma_table_info(m.name) p ORDER BY 1`, func(r row) error {
		all = append(all, r.ColumnText(0))
		return nil
	}))
	must(t, c.query("SELECT name || coalesce(sql, '') FROM sqlite_master WHERE type = 'index' ORDER BY 1", func(r row) error {
		all = append(all, r.ColumnText(0))
		return nil
	}))
	return all
}

func TestADamagedDatabaseOfAnOlderVersionIsRepairedToTheNewest(t *testing.T) {
	path := golden(t, 1)
	c, err := connect(path, sqlite.OpenReadWrite)
	must(t, err)
	must(t, c.script("DELETE FROM state WHERE seq = 1"))
	must(t, c.Close())
	if err := Check(t.Context(), path); !errors.Is(err, store.ErrCorrupt) {
		t.Fatalf("Check: expected ErrCorrupt, got %v", err)
	}
	report, err := Repair(t.Context(), path)
	must(t, err)
	if report.Containers != 3 || report.Execs != 1 || report.Volumes != 2 || report.Events != 4 || len(report.Lost) != 1 {
		t.Errorf("expected all but one state, got %+v", report)
	}
	s, err := Open(t.Context(), path, goldenPaths)
	must(t, err)
	defer s.Close()
	must(t, s.View(t.Context(), func(tx store.Tx) error { return holdsGolden(t, tx) }))
}
