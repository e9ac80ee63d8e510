package files

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/berth-engine/berth/test/leak"
	"github.com/berth-engine/berth/test/sandbox"
)

func TestMountsAreCountedAndOutliveRuns(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("create", "--name", "c", bb, "sh", "-c", "cat /from-host; echo -n inside > /from-container; exec sleep 1000")
	sandbox.Equal(t, "nothing is mounted", s.OK("mount"), "")
	path := s.OK("mount", "c")
	sandbox.Equal(t, "the second path", s.OK("container", "mount", "c"), path)
	write := func(name, data string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(path, name), []byte(data), 0o644); err != nil {
			t.Error(err)
		}
	}
	read := func(name string) string {
		data, _ := os.ReadFile(filepath.Join(path, name))
		return string(data)
	}
	write("from-host", "on the host")
	sandbox.Equal(t, "cp of what is mounted and does not run", len(entries(t, []byte(s.OK("cp", "c:/from-host", "-")))), 1)
	s.OK("start", "c")
	s.Eventually("what the container writes", func() bool { return read("from-container") == "inside" })
	write("while-it-runs", "x")
	sandbox.Equal(t, "in the container", s.OK("exec", "c", "cat", "/while-it-runs"), "x")
	s.OK("stop", "-t", "0", "c")
	sandbox.Equal(t, "after its end", read("from-container"), "inside")
	sandbox.Equal(t, "one of two unmounts", s.OK("unmount", "c"), "c")
	sandbox.Equal(t, "still mounted", read("from-host"), "on the host")
	var docs []struct {
		ID         string `json:"id"`
		Mountpoint string `json:"mountpoint"`
	}
	if err := json.Unmarshal([]byte(s.OK("mount", "--format", "json")), &docs); err != nil || len(docs) != 1 || docs[0].Mountpoint != path {
		t.Errorf("expected one mount at %s, got %v, %v", path, docs, err)
	}
	s.OK("umount", "c")
	sandbox.Equal(t, "unmounted", s.Exists(path), false)
	s.Fails(125, []string{"not mounted"}, "unmount", "c")
	s.OK("unmount", "-a")

	s.OK("start", "c") // now the container first
	s.OK("mount", "-a")
	sandbox.Equal(t, "of one that runs", read("from-host"), "on the host")
	s.OK("mount", "c")
	s.OK("stop", "-t", "0", "c")
	write("after-its-end", "y")
	s.OK("start", "c")
	sandbox.Equal(t, "in the next run", s.OK("exec", "c", "cat", "/after-its-end"), "y")
	s.OK("unmount", "-f", "c")
	sandbox.Equal(t, "by force", s.Exists(path), false)
	s.OK("mount", "c")
	s.OK("rm", "-f", "-t", "0", "c")
	for _, l := range s.LeftNow() {
		if l.Kind == leak.Mount || l.Kind == leak.File {
			t.Errorf("rm has left %v", l)
		}
	}
}
