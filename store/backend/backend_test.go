package backend_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/backend"
	"github.com/berth-engine/berth/store/internal/contract"
	"github.com/berth-engine/berth/volume"
)

// convertingVariable makes the test binary a process that converts the database at this path to and fro until it is killed.
const convertingVariable = "BERTH_BACKEND_TEST_CONVERT"

func TestMain(m *testing.M) {
	path := os.Getenv(convertingVariable)
	if path == "" {
		os.Exit(m.Run())
	}
	for n := 0; ; n++ {
		if _, err := backend.Convert(context.Background(), path, kinds[n%2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(n)
	}
}

var (
	kinds = []backend.Kind{backend.Bolt, backend.SQLite}
	paths = store.Paths{Root: "/r", RunRoot: "/rr", StorageRoot: "/s", StorageRun: "/sr", GraphDriver: "overlay"}
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("expected no error, got: %v", err)
	}
}

func open(t *testing.T, k backend.Kind, path string) store.Store {
	t.Helper()
	s, err := backend.Open(t.Context(), k, path, paths, "")
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// filled is a database of this kind with something of everything in it, which nobody has open.
func filled(t *testing.T, k backend.Kind) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "berth.db")
	s := open(t, k, path)
	must(t, s.Update(t.Context(), store.Synced, func(tx store.UpdateTx) error {
		for n := range 40 { // their order, their times and their gaps matter
			c := &container.Container{Config: container.Config{ID: fmt.Sprintf("%d%063d", 9-n%10, n), Name: fmt.Sprint("c", n), Created: time.Unix(int64(n/3), 7)},
				State: container.State{Status: container.Exited}}
			c.Config.Mounts = []container.Mount{{Type: container.Volume, Source: "v", Destination: "/v"}}
			c.Config.Network.Networks = map[string]container.NetworkOptions{"net": {Aliases: []string{"a"}}}
			e := event.Event{Type: event.Container, Action: event.Create, ID: c.Config.ID, Attributes: map[string]string{"a": "<é>"}}
			if err := errors.Join(tx.ContainerWriter().Add(c), tx.ContainerWriter().SetExitCode(c.Config.ID, n), tx.Writer().Append(e),
				tx.ExecWriter().Put(&container.ExecSession{ID: fmt.Sprint("e", 50-n), Container: c.Config.ID})); err != nil {
				return err
			}
		}
		gone := fmt.Sprintf("%d%063d", 6, 3)
		dependent := &container.Container{Config: container.Config{ID: "d", Name: "d", Dependencies: []string{fmt.Sprintf("%d%063d", 9, 0)}, Namespace: ""},
			State: container.State{Status: container.Running, PID: 17}}
		inPod := &container.Container{Config: container.Config{ID: "m", Name: "m", Pod: "p", Namespace: "ns"}, State: container.State{Status: container.Created}}
		return errors.Join(tx.ExecWriter().RemoveOf(gone), tx.ContainerWriter().Remove(gone), tx.ContainerWriter().Add(dependent),
			tx.PodWriter().Add(&container.Pod{Config: container.PodConfig{ID: "p", Name: "p", Namespace: "ns"}, State: container.PodState{Infra: "m"}}),
			tx.PodWriter().AddContainer("p", inPod), tx.VolumeWriter().Add(&volume.Volume{Name: "v"}), tx.VolumeWriter().Add(&volume.Volume{Name: "u"}),
			tx.NameWriter().Reserve("reserved", "nobody"), tx.NameWriter().Reserve("alias", "d"), tx.Writer().Prune(time.Now(), 20))
	}))
	must(t, s.Update(t.Context(), store.Synced, func(tx store.UpdateTx) error { return tx.Writer().Prune(time.Now(), 11) }))
	must(t, s.Close())
	return path
}

// sum is a checksum of all there is in the database.
func sum(t *testing.T, path string) (sum []byte) {
	t.Helper()
	s := open(t, backend.Any, path)
	defer s.Close()
	must(t, s.View(t.Context(), func(tx store.Tx) (err error) {
		sum, err = contract.Sum(tx.(*contract.Tx).Rows())
		return err
	}))
	return sum
}

