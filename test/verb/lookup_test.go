package verb

import (
	"testing"

	"github.com/berth-engine/berth/test/sandbox"
)

func TestANameIsTakenBeforeTheBeginningOfAnID(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	other := s.OK("run", "-d", "--name", "other", bb, "sh", "-c", "echo other; sleep 1000")
	name := other[:12]
	s.OK("run", "-d", "--name", name, bb, "sh", "-c", "echo named; sleep 1000")
	s.Eventually("its output", func() bool { return s.OK("logs", name) == "named" })
	sandbox.Equal(t, "inspect", s.OK("inspect", "-f", "{{.Name}}", name), name)
	sandbox.Equal(t, "exec", s.OK("exec", name, "hostname"), s.OK("inspect", "-f", "{{.Config.Hostname}}", name))
	sandbox.Equal(t, "ps --filter name", s.OK("ps", "--filter", "name=^"+name+"$", "--format", "{{.Names}}"), name)
	sandbox.Equal(t, "ps --filter id", s.OK("ps", "--filter", "id="+name, "--format", "{{.Names}}"), "other")
	s.OK("run", "--rm", "--network", "container:"+name, bb, "true")
	s.OK("rename", name, "renamed")
	s.OK("rename", "renamed", name)
	s.OK("rm", "-f", "-t", "0", name)
	sandbox.Equal(t, "containers after rm", s.OK("ps", "-a", "--format", "{{.Names}}"), "other")
	s.OK("volume", "create", "data1")
	s.OK("volume", "create", "data")
	s.OK("volume", "rm", "data")
	sandbox.Equal(t, "volumes after volume rm", s.OK("volume", "ls", "-q"), "data1")
	s.OK("volume", "rm", "data1")
}
