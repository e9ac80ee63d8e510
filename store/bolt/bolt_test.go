package bolt_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/bolt"
	"github.com/berth-engine/berth/store/storetest"
	"github.com/berth-engine/berth/volume"
)

// paths is what the tests' databases are created with.
var paths = store.Paths{Root: "/r", RunRoot: "/rr", StorageRoot: "/s", StorageRun: "/sr", GraphDriver: "overlay"}

func open(t testing.TB, path string, opts ...bolt.Option) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(t.Context(), path, paths, opts...)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestMain(m *testing.M) { storetest.Main(m, processes) }

var processes = storetest.Backend{
	Open:  func(ctx context.Context, path string) (store.Store, error) { return bolt.Open(ctx, path, paths) },
	Check: bolt.Check,
}

func TestProcesses(t *testing.T) { storetest.Processes(t, processes) }

func BenchmarkStore(b *testing.B) { storetest.Benchmarks(b, processes) }

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opener {
		path := filepath.Join(t.TempDir(), "store", "berth.db")
		return func(t *testing.T, namespace string) store.Store { return open(t, path, bolt.Namespace(namespace)) }
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("expected no error, got: %v", err)
	}
}

// web is a container with something in it.
func web(n int) *container.Container {
	return &container.Container{
		Config: container.Config{
			ID: fmt.Sprintf("%064x", n), Name: fmt.Sprint("web", n), Created: time.Unix(int64(n), 0),
			CreateCommand: []string{"berth", "run", "-d", "--name", "web", strings.Repeat("x", 1500)},
		},
		State: container.State{Status: container.Exited},
	}
}

// filled is a database with n containers and as many events, which nobody has open.
func filled(t testing.TB, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "berth.db")
	s, err := bolt.Open(t.Context(), path, paths)
	must(t, err)
	defer s.Close()
	must(t, s.Update(t.Context(), store.Synced, func(tx store.UpdateTx) error {
		for i := range n {
			e := event.Event{Type: event.Container, Action: event.Create, ID: web(i).Config.ID}
			if err := errors.Join(tx.ContainerWriter().Add(web(i)), tx.Writer().Append(e)); err != nil {
				return err
			}
		}
		return nil
	}))
	return path
}

// names are those of all containers.
func names(t testing.TB, s store.Store) (all []string) {
	t.Helper()
	must(t, s.View(t.Context(), func(tx store.Tx) error {
		cs, err := tx.Containers().All()
		for _, c := range cs {
			all = append(all, c.Config.Name)
		}
		return err
	}))
	return all
}

func TestTheFileIsHeldOnlyDuringATransaction(t *testing.T) {
	path := filled(t, 3)
	s := open(t, path)
	free := func(when string, want bool) {
		t.Helper()
		f, err := os.Open(path)
		must(t, err)
		defer f.Close()
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if (err == nil) != want {
			t.Errorf("%s: expected the file to be free: %v, got: %v", when, want, err)
		}
	}
	free("opened", true)
	must(t, s.View(t.Context(), func(tx store.Tx) error {
		free("in a view", true)
		_, err := tx.Containers().All()
		return err
	}))
	must(t, s.Update(t.Context(), store.Synced, func(store.UpdateTx) error { free("in an update", false); return nil }))
	free("after an update", true)
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	old := unix.Umask(0)
	defer unix.Umask(old)
	dir := filepath.Join(t.TempDir(), "a")
	open(t, filepath.Join(dir, "berth.db"))
	for name, want := range map[string]os.FileMode{"": 0o700, "berth.db": 0o600, "berth.db-lock": 0o600} {
		fi, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if got := fi.Mode().Perm(); got != want {
			t.Errorf("%q: expected mode %v, got %v", name, want, got)
		}
	}
}

func TestANewerDatabaseIsRefusedAndSaysSo(t *testing.T) {
	path := filled(t, 1)
	db, err := bbolt.Open(path, 0o600, nil)
	must(t, err)
	must(t, db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("format"), []byte("4711")) }))
	must(t, db.Close())
	_, err = bolt.Open(t.Context(), path, paths)
	if !errors.Is(err, store.ErrNewer) || !strings.Contains(err.Error(), "4711") {
		t.Errorf("Open: expected store.ErrNewer with the number, got: %v", err)
	}
	if err := bolt.Check(t.Context(), path); !errors.Is(err, store.ErrNewer) {
		t.Errorf("Check: expected store.ErrNewer, got: %v", err)
	}
	if _, err := bolt.Repair(t.Context(), path); !errors.Is(err, store.ErrNewer) {
		t.Errorf("Repair: expected store.ErrNewer, got: %v", err)
	}
}