func TestNothingIsLostByConvertingToAndFro(t *testing.T) {
	for _, k := range kinds {
		t.Run(string(k), func(t *testing.T) {
			path := filled(t, k)
			want := sum(t, path)
			for n := range 4 {
				to := kinds[n%2]
				for range 2 { // the second time there is nothing to do
					_, err := backend.Convert(t.Context(), path, to)
					must(t, err)
				}
				must(t, backend.Check(t.Context(), path))
				if got := sum(t, path); !bytes.Equal(got, want) {
					t.Fatalf("converted to %s: the contents differ", to)
				}
				open(t, to, path).Close()
				left, err := filepath.Glob(path + "*")
				must(t, err)
				for _, name := range left {
					if to == backend.Bolt && name != path && name != path+"-lock" {
						t.Errorf("converted to %s: expected the database and its lock, got %s too", to, filepath.Base(name))
					}
				}
			}
		})
	}
}

func TestTheSumSeesEveryDifference(t *testing.T) {
	path := filled(t, backend.SQLite)
	s := open(t, backend.Any, path)
	defer s.Close()
	seen := map[string]bool{string(sum(t, path)): true}
	for what, fn := range map[string]func(tx store.UpdateTx) error{
		"a state": func(tx store.UpdateTx) error {
			return tx.ContainerWriter().SetState("d", container.State{Status: container.Exited})
		},
		"a name": func(tx store.UpdateTx) error { return tx.ContainerWriter().Rename("d", "e") },
		"a network": func(tx store.UpdateTx) error {
			return tx.ContainerWriter().Connect("d", "n", container.NetworkOptions{})
		},
		"an exit code":  func(tx store.UpdateTx) error { return tx.ContainerWriter().SetExitCode("d", 9) },
		"an event":      func(tx store.UpdateTx) error { return tx.Writer().Append(event.Event{}) },
		"a pod":         func(tx store.UpdateTx) error { return tx.PodWriter().SetState("p", container.PodState{}) },
		"a volume":      func(tx store.UpdateTx) error { return tx.VolumeWriter().Remove("u") },
		"a reservation": func(tx store.UpdateTx) error { return tx.NameWriter().Release("alias") },
		"the boot ID": func(tx store.UpdateTx) error {
			return tx.(contract.UpdateTx).Rows().Meta.SetMeta(contract.KeyBoot, "b")
		},
		"a session": func(tx store.UpdateTx) error { return tx.ExecWriter().Remove("e50") },
		"a reference": func(tx store.UpdateTx) error {
			return tx.(contract.UpdateTx).Rows().References.Insert(contract.Mounts, "v", "m")
		},
	} {
		must(t, s.Update(t.Context(), store.Volatile, fn))
		now := string(sum(t, path))
		if seen[now] {
			t.Errorf("%s was changed: expected another checksum, got one that there was", what)
		}
		seen[now] = true
	}
}

func TestAStoreOfAnotherKindIsAnErrorThatNamesIt(t *testing.T) {
	for i, k := range kinds {
		other := kinds[1-i]
		path := filled(t, k)
		_, err := backend.Open(t.Context(), other, path, paths, "")
		if !errors.Is(err, store.ErrOtherKind) || !errors.Is(err, errdefs.ErrConflict) {
			t.Fatalf("a %s database opened as %s: expected ErrOtherKind of class ErrConflict, got: %v", k, other, err)
		}
		for _, want := range []string{path, string(k) + " database", "berth system migrate --db-backend " + string(other)} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("expected a message with %q, got: %v", want, err)
			}
		}
		for _, as := range []backend.Kind{k, backend.Any} {
			if got := backend.Of(open(t, as, path)); got != k {
				t.Errorf("a %s database opened as %q: expected it to be known as %s, got %s", k, as, k, got)
			}
		}
	}
}

