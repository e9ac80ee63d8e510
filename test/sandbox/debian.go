package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// Debian is the name of the image that ImportDebian makes.
const Debian = "localhost/debian:test"

// release is the Debian release of the image, and packages what it has besides the minimum.
const (
	release  = "bookworm"
	packages = "redis-server,locales"
)

// prepareDebian is run in the new root: a user, a locale, and no archives that would only take room.
const prepareDebian = `set -e
useradd --create-home --shell /bin/bash --groups users alice
echo 'de_DE.UTF-8 UTF-8' > /etc/locale.gen
locale-gen
apt-get clean
rm -rf /var/lib/apt/lists/*`

// DebianArchive returns the path of a tar archive of a Debian root file system made with debootstrap: a shell, apt's files, a
// locale (de_DE.UTF-8), a user (alice, 1000) and redis-server. It is made once and kept in the user's cache directory.
func DebianArchive() (string, error) { return debianArchive() }

var debianArchive = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "berth-test")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	unlock, err := lockFile(filepath.Join(dir, ".lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	archive := filepath.Join(dir, fmt.Sprintf("debian-%s-%s-2.tar", release, runtime.GOARCH))
	if _, err := os.Stat(archive); err == nil {
		return archive, nil
	}
	return archive, bootstrap(dir, archive)
})

func bootstrap(dir, archive string) error {
	mirror, err := debianMirror()
	if err != nil {
		return err
	}
	root, err := os.MkdirTemp(dir, "root")
	if err != nil {
		return err
	}
	defer os.RemoveAll(root)
	if err := os.Chmod(root, 0o755); err != nil { // it becomes the root directory that every user passes
		return err
	}
	part := archive + ".part"
	for _, args := range [][]string{
		{"debootstrap", "--variant=minbase", "--include=" + packages, release, root, mirror},
		{"chroot", root, "/bin/sh", "-c", prepareDebian},
		{"tar", "--numeric-owner", "--one-file-system", "--exclude=./dev/*", "--exclude=./proc/*", "--exclude=./sys/*", "-C", root, "-cf", part, "."},
	} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return os.Rename(part, archive)
}

// debianMirror is the first Debian mirror among the host's package sources, in either format of sources.list(5).
func debianMirror() (string, error) {
	var files []string
	for _, pattern := range []string{"/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list", "/etc/apt/sources.list.d/*.sources"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		files = append(files, found...)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		if uri := mirrorIn(string(text)); uri != "" {
			return uri, nil
		}
	}
	return "", fmt.Errorf("no Debian mirror in %s", strings.Join(files, ", "))
}

// mirrorIn returns the first URI that ends as a mirror of Debian's main archive does.
func mirrorIn(sources string) string {
	for _, line := range strings.Split(sources, "\n") {
		word, _, _ := strings.Cut(line, " ")
		if word != "deb" && word != "URIs:" {
			continue
		}
		for _, f := range strings.Fields(line) {
			if strings.HasPrefix(f, "http") && strings.HasSuffix(strings.TrimSuffix(f, "/"), "/debian") {
				return f
			}
		}
	}
	return ""
}

// ImportDebian imports the Debian root file system and returns the image's name.
func (s *Sandbox) ImportDebian() string {
	s.t.Helper()
	archive, err := DebianArchive()
	if err != nil {
		s.t.Fatal(err)
	}
	s.OK("import", "-q", archive, Debian)
	return Debian
}