func TestOtherPathsThanAtCreationAreRefused(t *testing.T) {
	path := filled(t, 1)
	other := paths
	other.GraphDriver = "vfs"
	_, err := bolt.Open(t.Context(), path, other)
	if !errors.Is(err, errdefs.ErrConflict) || !strings.Contains(err.Error(), "storage driver") || !strings.Contains(err.Error(), "vfs") {
		t.Errorf("expected a conflict that says what differs, got: %v", err)
	}
}

func TestAFullDiskIsAnErrorAndTheStoreGoesOn(t *testing.T) {
	dir := t.TempDir()
	must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=2m,mode=0700"))
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	s := open(t, filepath.Join(dir, "berth.db"))
	defer s.Close()
	var err error
	n := 0
	for ; err == nil && n < 2000; n++ {
		err = s.Update(t.Context(), store.Synced, func(tx store.UpdateTx) error { return tx.ContainerWriter().Add(web(n)) })
	}
	if !errors.Is(err, errdefs.ErrUnavailable) {
		t.Fatalf("after %d containers: expected ErrUnavailable, got: %v", n, err)
	}
	if got := len(names(t, s)); got != n-1 {
		t.Errorf("expected the %d containers that were added before, got %d", n-1, got)
	}
}

func TestADamagedDatabaseIsRefusedAndLeftAsItIs(t *testing.T) {
	for what, damage := range map[string]func(t *testing.T, path string){
		"an empty file": func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) },
		"a text file": func(t *testing.T, path string) {
			must(t, os.WriteFile(path, []byte(strings.Repeat("hello\n", 2000)), 0o600))
		},
		"cut short":         func(t *testing.T, path string) { must(t, os.Truncate(path, 30000)) },
		"no meta pages":     func(t *testing.T, path string) { overwrite(t, path, 0, 8192, 0xa5) },
		"pages overwritten": func(t *testing.T, path string) { overwrite(t, path, 8192, 1<<20, 0xa5) },
		"pages zeroed":      func(t *testing.T, path string) { overwrite(t, path, 8192, 1<<20, 0) },
		"another program's": func(t *testing.T, path string) {
			must(t, os.Remove(path))
			db, err := bbolt.Open(path, 0o600, nil)
			must(t, err)
			must(t, db.Close())
		},
	} {
		t.Run(what, func(t *testing.T) {
			path := filled(t, 200)
			damage(t, path)
			before, _ := os.ReadFile(path)
			s, err := bolt.Open(t.Context(), path, paths)
			if err == nil {
				err = s.View(t.Context(), func(tx store.Tx) error { _, err := tx.Containers().All(); return err })
				s.Close()
			}
			if !errors.Is(err, store.ErrCorrupt) {
				t.Fatalf("expected store.ErrCorrupt, got: %v", err)
			}
			for _, want := range []string{path, "berth system check --repair"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("expected a message with %q, got: %v", want, err)
				}
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Errorf("the damaged file was changed")
			}
			if err := bolt.Check(t.Context(), path); !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("Check: expected ErrCorrupt, got: %v", err)
			}
			report, err := bolt.Repair(t.Context(), path)
			must(t, err)
			if len(report.Lost) == 0 {
				t.Error("expected a report of what was lost, got nothing")
			}
			if kept, _ := os.ReadFile(report.Kept); string(kept) != string(before) {
				t.Errorf("expected the damaged file to be kept as %s", report.Kept)
			}
			s = open(t, path)
			must(t, s.Update(t.Context(), store.Synced, func(tx store.UpdateTx) error { return tx.ContainerWriter().Add(web(1000)) }))
			must(t, bolt.Check(t.Context(), path))
		})
	}
}

func overwrite(t *testing.T, path string, from, n int64, with byte) {
	t.Helper()
	fi, err := os.Stat(path)
	must(t, err)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	defer f.Close()
	_, err = f.WriteAt(bytes.Repeat([]byte{with}, int(min(n, fi.Size()-from))), from)
	must(t, err)
}

