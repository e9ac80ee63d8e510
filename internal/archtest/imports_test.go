package archtest

import (
	"errors"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/berth-engine/berth"

// records are the packages that hold values and import no more than each other.
var records = []string{"errdefs", "host", "container", "event", "volume", "network"}

// below is everything under package engine.
var below = append([]string{
	"store", "store/backend", "store/memory", "lock", "image", "rootfs", "ocispec", "ociruntime",
	"ociruntime/monitored", "ociruntime/conmon", "ociruntime/missing", "logs", "network/bridge", "network/cni", "network/dns",
	"internal/config", "internal/tree", "internal/cgroup", "event/mirror",
}, records...)

// allowed is the import table: for each package, which others of this module its code (not its tests) may import. It is
// policy: a package that is not in it does not pass, and adding one is a decision to be reviewed. Data flows one way: cmd and
// api to engine to everything below.
var allowed = map[string][]string{
	"errdefs":      nil,
	"host":         {"errdefs"},
	"container":    {"errdefs"},
	"event":        {"errdefs"},
	"event/mirror": {"event", "internal/ofd", "errdefs"},
	"lock":         {"errdefs", "internal/ofd"},
	"logs":         {"errdefs"},
	"image":        {"image/hello", "host", "errdefs"},
	"rootfs":       {"internal/tree", "host", "errdefs"},
	"volume":       {"internal/tree", "host", "errdefs"},
	"network":      {"host", "errdefs"},
	"ocispec":      {"container", "host", "errdefs"},

	// The content of the image that comes with the program, and the program in it.
	"image/hello": {"errdefs"},

	"store":                   {"container", "event", "volume", "network", "errdefs"},
	"store/internal/rules":    append([]string{"store"}, records...),
	"store/internal/contract": append([]string{"store", "store/internal/rules"}, records...),
	"store/internal/keyed":    append([]string{"store/internal/contract", "store/internal/rules"}, records...),
	"store/internal/gate":     {"internal/ofd", "errdefs"},
	"store/internal/kind":     {"errdefs"},
	"store/sqlite":            append([]string{"store", "store/internal/contract", "store/internal/rules", "store/internal/gate", "store/internal/kind"}, records...),
	"store/bolt": append([]string{"store", "store/internal/contract", "store/internal/keyed", "store/internal/rules",
		"store/internal/gate", "store/internal/kind"}, records...),
	"store/memory": append([]string{"store", "store/internal/contract", "store/internal/keyed"}, records...),
	// Which back end a database is kept by, and how it is brought from one to another.
	"store/backend": append([]string{"store", "store/sqlite", "store/bolt", "store/internal/contract", "store/internal/rules",
		"store/internal/gate", "store/internal/kind"}, records...),
	"store/storetest":      append([]string{"store", "store/storetest/disk"}, records...),
	"store/storetest/disk": nil,

	// The monitor's wire format is all that the two sides share. Which runtime fits is a question to the host's facts.
	"ociruntime":             {"errdefs"},
	"ociruntime/monitored":   {"ociruntime", "internal/monitor/wire", "internal/ofd", "host", "errdefs"},
	"ociruntime/conmon":      {"ociruntime", "errdefs"},
	"ociruntime/missing":     {"ociruntime", "errdefs"},
	"ociruntime/runtimetest": {"ociruntime", "errdefs"},

	"network/bridge": {"network", "network/dns", "host", "errdefs"},
	"network/cni":    {"network", "network/dns", "host", "errdefs"},
	"network/dns":    {"network", "host", "errdefs"},

	"engine": below,

	"api/docker": append([]string{"engine", "image", "logs"}, records...),
	"api/libpod": append([]string{"engine", "image", "logs"}, records...),
	"api/cri":    append([]string{"engine", "image", "logs"}, records...),
	"client":     {"api/docker", "api/libpod", "errdefs"},

	// Below them lies only what any package may stand on.
	"internal/config":       {"host", "errdefs"},
	"internal/ofd":          {"errdefs"},
	"internal/tree":         {"errdefs"},
	"internal/cgroup":       {"errdefs"},
	"internal/monitor":      {"internal/monitor/wire"},
	"internal/monitor/wire": nil,
	"internal/archtest":     nil,
	"docs":                  nil,

	"cmd/berth":         append([]string{"engine", "api/libpod", "image", "logs", "ociruntime", "internal/config"}, records...),
	"cmd/berth-monitor": {"internal/monitor"},
	"cmd/berth-init":    nil,
}

// support is what serves the tests and the measurements, and is in no program that is installed: by first part of the path,
// the beginnings of what its packages may import.
var support = map[string][]string{
	"test":     {"test/"},
	"bench":    {"bench", "test/"},
	"examples": {"engine", "image", "logs", "container", "event", "errdefs"},
}

// mayImport reports whether the table lets a package of this directory import another, and whether it has the directory at all.
func mayImport(dir, to string) (ok, listed bool) {
	rule, listed := allowed[dir]
	if listed {
		return slices.Contains(rule, to), true
	}
	first, _, _ := strings.Cut(dir, "/")
	rule, listed = support[first]
	return slices.ContainsFunc(rule, func(r string) bool { return strings.HasPrefix(to, r) }), listed
}

// monitorMayNot lists what must not be linked into the monitor, at whatever distance: every running container pays for it.
var monitorMayNot = []string{"net", "os/exec", "encoding/json", module + "/engine", module + "/container"}

func TestEveryPackageImportsOnlyWhatTheTableAllows(t *testing.T) {
	root := repositoryRoot(t)
	found := packages(t, root)
	for dir, imports := range found {
		if _, listed := mayImport(dir, ""); !listed {
			t.Errorf("package %s is not in the import table: decide what it may import and add it", dir)
			continue
		}
		slices.Sort(imports)
		for _, path := range slices.Compact(imports) {
			to, own := strings.CutPrefix(path, module+"/")
			if ok, _ := mayImport(dir, to); own && !ok {
				t.Errorf("package %s imports %s, which the table does not allow; it allows %s", dir, to, strings.Join(allowed[dir], ", "))
			}
		}
	}
	if len(found) < 5 {
		t.Fatalf("found %d packages under %s: the walk is broken", len(found), root)
	}
}

func TestTheMonitorLinksNothingHeavy(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "./cmd/berth-monitor")
	list.Dir = repositoryRoot(t)
	out, err := list.CombinedOutput()
	if err != nil {
		t.Fatalf("go list -deps ./cmd/berth-monitor: %v\n%s", err, out)
	}
	for _, path := range strings.Fields(string(out)) {
		if slices.Contains(monitorMayNot, path) {
			t.Errorf("berth-monitor links %s, which every running container's monitor pays for", path)
		}
	}
}

func TestTheTableHasNoCycle(t *testing.T) {
	const visiting, done = 1, 2
	state := map[string]int{}
	var visit func(dir string, way []string)
	visit = func(dir string, way []string) {
		switch state[dir] {
		case visiting:
			t.Fatalf("the import table allows a cycle: %s", strings.Join(append(way, dir), " → "))
		case done:
			return
		}
		state[dir] = visiting
		for _, to := range allowed[dir] {
			if to != dir {
				visit(to, append(way, dir))
			}
		}
		state[dir] = done
	}
	for dir := range allowed {
		visit(dir, nil)
	}
}

// packages returns, by directory, what the non-test files of every package of the tree import.
func packages(t *testing.T, root string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin" || name == "dist") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		imports, err := importsOf(path)
		found[filepath.ToSlash(dir)] = append(found[filepath.ToSlash(dir)], imports...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func importsOf(path string) ([]string, error) {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, spec := range f.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		paths = append(paths, p)
	}
	return paths, nil
}

// repositoryRoot is the nearest directory upwards that has a go.mod.
func repositoryRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		_, err := os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil {
			return dir
		}
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			t.Fatalf("no go.mod above the working directory: %v", err)
		}
		dir = filepath.Dir(dir)
	}
}
