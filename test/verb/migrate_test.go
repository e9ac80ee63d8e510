package verb

import (
	"strings"
	"testing"

	"github.com/berth-engine/berth/test/sandbox"
)

func TestNothingRunningIsLostWhenTheDatabaseIsConverted(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("volume", "create", "data")
	s.OK("run", "-d", "--name", "runs", "-v", "data:/data", bb, "sleep", "1000")
	s.OK("run", "-d", "--name", "ends", bb, "sh", "-c", "while [ ! -e /go ]; do sleep 0.05; done; exit 7")
	s.OK("run", "-d", "--rm", "--name", "goes", bb, "sh", "-c", "while [ ! -e /go ]; do sleep 0.05; done")
	pid := func() string { return s.OK("inspect", "-f", "{{.State.Pid}}", "runs") }
	before, events := pid(), s.OK("events", "--stream=false", "--since", "1h")
	s.Fails(125, []string{"--db-backend bolt"}, "system", "migrate")
	if out := s.OK("system", "migrate", "--db-backend", "bolt"); !strings.Contains(out, "a bolt database now") {
		t.Errorf("expected to be told that it is a bolt database, got %q", out)
	}
	s.OK("system", "migrate", "--db-backend", "bolt") // once more is no error
	s.Fails(125, []string{"bolt database", "system migrate"}, "--db-backend", "sqlite", "ps")
	sandbox.Equal(t, "kind of database", s.OK("info", "-f", "{{.Store.Database}}"), "bolt")
	sandbox.Equal(t, "process of what runs", pid(), before)
	sandbox.Equal(t, "events so far", s.OK("events", "--stream=false", "--since", "1h"), events)
	// What ends now was started by a program that knew another kind of database.
	s.OK("exec", "ends", "touch", "/go")
	s.OK("exec", "goes", "touch", "/go")
	sandbox.Equal(t, "exit code of what ended", s.OK("wait", "ends"), "7")
	s.Eventually("what removes itself to be gone", func() bool { return s.OK("ps", "-aq", "--filter", "name=goes") == "" })
	s.OK("run", "--rm", bb, "true")
	if out := s.OK("system", "migrate", "--db-backend", "sqlite"); !strings.Contains(out, "a sqlite database now") {
		t.Errorf("expected to be told that it is an sqlite database, got %q", out)
	}
	sandbox.Equal(t, "process of what runs", pid(), before)
	s.OK("system", "check")
	s.OK("rm", "-f", "-t", "0", "runs", "ends")
	s.OK("volume", "rm", "data")
	s.NoLeaks()
}

func TestALifeOnABoltDatabase(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	bolt := func(args ...string) string { return s.OK(append([]string{"--db-backend", "bolt"}, args...)...) }
	s.OK("system", "migrate", "--db-backend", "bolt")
	bolt("run", "-d", "--name", "c", bb, "sleep", "1000")
	sandbox.Equal(t, "status", bolt("ps", "--format", "{{.Names}} {{.State}}"), "c running")
	sandbox.Equal(t, "exec prints", bolt("exec", "c", "echo", "inside"), "inside")
	bolt("rename", "c", "d")
	bolt("stop", "-t", "0", "d")
	bolt("start", "d")
	bolt("kill", "d")
	sandbox.Equal(t, "exit code", bolt("wait", "d"), "137")
	bolt("rm", "d")
	s.NoLeaks()
}
