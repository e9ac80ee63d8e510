package image

import (
	"context"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.podman.io/storage/pkg/reexec"
	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// quietLog is where test servers write.
var quietLog = log.New(io.Discard, "", 0)

func TestMain(m *testing.M) {
	if dir := os.Getenv("BERTH_TEST_NO_INIT"); dir != "" {
		helloInChild(dir)
		return
	}
	if reexec.Init() {
		return
	}
	// The machine's own configuration must not matter.
	for _, name := range []string{"CONTAINERS_STORAGE_CONF", "CONTAINERS_REGISTRIES_CONF"} {
		os.Setenv(name, "/dev/null")
	}
	os.Unsetenv("REGISTRY_AUTH_FILE")
	// Every layer is synced with all of its file system, so a disk that others use too would make these tests wait for them.
	var st unix.Statfs_t
	if unix.Statfs("/dev/shm", &st) == nil && st.Type == unix.TMPFS_MAGIC {
		os.Setenv("TMPDIR", "/dev/shm")
	}
	if os.Getenv("BERTH_TEST_PULL") != "" {
		pullInChild()
		return
	}
	os.Exit(m.Run())
}

// newStore opens an empty store with a configuration of its own.
func newStore(t *testing.T) *Store {
	t.Helper()
	return openStore(t, t.TempDir())
}

// openStore opens the store in dir, as another process would.
func openStore(t *testing.T, dir string) *Store {
	t.Helper()
	conf := filepath.Join(dir, "registries.conf")
	if _, err := os.Stat(conf); err != nil {
		write(t, conf, "")
	}
	s := Open(Options{
		Root: filepath.Join(dir, "storage"), RunRoot: filepath.Join(dir, "run"),
		RegistriesConf: conf, RegistriesConfDir: filepath.Join(dir, "registries.conf.d"),
		ShortNameAliases: filepath.Join(dir, "aliases.conf"), AuthFile: filepath.Join(dir, "auth.json"),
	})
	t.Cleanup(func() { s.Close() })
	return s
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// wantClass fails the test unless err has the class and is one line that contains all parts.
func wantClass(t *testing.T, err, class error, parts ...string) {
	t.Helper()
	if err == nil || errdefs.Class(err) != class {
		t.Fatalf("expected an error of class %q, got %q: %v", class, errdefs.Class(err), err)
	}
	for _, p := range append(parts, "") {
		if !strings.Contains(err.Error(), p) || strings.Contains(err.Error(), "\n") {
			t.Fatalf("expected one line with %q, got: %v", p, err)
		}
	}
}

func TestOpenMakesNothing(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	_, err := s.Resolve(context.Background(), "localhost/no/such:image")
	wantClass(t, err, errdefs.ErrNotFound, "localhost/no/such:image")
	if list, err := s.List(context.Background(), ListOptions{}); err != nil || len(list) != 0 {
		t.Fatalf("expected an empty list, got %v, %v", list, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "storage")); !os.IsNotExist(err) {
		t.Errorf("expected no directory before the first write, got %v", err)
	}
}

func TestHelloNeedsNoRegistry(t *testing.T) {
	s := newStore(t)
	img, err := s.Resolve(context.Background(), "hello")
	if err != nil {
		t.Fatal(err)
	}
	if len(img.Layers) != 1 || len(img.Names) != 1 || img.Names[0] != "localhost/berth/hello:latest" {
		t.Fatalf("expected one layer and the name localhost/berth/hello:latest, got %+v", img)
	}
	fi, err := os.Stat(filepath.Join(img.Layers[0], "hello"))
	if err != nil || fi.Mode().Perm() != 0o755 {
		t.Fatalf("expected the program in the layer's directory, got %v, %v", fi, err)
	}
	again, err := s.Resolve(context.Background(), img.ID[:12])
	if err != nil || again.ID != img.ID {
		t.Fatalf("expected the same image by the beginning of its ID, got %+v, %v", again, err)
	}
}
