package sqlite_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	raw "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/sqlite"
	"github.com/berth-engine/berth/store/storetest"
)

// paths is what the tests' databases are created with.
var paths = store.Paths{Root: "/r", RunRoot: "/rr", StorageRoot: "/s", StorageRun: "/sr", GraphDriver: "overlay"}

func open(t testing.TB, path string, opts ...sqlite.Option) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, paths, opts...)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// shell is a foreign connection, as the sqlite3 shell or a backup tool makes one.
func shell(t *testing.T, path string) func(sql string) error {
	t.Helper()
	c, err := raw.OpenConn(path, raw.OpenReadWrite)
	if err != nil {
		t.Fatalf("a foreign connection: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	return func(sql string) error { return sqlitex.ExecuteTransient(c, sql, nil) }
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("expected no error, got: %v", err)
	}
}

// add adds container n in an update of its own.
func add(t *testing.T, s store.Store, d store.Durability, n int) {
	t.Helper()
	must(t, s.Update(t.Context(), d, func(tx store.UpdateTx) error { return tx.ContainerWriter().Add(web(n)) }))
}

// names are those of all containers.
func names(t *testing.T, s store.Store) (all []string) {
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

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Opener {
		path := filepath.Join(t.TempDir(), "store", "berth.db")
		return func(t *testing.T, namespace string) store.Store { return open(t, path, sqlite.Namespace(namespace)) }
	})
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	old := unix.Umask(0)
	defer unix.Umask(old)
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := open(t, filepath.Join(dir, "berth.db"))
	add(t, s, store.Synced, 1)
	seen := map[string]bool{}
	must(t, filepath.WalkDir(filepath.Dir(dir), func(path string, d fs.DirEntry, err error) error {
		fi, _ := os.Stat(path)
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		if got := fi.Mode().Perm(); got != want {
			t.Errorf("%s: expected mode %v, got %v", d.Name(), want, got)
		}
		seen[d.Name()] = true
		return err
	}))
	for _, name := range []string{"berth.db", "berth.db-wal", "berth.db-shm", "berth.db-lock"} {
		if !seen[name] {
			t.Errorf("expected a file %s, got only %v", name, seen)
		}
	}
	if len(seen) != 6 {
		t.Errorf("expected four files in two directories, got %v", seen)
	}
}

func TestANewerDatabaseIsRefusedAndSaysSo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	open(t, path).Close()
	must(t, shell(t, path)("PRAGMA user_version = 4711"))
	_, err := sqlite.Open(t.Context(), path, paths)
	if !errors.Is(err, store.ErrNewer) || !errors.Is(errdefs.Class(err), errdefs.ErrInternal) {
		t.Fatalf("expected store.ErrNewer of class ErrInternal, got: %v", err)
	}
	for _, want := range []string{path, "4711", "later"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("expected a message with %q, got: %v", want, err)
		}
	}
	if err := sqlite.Check(t.Context(), path); !errors.Is(err, store.ErrNewer) {
		t.Errorf("Check: expected store.ErrNewer, got: %v", err)
	}
	if _, err := sqlite.Repair(t.Context(), path); !errors.Is(err, store.ErrNewer) {
		t.Errorf("Repair: expected store.ErrNewer, got: %v", err)
	}
}

func TestOtherPathsThanAtCreationAreRefusedAndSaidWhich(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	open(t, path)
	for want, change := range map[string]func(p *store.Paths){
		"root directory":        func(p *store.Paths) { p.Root = "/other" },
		"run directory":         func(p *store.Paths) { p.RunRoot = "/other" },
		"storage directory":     func(p *store.Paths) { p.StorageRoot = "/other" },
		"storage run directory": func(p *store.Paths) { p.StorageRun = "/other" },
		"storage driver":        func(p *store.Paths) { p.GraphDriver = "/other" },
	} {
		p := paths
		change(&p)
		_, err := sqlite.Open(t.Context(), path, p)
		if !errors.Is(err, errdefs.ErrConflict) {
			t.Errorf("%s: expected a conflict, got: %v", want, err)
			continue
		}
		for _, s := range []string{want, "/other", path} {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("expected a message with %q, got: %v", s, err)
			}
		}
	}
	open(t, path)
}

func TestTheLogIsKeptAtCloseAndShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	s := open(t, path)
	add(t, s, store.Synced, 0)
	s.Close()
	if fi, err := os.Stat(path + "-wal"); err != nil || fi.Size() == 0 {
		t.Fatalf("expected the log to be left at close, for a checkpoint costs syncs; got %v, %v", fi, err)
	}
	s = open(t, path)
	for n := 1; n < 200; n++ { // some two thousand pages
		add(t, s, store.Volatile, n)
	}
	s.Close()
	if got := logPages(t, path); got > 700 {
		t.Errorf("expected the log to be begun anew now and then, got %d pages for the next process to read", got)
	}
	if got := len(names(t, open(t, path))); got != 200 {
		t.Errorf("expected 200 containers after the checkpoint, got %d", got)
	}
}

func TestCheckpointBeginsALongLogAnew(t *testing.T) {
	path := filled(t, 200)
	before := logPages(t, path)
	if before < 256 {
		t.Fatalf("expected a long log to begin with, got %d pages", before)
	}
	s := open(t, path)
	must(t, s.Checkpoint(t.Context()))
	s.Close()
	if got := logPages(t, path); got > 10 {
		t.Errorf("expected a log of a few pages, got %d of %d", got, before)
	}
	if got := len(names(t, open(t, path))); got != 200 {
		t.Errorf("expected 200 containers, got %d", got)
	}
}

// logPages is how many pages the next process to open the database reads of its log, counted on a copy.
func logPages(t *testing.T, path string) (pages int) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{path, path + "-wal"} {
		b, err := os.ReadFile(name)
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, filepath.Base(name)), b, 0o600))
	}
	c, err := raw.OpenConn(filepath.Join(dir, filepath.Base(path)), raw.OpenReadWrite)
	must(t, err)
	defer c.Close()
	must(t, sqlitex.ExecuteTransient(c, "PRAGMA wal_checkpoint(NOOP)", &sqlitex.ExecOptions{ResultFunc: func(r *raw.Stmt) error {
		pages = r.ColumnInt(1)
		return nil
	}}))
	return pages
}

func TestAForeignWriterIsWaitedForAndACancelEndsTheWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	s := open(t, path)
	foreign := shell(t, path)
	must(t, foreign("BEGIN IMMEDIATE"))
	ctx, cancel := contextWithTimeout(t, 50*time.Millisecond)
	defer cancel()
	err := s.Update(ctx, store.Synced, func(store.UpdateTx) error { t.Error("ran beside another writer"); return nil })
	if !errors.Is(err, ctx.Err()) {
		t.Errorf("expected the context's error, got: %v", err)
	}
	if len(names(t, s)) != 0 {
		t.Error("expected to read while another writes")
	}
	var wg sync.WaitGroup
	wg.Go(func() { time.Sleep(50 * time.Millisecond); foreign("COMMIT") })
	add(t, s, store.Synced, 1)
	wg.Wait()
}

func TestAFullDiskIsAnErrorAndTheStoreGoesOn(t *testing.T) {
	dir := t.TempDir()
	must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m,mode=0700"))
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	s := open(t, filepath.Join(dir, "berth.db"))
	defer s.Close()
	add(t, s, store.Synced, 0)
	must(t, os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 300<<10), 0o600))
	var err error
	n := 1
	for ; err == nil && n < 1000; n++ {
		big := web(n)
		big.Config.CIDFile = strings.Repeat("x", 8<<10)
		err = s.Update(t.Context(), store.Synced, func(tx store.UpdateTx) error { return tx.ContainerWriter().Add(big) })
	}
	if !errors.Is(err, errdefs.ErrUnavailable) || !strings.Contains(err.Error(), "space") {
		t.Fatalf("after %d containers: expected ErrUnavailable with a word about space, got: %v", n, err)
	}
	if got := len(names(t, s)); got != n-1 {
		t.Errorf("expected the %d containers that were added before, got %d", n-1, got)
	}
	must(t, os.Remove(filepath.Join(dir, "ballast")))
	add(t, s, store.Synced, n)
}

