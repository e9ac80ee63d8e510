package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// tags are those that every build of Berth has (see the Makefile).
const tags = "containers_image_openpgp exclude_graphdriver_btrfs exclude_graphdriver_devicemapper exclude_graphdriver_zfs"

// programsVariable names a directory with the programs to be tested instead of what this tree builds; below it,
// failpoints has the same with that build tag.
const programsVariable = "BERTH_TEST_PROGRAMS"

var (
	plainPrograms     = sync.OnceValues(func() (string, error) { return build("test", tags) })
	failpointPrograms = sync.OnceValues(func() (string, error) { return build("test/failpoints", tags+" failpoints") })
)

// Programs returns the directory that has berth and berth-monitor, built from this tree.
func Programs() (string, error) {
	if dir := os.Getenv(programsVariable); dir != "" {
		return dir, nil
	}
	return plainPrograms()
}

// FailpointPrograms returns the directory that has them with failpoints (see engine/failpoint_on.go).
func FailpointPrograms() (string, error) {
	if dir := os.Getenv(programsVariable); dir != "" {
		return filepath.Join(dir, "failpoints"), nil
	}
	return failpointPrograms()
}

// Build builds another main package of this tree, an example, into the sandbox and returns the program's path.
func (s *Sandbox) Build(dir string) string {
	s.t.Helper()
	root, err := repository()
	if err != nil {
		s.t.Fatal(err)
	}
	path := filepath.Join(s.Dir, filepath.Base(dir))
	cmd := exec.Command("go", "build", "-tags", tags, "-o", path, "./"+dir)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return path
}

// build builds all programs into bin/NAME. Several test processes may do so at once: the first builds, the others find that
// there is nothing left to do.
func build(name, tags string) (string, error) {
	root, err := repository()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "bin", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	unlock, err := lockFile(filepath.Join(dir, ".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	cmd := exec.Command("go", "build", "-trimpath", "-tags", tags, "-ldflags", "-s -w", "-o", dir+"/", "./cmd/berth", "./cmd/berth-monitor", "./cmd/berth-init")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return dir, nil
}

// repository is the nearest directory upwards that has a go.mod.
func repository() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("no go.mod in %s or above", start)
}

// lockFile holds the file exclusively among processes until the function returned is called.
func lockFile(path string) (func(), error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}
