package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
)

// reboot has the next engine on the same directories find another boot ID in the store.
func reboot(t *testing.T, e *Engine) {
	t.Helper()
	err := e.store.Update(context.Background(), store.Synced, func(tx store.UpdateTx) error { return tx.Writer().Refresh("an-earlier-boot") })
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(e.paths.boot()); err != nil {
		t.Fatal(err)
	}
}

// layerOf makes the directory that a container has after its first start.
func layerOf(t *testing.T, e *Engine, id string, passing bool) string {
	t.Helper()
	dir := e.paths.container(id)
	if err := os.MkdirAll(dir+"/upper", 0o700); err != nil {
		t.Fatal(err)
	}
	if passing {
		if err := os.WriteFile(e.paths.passing(id), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func TestAfterARebootAnEngineInANamespaceLeavesTheOthersContainersAlone(t *testing.T) {
	ctx := context.Background()
	opts := testOptions(t)
	e, err := Open(ctx, opts...)
	if err != nil {
		t.Fatal(err)
	}
	made, err := e.Containers.Create(ctx, CreateOptions{Image: "hello", Name: "elsewhere"})
	if err != nil {
		t.Fatal(err)
	}
	dir := layerOf(t, e, made.ID, false)
	reboot(t, e)
	e.Close()
	other, err := Open(ctx, append(opts, WithNamespace("other"))...)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if !exists(dir) {
		t.Error("the files of a container of another namespace are gone")
	}
	if _, err := other.lookup(ctx, "elsewhere"); errdefs.Class(err) != errdefs.ErrNotFound {
		t.Errorf("after the refresh the engine sees beyond its namespace: %v", err)
	}
}

func TestAfterARebootOnlyWhatWasToRemoveItselfIsRemoved(t *testing.T) {
	ctx := context.Background()
	opts := testOptions(t)
	e, err := Open(ctx, opts...)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := e.Containers.Create(ctx, CreateOptions{Image: "hello", Name: "kept"})
	if err != nil {
		t.Fatal(err)
	}
	passing, err := e.Containers.Create(ctx, CreateOptions{Image: "hello", Name: "passing", AutoRemove: true})
	if err != nil {
		t.Fatal(err)
	}
	lost, unknown := newID(), newID()
	dirs := map[string]bool{
		layerOf(t, e, kept.ID, false):   true,
		layerOf(t, e, passing.ID, true): false,
		layerOf(t, e, lost, true):       false, // its record was not synced
		layerOf(t, e, unknown, false):   true,  // its record may have been lost with a damaged database
	}
	reboot(t, e)
	e.Close()
	again, err := Open(ctx, opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	for dir, want := range dirs {
		if exists(dir) != want {
			t.Errorf("%s: is there %v, want %v", dir, !want, want)
		}
	}
	if _, err := again.lookup(ctx, "passing"); errdefs.Class(err) != errdefs.ErrNotFound {
		t.Errorf("a container that was to remove itself is still there: %v", err)
	}
	if _, err := again.lookup(ctx, "kept"); err != nil {
		t.Error(err)
	}
}

func TestConflictingOptionsAreRefusedByName(t *testing.T) {
	e := testEngine(t)
	for name, o := range map[string]CreateOptions{
		"host name in the host's namespace": func() (o CreateOptions) {
			o.Namespaces.Hostname, o.Namespaces.UTS.Mode = "x", "host"
			return o
		}(),
		"a parent that climbs": func() (o CreateOptions) { o.Resources.CgroupParent = "../../x"; return o }(),
		"groups of the caller": {Groups: []string{"keep-groups"}},
		"rm and restart":       func() (o CreateOptions) { o.AutoRemove, o.Restart.Name = true, "always"; return o }(),
	} {
		o.Image = "hello"
		_, err := e.Containers.Create(context.Background(), o)
		if c := errdefs.Class(err); c != errdefs.ErrInvalidArgument && c != errdefs.ErrNotImplemented {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestAfterARebootADatabaseThatDoesNotFitTogetherIsRefused(t *testing.T) {
	ctx := context.Background()
	opts := testOptions(t)
	e, err := Open(ctx, opts...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Containers.Create(ctx, CreateOptions{Image: "hello", Name: "c"}); err != nil {
		t.Fatal(err)
	}
	reboot(t, e)
	e.Close()
	c, err := sqlite.OpenConn(e.paths.database(), sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	// What a power cut may lose of a disk that lies about its syncs: nothing of it is seen by opening the database.
	if err := errors.Join(sqlitex.ExecuteTransient(c, "DELETE FROM state", nil), c.Close()); err != nil {
		t.Fatal(err)
	}
	_, err = Open(ctx, opts...)
	if !errors.Is(err, store.ErrCorrupt) || !strings.Contains(err.Error(), "berth system check --repair") {
		t.Fatalf("expected ErrCorrupt with the way out, got: %v", err)
	}
	if _, err := Check(ctx, true, opts...); err != nil {
		t.Fatal(err)
	}
	e, err = Open(ctx, opts...)
	if err != nil {
		t.Fatalf("after the repair: expected no error, got: %v", err)
	}
	e.Close()
}

func TestTheDatabasesBackEndIsTheOneThatIsAskedForElseTheOneThatIsThere(t *testing.T) {
	ctx := context.Background()
	opts := testOptions(t)
	conf := filepath.Join(t.TempDir(), "containers.conf")
	if err := os.WriteFile(conf, []byte("[engine]\ndatabase_backend = \"bolt\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	opened := func(more ...Option) (string, error) {
		e, err := Open(ctx, append(slices.Clone(opts), more...)...)
		if err != nil {
			return "", err
		}
		defer e.Close()
		info, err := e.System.Info(ctx)
		if err != nil {
			return "", err
		}
		return info.Store.Database, nil
	}
	for _, c := range []struct {
		what string
		opts []Option
		want string
		err  error
	}{
		{"containers.conf, a new one", []Option{WithConfigFile(conf)}, "bolt", nil},
		{"nothing, but there is one", nil, "bolt", nil},
		{"an option", []Option{WithDatabaseBackend("bolt")}, "bolt", nil},
		{"another option", []Option{WithDatabaseBackend("sqlite")}, "", store.ErrOtherKind},
		{"an option goes before containers.conf", []Option{WithConfigFile(conf), WithDatabaseBackend("sqlite")}, "", store.ErrOtherKind},
		{"any", []Option{WithDatabaseBackend("any")}, "bolt", nil},
		{"nonsense", []Option{WithDatabaseBackend("etcd")}, "", errdefs.ErrInvalidArgument},
	} {
		got, err := opened(c.opts...)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: expected %q and the error %v, got %q, %v", c.what, c.want, c.err, got, err)
		}
	}
}