func TestCheckPassesASoundDatabaseAndSaysWhatIsMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.db")
	if err := sqlite.Check(t.Context(), path); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("no database: expected ErrNotFound, got: %v", err)
	}
	s := open(t, path)
	for n := range 20 {
		add(t, s, store.Volatile, n)
	}
	must(t, sqlite.Check(t.Context(), path))
	must(t, shell(t, path)("UPDATE container SET config = '{' WHERE seq = 7"))
	err := sqlite.Check(t.Context(), path)
	if !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), "container 7") {
		t.Errorf("expected ErrCorrupt that names container 7, got: %v", err)
	}
	err = s.View(t.Context(), func(tx store.Tx) error { _, err := tx.Containers().All(); return err })
	if !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("reading it: expected ErrCorrupt, got: %v", err)
	}
	must(t, shell(t, path)("DELETE FROM state WHERE seq = 9"))
	if err = sqlite.Check(t.Context(), path); err == nil || !strings.Contains(err.Error(), web(8).Config.ID) {
		t.Errorf("expected an error that names the container without a state, got: %v", err)
	}
}

func TestADamagedDatabaseIsRefusedAndLeftAsItIs(t *testing.T) {
	for what, damage := range map[string]func(t *testing.T, path string){
		"an empty file": func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) },
		"a text file": func(t *testing.T, path string) {
			must(t, os.WriteFile(path, []byte(strings.Repeat("hello\n", 2000)), 0o600))
		},
		"cut short":     func(t *testing.T, path string) { must(t, os.Truncate(path, 6000)) },
		"no first page": func(t *testing.T, path string) { overwrite(t, path, 0, 4096) },
		"another program's": func(t *testing.T, path string) {
			must(t, os.Remove(path))
			c, err := raw.OpenConn(path)
			must(t, err)
			must(t, sqlitex.ExecuteTransient(c, "CREATE TABLE t (a)", nil))
			must(t, c.Close())
		},
		"a log without its database": func(t *testing.T, path string) {
			must(t, os.Remove(path))
			must(t, os.WriteFile(path+"-wal", []byte("log"), 0o600))
		},
	} {
		t.Run(what, func(t *testing.T) {
			path := filled(t, 50)
			must(t, os.Remove(path+"-wal"))
			damage(t, path)
			before, _ := os.ReadFile(path)
			s, err := sqlite.Open(t.Context(), path, paths)
			if err == nil {
				err = s.View(t.Context(), func(tx store.Tx) error { _, err := tx.Containers().All(); return err })
				s.Close()
			}
			if !errors.Is(err, store.ErrCorrupt) || !errors.Is(errdefs.Class(err), errdefs.ErrInternal) {
				t.Fatalf("expected store.ErrCorrupt of class ErrInternal, got: %v", err)
			}
			for _, want := range []string{path, "berth system check --repair"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("expected a message with %q, got: %v", want, err)
				}
			}
			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Errorf("the damaged file was changed")
			}
			if err := sqlite.Check(t.Context(), path); !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("Check: expected ErrCorrupt, got: %v", err)
			}
			report, err := sqlite.Repair(t.Context(), path)
			if err != nil {
				t.Fatalf("Repair: %v", err)
			}
			if len(report.Lost) == 0 {
				t.Error("expected a report of what was lost, got nothing")
			}
			s = open(t, path)
			add(t, s, store.Synced, 100)
			must(t, sqlite.Check(t.Context(), path))
		})
	}
}

// overwrite destroys a part of a file.
func overwrite(t *testing.T, path string, from, n int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	defer f.Close()
	junk := make([]byte, n)
	for i := range junk {
		junk[i] = 0xa5
	}
	_, err = f.WriteAt(junk, from)
	must(t, err)
}

// As a file system leaves it that lost the file's end. SQLite refuses such a file as a whole.
func TestRepairSavesWhatIsLeftOfAFileThatWasCutShort(t *testing.T) {
	const n = 300
	path := filled(t, n)
	c, err := raw.OpenConn(path, raw.OpenReadWrite)
	must(t, err)
	must(t, sqlitex.ExecuteTransient(c, "VACUUM", nil))
	must(t, sqlitex.ExecuteTransient(c, "PRAGMA wal_checkpoint(TRUNCATE)", nil))
	must(t, c.Close())
	fi, err := os.Stat(path)
	must(t, err)
	must(t, os.Truncate(path, fi.Size()-4096))
	report, err := sqlite.Repair(t.Context(), path)
	must(t, err)
	if report.Containers < n*9/10 || report.Events < 4*n*9/10 {
		t.Errorf("expected nearly %d containers and %d events, got %+v", n, 4*n, report)
	}
	must(t, sqlite.Check(t.Context(), path))
	if got := len(names(t, open(t, path))); got != report.Containers {
		t.Errorf("expected %d containers, got %d", report.Containers, got)
	}
}

