package files

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-engine/berth/test/sandbox"
)

// TestNothingLeadsOutWhileAProcessInsideSwapsLinks has a container turn a directory into a link to a directory of the host and back, as
// fast as it can, while its files are read and written (CVE-2018-15664 and its kin).
func TestNothingLeadsOutWhileAProcessInsideSwapsLinks(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.Write("target/secret", "of the host")
	s.Write("in/file", "from the host")
	target := filepath.Join(s.Dir, "target")
	s.OK("run", "-d", "--name", "c", bb, "sh", "-c", fmt.Sprintf(`mkdir -p /play/real; cd /play; echo of the container > real/secret
ln -s %s link; : > /ready; while :; do mv real x; mv x real; mv link x; mv x link; done`, target))
	s.Eventually("the swapping", func() bool { return s.Berth("exec", "c", "test", "-e", "/ready").Code == 0 })
	out := filepath.Join(s.Dir, "out")
	worked := 0
	for i := range 40 {
		to := filepath.Join(out, fmt.Sprint(i))
		if err := os.MkdirAll(to, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{
			{"cp", "c:/play/x/secret", to + "/one"},
			{"cp", "-L", "c:/play/x", to + "/tree"},
			{"cp", "c:/play", to + "/play"},
			{"cp", s.Dir + "/in/file", "c:/play/x/file"},
			{"cp", s.Dir + "/in/.", "c:/play/x"},
		} {
			if s.Berth(args...).Code == 0 {
				worked++
			}
		}
	}
	for range 3 {
		s.Berth("diff", "c")
		if archive := s.Berth("export", "c").Stdout; strings.Contains(archive, "of the host") {
			t.Error("the export has a file of the host")
		}
	}
	s.Berth("commit", "-q", "c", "localhost/swapped")
	sandbox.Equal(t, "the host's directory", listing(t, target), "secret=of the host")
	found := 0
	err := filepath.WalkDir(out, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if text := string(data); strings.Contains(text, "of the host") {
			t.Errorf("%s is the host's: %q", path, text)
		}
		found++
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if worked == 0 || found == 0 {
		t.Errorf("expected some of the copies to find something, got %d and %d files", worked, found)
	}
}
