package files

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-engine/berth/test/sandbox"
)

func TestACommittedImageHasTheContainersFilesAndConfiguration(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", "-v", "/vol", "-e", "A=1", "-l", "mine=yes", "-w", "/tmp", "-u", "0:0", bb, "sh", "-c", change+
		"; echo x > /vol/x; touch /done; exec sleep 1000")
	s.Eventually("the files", func() bool { return s.Berth("exec", "c", "test", "-e", "/done").Code == 0 })
	for _, format := range []string{"oci", "docker"} {
		name := "localhost/made:" + format
		iid := filepath.Join(s.Dir, format)
		id := s.OK("commit", "-q", "-f", format, "-m", "a message", "-a", "An Author", "--iidfile", iid, "-p",
			"-c", `CMD ["cat","/etc/group"]`, "-c", "ENV B=2", "-c", "EXPOSE 80", "c", name)
		if got, err := os.ReadFile(iid); err != nil || string(got) != "sha256:"+id {
			t.Errorf("--iidfile: expected sha256:%s, got %s, %v", id, got, err)
		}
		sandbox.Equal(t, "status afterwards", s.OK("inspect", "-f", "{{.State.Status}}", "c"), "running")
		sandbox.Equal(t, "changes", s.OK("image", "diff", name), "A /done\n"+changed)
		out := s.OK("run", "--rm", name)
		if !strings.HasSuffix(out, "app\nother:x:3000:\nx") {
			t.Errorf("%s: expected the file as changed, got %q", format, out)
		}
		sandbox.Equal(t, "files", s.OK("run", "--rm", name, "sh", "-c", "ls /vol; cat /home/app/*; pwd; echo $A$B; readlink /link; stat -c %a /usr/bin"),
			"z\n/tmp\n12\ntmp\n711")
		doc := inspectImage(t, s, name)
		sandbox.Equal(t, "author", doc.Author, "An Author")
		sandbox.Equal(t, "comment", doc.Comment, "a message")
		sandbox.Equal(t, "layers", len(doc.RootFS.Layers), 2)
		sandbox.Equal(t, "command", strings.Join(doc.Config.Cmd, " "), "cat /etc/group")
		sandbox.Equal(t, "label", doc.Config.Labels["mine"], "yes")
		sandbox.Equal(t, "volumes", len(doc.Config.Volumes), 0)
		if _, ok := doc.Config.ExposedPorts["80/tcp"]; !ok {
			t.Errorf("expected port 80/tcp to be exposed, got %v", doc.Config.ExposedPorts)
		}
		archive := filepath.Join(s.Dir, format+".tar")
		s.OK("save", "-q", "-o", archive, name)
		s.OK("rmi", name)
		s.OK("load", "-q", "-i", archive)
		sandbox.Equal(t, "after save and load", s.OK("run", "--rm", name, "readlink", "/link"), "tmp")
	}
	s.OK("commit", "-q", "-s", "--include-volumes", "c", "localhost/squashed")
	doc := inspectImage(t, s, "localhost/squashed")
	sandbox.Equal(t, "layers of the squashed", len(doc.RootFS.Layers), 1)
	if _, ok := doc.Config.Volumes["/vol"]; !ok {
		t.Errorf("expected a volume /vol, got %v", doc.Config.Volumes)
	}
	sandbox.Equal(t, "the squashed", s.OK("run", "--rm", "localhost/squashed", "sh", "-c", "ls /etc; cat /tmp/added; test -e /var/tmp || echo none"), "group\nhostname\nhosts\nresolv.conf\nx\nnone")
}

func TestWhatCannotBeCommittedIsRefusedAndLeavesNothing(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("create", "--name", "c", bb)
	before := s.OK("images", "-aq")
	s.Fails(125, []string{"no such container: nothing"}, "commit", "nothing")
	s.Fails(125, []string{"NONSENSE"}, "commit", "-c", "NONSENSE x", "c")
	s.Fails(125, []string{"zip"}, "commit", "-f", "zip", "c")
	s.Fails(125, []string{"Upper"}, "commit", "c", "localhost/Upper Case")
	s.Env = append(s.Env, "BERTH_MAX_LAYER_BYTES=1000")
	s.OK("run", "--name", "big", bb, "dd", "if=/dev/zero", "of=/sparse", "bs=1", "count=1", "seek=1000000000")
	s.Fails(125, []string{"BERTH_MAX_LAYER_BYTES"}, "commit", "big")
	sandbox.Equal(t, "images", s.OK("images", "-aq"), before)
	sandbox.Equal(t, "an unchanged container", len(s.OK("commit", "-q", "c")), 64)
}

func inspectImage(t *testing.T, s *sandbox.Sandbox, name string) (doc struct {
	Author, Comment string
	RootFS          struct{ Layers []string }
	Config          struct {
		Cmd, Env     []string
		Labels       map[string]string
		ExposedPorts map[string]any
		Volumes      map[string]any
		WorkingDir   string
	}
	History []struct{ Comment string }
}) {
	t.Helper()
	if err := json.Unmarshal([]byte(strings.Trim(s.OK("image", "inspect", name), "[]\n ")), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}
