package sqlite

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/volume"
)

var update = flag.Bool("update", false, "write the golden database of the current version, when there is a new one")

// golden unpacks a database that was written by the program of a version: testdata/vN.db.gz. Once released it is never written anew.
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

func TestADatabaseOfEveryVersionIsBroughtForwardWhole(t *testing.T) {
	if *update {
		writeGolden(t)
	}
	for version := 1; version <= len(migrations); version++ { // the current one's is tomorrow's older one
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			path := golden(t, version)
			must(t, Check(t.Context(), path)) // as it is
			s, err := Open(t.Context(), path, goldenPaths)
			must(t, err)
			defer s.Close()
			must(t, Check(t.Context(), path))
			must(t, s.View(t.Context(), func(tx store.Tx) error { return holdsGolden(t, tx) }))
			if version >= versionPods {
				must(t, s.View(t.Context(), func(tx store.Tx) error { return holdsPods(t, tx) }))
			}
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
	cs = slices.DeleteFunc(cs, func(c *container.Container) bool { return c.Config.Pod != "" }) // holdsPods has those
	for i, c := range cs {
		names = append(names, c.Config.Name)
		id[min(i, 2)] = c.Config.ID
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
		"the boot ID was known": boot == goldenBoot,
	} {
		if !ok {
			t.Errorf("expected that %s: got dependents %v, users %v, sessions %v, code %d, last event %d, boot %q",
				what, needs, users, sessions, code, last, boot)
		}
	}
	return errors.Join(err, needsErr, usersErr, sessErr, codeErr, lastErr, bootErr)
}

// goldenBoot is the boot ID in the golden databases.
const goldenBoot = "boot of version 1"

// holdsPods checks for what came with version 2: a pod with a container that is connected to a network, and a reserved name.
func holdsPods(t *testing.T, tx store.Tx) error {
	members, err := tx.Pods().Containers("pod")
	connected, connErr := tx.Containers().Connected("net")
	owner, ownerErr := tx.Names().Owner("reserved")
	if len(members) != 1 || !slices.Equal(connected, []string{"member"}) || owner != "somebody" {
		t.Errorf("expected a pod with a connected container, and a reserved name, got %d, %v, %q", len(members), connected, owner)
	}
	return errors.Join(err, connErr, ownerErr)
}

// writeGolden writes what holdsGolden and holdsPods check for.
func writeGolden(t *testing.T) {
	path := filepath.Join(t.TempDir(), "golden.db")
	s, err := Open(t.Context(), path, goldenPaths)
	must(t, err)
	made := func(n int) *container.Container {
		return &container.Container{
			Config: container.Config{
				ID: fmt.Sprintf("%064x", n), Name: fmt.Sprint("web", n), Created: time.Unix(int64(n), 0),
				Mounts: []container.Mount{{Type: container.Volume, Source: "logs", Destination: "/l"}, {Type: container.Bind, Source: "/s", Destination: "/s"}},
			},
			State: container.State{Status: container.Running},
		}
	}
	needs, elsewhere := made(1), made(2)
	needs.Config.Dependencies, elsewhere.Config.Namespace = []string{made(0).Config.ID}, "other"
	member := &container.Container{Config: container.Config{ID: "member", Name: "member", Pod: "pod", Namespace: "of the pod", Created: time.Unix(9, 0)},
		State: container.State{Status: container.Created}}
	member.Config.Network.Networks = map[string]container.NetworkOptions{"net": {Aliases: []string{"alias"}}}
	must(t, s.Update(t.Context(), store.Synced, func(tx store.UpdateTx) error {
		w := tx.ContainerWriter()
		for _, c := range []*container.Container{made(0), needs, elsewhere, made(3)} {
			e := event.Event{Type: event.Container, Action: event.Create, ID: c.Config.ID, Time: time.Unix(100, 5)}
			if err := errors.Join(w.Add(c), tx.Writer().Append(e)); err != nil {
				return err
			}
		}
		return errors.Join(
			tx.PodWriter().Add(&container.Pod{Config: container.PodConfig{ID: "pod", Name: "pod", Namespace: "of the pod"}}),
			tx.PodWriter().AddContainer("pod", member), tx.NameWriter().Reserve("reserved", "somebody"), tx.Writer().Refresh(goldenBoot),
			tx.VolumeWriter().Add(&volume.Volume{Name: "logs"}), tx.VolumeWriter().Add(&volume.Volume{Name: "unused"}),
			tx.ExecWriter().Put(&container.ExecSession{ID: "e1", Container: made(0).Config.ID, Status: container.Running}),
			w.SetExitCode(made(0).Config.ID, 3), w.SetExitCode(made(3).Config.ID, 4), w.Remove(made(3).Config.ID))
	}))
	c, err := s.take()
	must(t, err)
	must(t, c.script("PRAGMA wal_checkpoint(TRUNCATE)"))
	s.give(c)
	must(t, s.Close())
	b, err := os.ReadFile(path)
	must(t, err)
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	must(t, err)
	_, err = z.Write(b)
	must(t, errors.Join(err, z.Close()))
	must(t, os.WriteFile(filepath.Join("testdata", fmt.Sprintf("v%d.db.gz", len(migrations))), packed.Bytes(), 0o644))
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