func TestRepairSavesWhatLiesAroundTheDamage(t *testing.T) {
	const n = 300
	path := filled(t, n)
	s := open(t, path)
	must(t, s.Update(t.Context(), store.Synced, func(tx store.UpdateTx) error {
		return errors.Join(tx.Writer().Refresh("boot"), tx.ContainerWriter().SetExitCode(web(0).Config.ID, 3),
			tx.ExecWriter().Put(&container.ExecSession{ID: "e", Container: web(n - 1).Config.ID, Status: container.Created}))
	}))
	_, err := sqlite.Repair(t.Context(), path)
	if !errors.Is(err, errdefs.ErrConflict) {
		t.Fatalf("a database in use: expected a conflict, got: %v", err)
	}
	s.Close()
	must(t, shell(t, path)("PRAGMA wal_checkpoint(TRUNCATE)"))
	// One leaf of the table container, in its middle, is destroyed.
	overwrite(t, path, leafWith(t, path, web(n / 2).Config.CreateCommand[0], fmt.Sprintf(`"name":"web%d"`, n/2)), 4096)
	if err := sqlite.Check(t.Context(), path); !errors.Is(err, store.ErrCorrupt) {
		t.Fatalf("Check: expected ErrCorrupt, got: %v", err)
	}
	damaged, _ := os.ReadFile(path)
	report, err := sqlite.Repair(t.Context(), path)
	must(t, err)
	if report.Containers < n-5 || report.Containers >= n || report.Events != 4*n || report.Execs != 1 || len(report.Lost) == 0 {
		t.Errorf("expected nearly %d containers, %d events, a session and a word about the loss, got %+v", n, 4*n, report)
	}
	if kept, _ := os.ReadFile(report.Kept); string(kept) != string(damaged) {
		t.Errorf("expected the damaged file to be kept as %s", report.Kept)
	}
	must(t, sqlite.Check(t.Context(), path))
	s = open(t, path)
	if got := len(names(t, s)); got != report.Containers {
		t.Errorf("expected %d containers, got %d", report.Containers, got)
	}
	must(t, s.View(t.Context(), func(tx store.Tx) error {
		boot, err := tx.BootID()
		code, codeErr := tx.ExitCode(web(0).Config.ID)
		if boot != "boot" || code != 3 {
			t.Errorf("expected boot ID and exit code to be saved, got %q, %d", boot, code)
		}
		return errors.Join(err, codeErr)
	}))
	add(t, s, store.Synced, n/2) // the lost one's name is free
}

// leafWith returns the offset of the page that holds all the texts.
func leafWith(t *testing.T, path string, texts ...string) int64 {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	for at := 0; at+4096 <= len(b); at += 4096 {
		page := string(b[at : at+4096])
		found := true
		for _, s := range texts {
			found = found && strings.Contains(page, s)
		}
		if found {
			return int64(at)
		}
	}
	t.Fatalf("no page holds %q", texts)
	return 0
}

func TestAnInterruptedRepairIsFinishedByTheNext(t *testing.T) {
	path := filled(t, 10)
	fresh := filled(t, 5)
	must(t, shell(t, fresh)("PRAGMA wal_checkpoint(TRUNCATE)"))
	must(t, os.Rename(fresh, path+"-repaired"))
	must(t, os.Remove(path)) // it was interrupted between its last two steps
	if _, err := sqlite.Open(t.Context(), path, paths); !errors.Is(err, store.ErrCorrupt) {
		t.Fatalf("Open: expected ErrCorrupt, got: %v", err)
	}
	if err := sqlite.Check(t.Context(), path); !errors.Is(err, store.ErrCorrupt) {
		t.Fatalf("Check: expected ErrCorrupt, got: %v", err)
	}
	if _, err := sqlite.Repair(t.Context(), path); err != nil {
		t.Fatalf("Repair: %v", err)
	}
	if got := len(names(t, open(t, path))); got != 5 {
		t.Errorf("expected the 5 containers of the repaired database, got %d", got)
	}
}
