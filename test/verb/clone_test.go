package verb

import (
	"testing"

	"github.com/berth-engine/berth/test/sandbox"
)

func TestACloneIsConfiguredAsItsOriginalAndSharesNothingThatIsItsOwn(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "--name", "c", "-e", "A=1", "-l", "x=y", "--memory", "64m", "-v", "/own", "-v", "shared:/shared", bb,
		"sh", "-c", "cat /own/f /file; echo $A > /own/f; echo $A > /file; cat /shared/f; echo s > /shared/f")
	id := s.OK("container", "clone", "c")
	sandbox.Equal(t, "the clone's name", s.OK("inspect", "-f", "{{.Name}} {{.State.Status}}", id), "c-clone created")
	sandbox.Equal(t, "the second clone's name", s.OK("inspect", "-f", "{{.Name}}", s.OK("container", "clone", "c")), "c-clone1")
	r := s.Berth("start", "-a", "c-clone")
	r.Expect(t, 0)
	sandbox.Equal(t, "what it finds: only the file in the volume with a name", r.Stdout, "s\n")
	for _, field := range []string{"{{.Config.Env}}", "{{.Config.Labels}}", "{{.HostConfig.Memory}}", "{{.Config.Cmd}}", "{{.ImageName}}"} {
		sandbox.Equal(t, field, s.OK("inspect", "-f", field, "c-clone"), s.OK("inspect", "-f", field, "c"))
	}

	s.OK("container", "clone", "--memory", "32m", "--run", "c", "small")
	sandbox.Equal(t, "limit", s.OK("inspect", "-f", "{{.HostConfig.Memory}}", "small"), "33554432")
	s.Fails(125, []string{"already in use"}, "container", "clone", "c", "small")
	s.Fails(125, []string{"no such container"}, "container", "clone", "nobody")

	s.OK("wait", "small")
	s.OK("rm", "-v", "c", "c-clone", "c-clone1", "small")
	s.OK("volume", "rm", "shared")
	sandbox.Equal(t, "volumes", s.OK("volume", "ls", "-q"), "")
}

func TestACloneTakesTheOriginalsPlaceOnRequest(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", "--stop-timeout", "0", bb, "sleep", "1000")
	s.Fails(125, []string{"c runs"}, "container", "clone", "--destroy", "c", "d")
	sandbox.Equal(t, "containers", s.OK("ps", "-a", "--format", "{{.Names}}"), "c")
	s.OK("container", "clone", "--destroy", "--force", "--run", "c", "d", bb)
	sandbox.Equal(t, "containers", s.OK("ps", "--format", "{{.Names}}"), "d")
}