func TestRepairSavesWhatLiesAroundTheDamage(t *testing.T) {
	const n = 300
	path := filled(t, n)
	s := open(t, path)
	must(t, s.Update(t.Context(), store.Synced, func(tx store.UpdateTx) error {
		return errors.Join(tx.Writer().Refresh("boot"), tx.ContainerWriter().SetExitCode(web(0).Config.ID, 3),
			tx.PodWriter().Add(&container.Pod{Config: container.PodConfig{ID: "p", Name: "p"}}),
			tx.NameWriter().Reserve("reserved", "id"),
			tx.VolumeWriter().Add(&volume.Volume{Name: "v"}),
			tx.ExecWriter().Put(&container.ExecSession{ID: "e", Container: web(n - 1).Config.ID, Status: container.Created}))
	}))
	if _, err := bolt.Repair(t.Context(), path); !errors.Is(err, errdefs.ErrConflict) {
		t.Fatalf("a database in use: expected a conflict, got: %v", err)
	}
	s.Close()
	// The leaf with one container in the middle is destroyed.
	b, err := os.ReadFile(path)
	must(t, err)
	at := int64(bytes.LastIndex(b, []byte(web(n/2).Config.Name)))
	overwrite(t, path, at/4096*4096, 4096, 0xa5)
	if err := bolt.Check(t.Context(), path); !errors.Is(err, store.ErrCorrupt) {
		t.Fatalf("Check: expected ErrCorrupt, got: %v", err)
	}
	report, err := bolt.Repair(t.Context(), path)
	must(t, err)
	if report.Containers < n-10 || report.Containers >= n || report.Events != n || report.Pods != 1 || report.Volumes != 1 || report.Execs != 1 {
		t.Errorf("expected nearly %d containers, %d events, a pod, a volume and a session, got %+v", n, n, report)
	}
	must(t, bolt.Check(t.Context(), path))
	s = open(t, path)
	must(t, s.View(t.Context(), func(tx store.Tx) error {
		boot, err := tx.BootID()
		code, codeErr := tx.ExitCode(web(0).Config.ID)
		last, lastErr := tx.Events().Last()
		owner, ownerErr := tx.Names().Owner("reserved")
		if boot != "boot" || code != 3 || last != n || owner != "id" {
			t.Errorf("expected boot ID, exit code, last event and reserved name to be saved, got %q, %d, %d, %q", boot, code, last, owner)
		}
		return errors.Join(err, codeErr, lastErr, ownerErr)
	}))
}

func TestAnInterruptedRepairIsFinishedByTheNext(t *testing.T) {
	path := filled(t, 10)
	must(t, os.Rename(filled(t, 5), path+"-repaired"))
	must(t, os.Remove(path)) // it was interrupted between its last two steps
	if _, err := bolt.Open(t.Context(), path, paths); !errors.Is(err, store.ErrCorrupt) {
		t.Fatalf("Open: expected ErrCorrupt, got: %v", err)
	}
	if _, err := bolt.Repair(t.Context(), path); err != nil {
		t.Fatalf("Repair: %v", err)
	}
	if got := len(names(t, open(t, path))); got != 5 {
		t.Errorf("expected the 5 containers of the repaired database, got %d", got)
	}
}

func TestABrokenMetaPageLeavesTheCommitBefore(t *testing.T) {
	path := filled(t, 3)
	s := open(t, path)
	must(t, s.Update(t.Context(), store.Synced, func(tx store.UpdateTx) error { return tx.ContainerWriter().Add(web(10)) }))
	s.Close()
	b, err := os.ReadFile(path)
	must(t, err)
	newest := int64(0)
	if binary.NativeEndian.Uint64(b[4096+64:]) > binary.NativeEndian.Uint64(b[64:]) {
		newest = 4096
	}
	overwrite(t, path, newest, 4096, 0xff) // as when power fails while it is written
	if got := len(names(t, open(t, path))); got != 3 {
		t.Errorf("expected the 3 containers of the commit before, got %d", got)
	}
}

// bbolt would follow it until the process has no memory left.
func TestAPageThatLeadsToItselfIsFoundAndGoneAround(t *testing.T) {
	path := filled(t, 200)
	b, err := os.ReadFile(path)
	must(t, err)
	at := int64(bytes.Index(b, []byte(`"name":"web100"`)) / 4096 * 4096) // a leaf: of containers, of their names or of events
	page := make([]byte, 4096)
	binary.NativeEndian.PutUint64(page, uint64(at/4096))
	page[8], page[10] = 1, 1 // a branch with one element
	binary.NativeEndian.PutUint64(page[24:], uint64(at/4096))
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt(page, at)
	must(t, errors.Join(err, f.Close()))
	if err := bolt.Check(t.Context(), path); !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), "of itself") {
		t.Fatalf("Check: expected ErrCorrupt that says what is wrong, got: %v", err)
	}
	report, err := bolt.Repair(t.Context(), path)
	must(t, err)
	if report.Containers < 190 || report.Events < 190 || len(report.Lost) == 0 {
		t.Errorf("expected all but what was on one page, which is named, got %+v", report)
	}
	must(t, bolt.Check(t.Context(), path))
}