func TestTheNamesOfBackEndsAreThoseOfContainersConf(t *testing.T) {
	for name, want := range map[string]backend.Kind{"": backend.Any, "any": backend.Any, "sqlite": backend.SQLite, "bolt": backend.Bolt, "boltdb": backend.Bolt} {
		if got, err := backend.Parse(name); err != nil || got != want {
			t.Errorf("%q: expected %q, got %q, %v", name, want, got, err)
		}
	}
	if _, err := backend.Parse("etcd"); !errors.Is(err, errdefs.ErrInvalidArgument) || !strings.Contains(err.Error(), "etcd") {
		t.Errorf("expected ErrInvalidArgument that names it, got: %v", err)
	}
}

func TestADatabaseInUseIsNotConverted(t *testing.T) {
	for i, k := range kinds {
		t.Run(string(k), func(t *testing.T) {
			t.Parallel()
			path := filled(t, k)
			s := open(t, k, path)
			if _, err := backend.Convert(t.Context(), path, kinds[1-i]); !errors.Is(err, errdefs.ErrConflict) {
				t.Errorf("expected a conflict, got: %v", err)
			}
			leave := time.AfterFunc(50*time.Millisecond, func() { s.Close() })
			defer leave.Stop()
			if _, err := backend.Convert(t.Context(), path, kinds[1-i]); err != nil {
				t.Errorf("closed meanwhile: expected no error, got: %v", err)
			}
		})
	}
	missing := filepath.Join(t.TempDir(), "berth.db")
	if _, err := backend.Convert(t.Context(), missing, backend.Bolt); !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("no database: expected ErrNotFound, got: %v", err)
	}
}

func TestALogThatAKilledConversionLeftIsNotTakenForTheNewDatabases(t *testing.T) {
	path := filled(t, backend.SQLite)
	log, err := os.ReadFile(path + "-wal") // of the first kind's last changes
	must(t, err)
	must(t, os.WriteFile(path+"-new", []byte("half of a new one"), 0o600))
	_, err = backend.Convert(t.Context(), path, backend.Bolt)
	must(t, err)
	must(t, os.WriteFile(path+"-wal", log, 0o600)) // as if it had been killed before it removed that
	s := open(t, backend.Any, path)
	must(t, s.Update(t.Context(), store.Synced, func(tx store.UpdateTx) error { return tx.ContainerWriter().Rename("d", "renamed") }))
	must(t, s.Close())
	want := sum(t, path)
	_, err = backend.Convert(t.Context(), path, backend.SQLite)
	must(t, err)
	if got := sum(t, path); !bytes.Equal(got, want) {
		t.Error("the contents differ after a conversion beside an old log")
	}
}

func TestAConversionThatIsKilledHasHappenedOrNot(t *testing.T) {
	path := filled(t, backend.SQLite)
	want := sum(t, path)
	for round := range 15 {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), convertingVariable+"="+path)
		stderr := new(strings.Builder)
		cmd.Stderr = stderr
		must(t, cmd.Start())
		time.Sleep(5*time.Millisecond + rand.N(60*time.Millisecond))
		cmd.Process.Kill()
		cmd.Wait()
		if stderr.Len() > 0 {
			t.Fatalf("round %d: %s", round, stderr)
		}
		must(t, backend.Check(t.Context(), path))
		if got := sum(t, path); !bytes.Equal(got, want) {
			t.Fatalf("round %d: the contents differ", round)
		}
	}
}

func TestADatabaseOfEitherKindIsCheckedAndRepaired(t *testing.T) {
	for _, k := range kinds {
		path := filled(t, k)
		must(t, backend.Check(t.Context(), path))
		must(t, os.Truncate(path, 20000))
		os.Remove(path + "-wal")
		if err := backend.Check(t.Context(), path); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s: expected ErrCorrupt, got: %v", k, err)
		}
		_, err := backend.Repair(t.Context(), backend.Any, path)
		must(t, err)
		must(t, backend.Check(t.Context(), path))
		open(t, k, path) // of the same kind
	}
}
