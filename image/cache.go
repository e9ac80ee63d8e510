package image

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"golang.org/x/sys/unix"
)

// The cache makes Resolve of a present image cheap: opening containers/storage and reading its JSON takes longer the more
// images there are, and waits while another process records a layer. Below the run root there is one small file for each
// reference that was resolved, with the image and the stamps of every file that the answer came from. A stamp that differs
// makes the entry worthless, so nobody has to remove one. A reboot clears them all.

// cacheEntry is one such file.
type cacheEntry struct {
	Ref    string
	Stamps []stamp
	Image  *Image
}

// stamp tells one version of a file from another. Files of containers/storage are replaced, never written in place. The zero
// values are those of a file that does not exist.
type stamp struct {
	Path     string
	Inode    uint64
	Size     int64
	Modified int64 // nanoseconds
	Changed  int64 // nanoseconds
}

// settled is how old the newest of the files must be before an answer is kept: two changes within one tick of the file
// system's clock could have equal stamps.
const settled = 20 * time.Millisecond

func newStamp(path string) stamp {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return stamp{Path: path}
	}
	return stamp{path, st.Ino, st.Size, st.Mtim.Nano(), st.Ctim.Nano()}
}

func (s *Store) cachePath(ref string) string {
	sum := sha256.Sum256([]byte(s.opts.Root + "\x00" + ref))
	return filepath.Join(s.opts.RunRoot, "berth-resolved", hex.EncodeToString(sum[:16])+".json")
}

// cached returns what ref was resolved to, nil if that is not known any more.
func (s *Store) cached(ref string) *Image {
	raw, err := os.ReadFile(s.cachePath(ref))
	if err != nil {
		return nil
	}
	var e cacheEntry
	if json.Unmarshal(raw, &e) != nil || e.Ref != ref || e.Image == nil || len(e.Stamps) == 0 {
		return nil
	}
	for _, st := range e.Stamps {
		if newStamp(st.Path) != st {
			return nil
		}
	}
	return e.Image
}

// remember keeps the answer for ref if nothing that it came from has changed since before. Failing to is no error.
func (s *Store) remember(ref string, img *Image, before []stamp) {
	after := s.stamps()
	if len(after) != len(before) {
		return
	}
	now := time.Now()
	for i := range after {
		if after[i] != before[i] || now.Sub(time.Unix(0, after[i].Modified)) < settled {
			return
		}
	}
	raw, err := json.Marshal(cacheEntry{Ref: ref, Stamps: after, Image: img})
	if err != nil {
		return
	}
	path := s.cachePath(ref)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return
	}
	_, err = tmp.Write(raw)
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
	}
}

// forget drops all answers, so that they do not pile up; a change of the store has made them worthless anyway.
func (s *Store) forget() { _ = os.RemoveAll(filepath.Join(s.opts.RunRoot, "berth-resolved")) }

// stamps are those of all files that Resolve's answers depend on.
func (s *Store) stamps() []stamp {
	var stamps []stamp
	for _, path := range s.sources() {
		stamps = append(stamps, newStamp(path))
	}
	return stamps
}

func (s *Store) sources() []string {
	st, err := s.storage()
	if err != nil {
		return nil
	}
	driver := st.GraphDriverName()
	paths := []string{
		filepath.Join(s.opts.Root, driver+"-images", "images.json"),
		filepath.Join(s.opts.Root, driver+"-layers", "layers.json"),
	}
	for _, o := range st.GraphOptions() {
		if name, dir, _ := strings.Cut(o, "="); strings.HasSuffix(name, "imagestore") {
			paths = append(paths, filepath.Join(dir, driver+"-images", "images.json"))
		}
	}
	conf := os.Getenv("CONTAINERS_STORAGE_CONF")
	if conf == "" {
		conf = "/etc/containers/storage.conf"
	}
	sys := s.systemContext(Access{}, "")
	dir := sysregistriesv2.ConfigDirPath(sys)
	paths = append(paths, conf, sysregistriesv2.ConfigPath(sys), dir, s.aliases())
	dropIns, _ := filepath.Glob(filepath.Join(dir, "*.conf"))
	return append(paths, dropIns...)
}

// aliases is where containers/image keeps the short names that were chosen (its default for root).
func (s *Store) aliases() string {
	if s.opts.ShortNameAliases != "" {
		return s.opts.ShortNameAliases
	}
	return "/var/cache/containers/short-name-aliases.conf"
}
