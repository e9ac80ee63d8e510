// Package files tests what is done with a container's files from outside: cp, diff, export, commit, mount and unmount, also while a
// process inside does its worst.
package files

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-engine/berth/test/sandbox"
)

func TestMain(m *testing.M) { sandbox.Main(m) }

// change makes every kind of change in a container of busybox.
const change = `echo x > /tmp/added; echo x >> /etc/group; rm /etc/passwd; mkdir -p /new/sub; echo y > /new/sub/file
rm -r /home/app; mkdir /home/app; echo z > /home/app/instead; rm -r /var/tmp; ln -s tmp /link; chmod 700 /root/.; chmod 711 /usr/bin`

const changed = `C /etc
C /etc/group
D /etc/passwd
C /home
C /home/app
A /home/app/instead
A /link
A /new
A /new/sub
A /new/sub/file
C /tmp
A /tmp/added
C /usr
C /usr/bin
C /var
D /var/tmp`

func TestDiffListsWhatWasAddedChangedAndDeletedWhateverTheStatus(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("create", "--name", "fresh", bb)
	sandbox.Equal(t, "a container that never ran", s.OK("diff", "fresh"), "")
	s.OK("run", "--name", "untouched", "-v", "/data/vol", "--tmpfs", "/scratch", bb, "true")
	sandbox.Equal(t, "what the engine makes to mount on", s.OK("diff", "untouched"), "")

	s.OK("run", "-d", "--name", "c", bb, "sh", "-c", change+"; touch /tmp/ready; rm /tmp/ready; exec sleep 1000")
	s.Eventually("the changes", func() bool { return s.OK("diff", "c") == changed })
	s.OK("pause", "c")
	sandbox.Equal(t, "paused", s.OK("container", "diff", "c"), changed)
	s.OK("unpause", "c")
	s.OK("stop", "-t", "0", "c")
	sandbox.Equal(t, "stopped", s.OK("diff", "-l"), changed)

	var doc struct{ Changed, Added, Deleted []string }
	if err := json.Unmarshal([]byte(s.OK("diff", "--format", "json", "c")), &doc); err != nil {
		t.Fatal(err)
	}
	sandbox.Equal(t, "deleted", strings.Join(doc.Deleted, " "), "/etc/passwd /var/tmp")
	sandbox.Equal(t, "added", len(doc.Added), 6)
	sandbox.Equal(t, "changed", len(doc.Changed), 8)
	s.Fails(125, []string{"no such container or image: nothing"}, "diff", "nothing")
	s.Fails(125, []string{"--format"}, "diff", "--format", "{{.}}", "c")
}

func TestDiffOfAnImageIsItsTopmostLayer(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	s.Load(sandbox.BusyboxImage("localhost/two:1", []sandbox.Entry{sandbox.File("etc/more", 0o644, "x"), sandbox.Whiteout("etc/group")}))
	for _, verb := range [][]string{{"diff"}, {"image", "diff"}} {
		sandbox.Equal(t, "changes", s.OK(append(verb, "localhost/two:1")...), "C /etc\nD /etc/group\nA /etc/more")
	}
}

// entries reads a tar archive.
func entries(t *testing.T, archive []byte) map[string]*tar.Header {
	t.Helper()
	found := map[string]*tar.Header{}
	for r := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		found[strings.TrimSuffix(h.Name, "/")] = h
	}
}

func TestExportHasAllThatTheContainerSeesWhateverTheStatus(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", "-v", "/vol", bb, "sh", "-c", change+
		"; echo secret > /vol/f; dd if=/dev/urandom of=/big bs=64k count=20; ln /big /hard; mkfifo /pipe; chown 7:8 /big; chmod 4755 /big; touch /done; sleep 1000")
	s.Eventually("the files", func() bool { return s.Berth("exec", "c", "test", "-e", "/done").Code == 0 })
	running := s.OK("export", "c")
	s.OK("pause", "c")
	paused := filepath.Join(s.Dir, "paused.tar")
	s.OK("export", "-o", paused, "c")
	s.OK("unpause", "c")
	s.OK("stop", "-t", "0", "c")
	stopped := s.OK("container", "export", "c")
	onDisk, err := os.ReadFile(paused)
	if err != nil {
		t.Fatal(err)
	}
	if running != stopped || strings.TrimSuffix(string(onDisk), "\n") != running {
		t.Errorf("expected the same archive running, paused and stopped, got %d, %d and %d bytes", len(running), len(onDisk), len(stopped))
	}
	found := entries(t, onDisk)
	for name, kind := range map[string]byte{
		"etc/group": tar.TypeReg, "new/sub/file": tar.TypeReg, "link": tar.TypeSymlink, "pipe": tar.TypeFifo, "home/app/instead": tar.TypeReg,
		"bin/busybox": tar.TypeReg, "bin/sh": tar.TypeSymlink, "hard": tar.TypeLink, "big": tar.TypeReg,
	} {
		if h := found[name]; h == nil || h.Typeflag != kind {
			t.Errorf("%s: expected an entry of type %c, got %+v", name, kind, h)
		}
	}
	for _, name := range []string{"etc/passwd", "var/tmp", "vol/f"} {
		if found[name] != nil {
			t.Errorf("expected no %s, which is deleted or mounted", name)
		}
	}
	if h := found["big"]; h.Uid != 7 || h.Gid != 8 || h.Mode != 0o4755 {
		t.Errorf("expected 7:8 and mode 4755, got %d:%d and %o", h.Uid, h.Gid, h.Mode)
	}
	s.OK("import", "-q", paused, "localhost/imported")
	sandbox.Equal(t, "the imported file", s.OK("run", "--rm", "localhost/imported", "cat", "/new/sub/file"), "y")
	s.Fails(125, []string{"no such container"}, "export", "nothing")
	s.Fails(125, []string{"--output"}, "export", "-o", filepath.Join(s.Dir, "no/such/dir"), "c")
}
