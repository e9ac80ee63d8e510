package crash

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/berth-engine/berth/test/sandbox"
)

// rounds is how often everything is killed in each test.
const rounds = 6

// TestAfterAKillOfEverythingOneMoreCommandPutsThingsRight starts many clients, kills them at an instant that nobody chose, runs
// one more command, and looks for what is left.
func TestAfterAKillOfEverythingOneMoreCommandPutsThingsRight(t *testing.T) {
	for _, victims := range []struct {
		name     string
		programs []string
	}{
		{"clients", nil},
		{"clients and monitors", []string{"berth-monitor"}},
		{"clients, monitors and runtimes", []string{"berth-monitor", "berth", "runc", "crun"}},
		{"everything", []string{"*"}},
	} {
		t.Run(victims.name, func(t *testing.T) {
			t.Parallel()
			s := sandbox.New(t)
			s.LoadBusybox()
			for round := range rounds {
				seed := rand.Uint64()
				t.Logf("round %d, seed %d", round, seed)
				r := rand.New(rand.NewPCG(seed, 0))
				clients := startMany(t, s, r)
				time.Sleep(time.Duration(r.IntN(400)) * time.Millisecond)
				clients.kill()
				killOthers(s, victims.programs)
				oneMore(t, s, round)
				if t.Failed() {
					return
				}
			}
		})
	}
}

// oneMore is rm by force of all, or a run when all the others have ended: either must leave nothing.
func oneMore(t *testing.T, s *sandbox.Sandbox, round int) {
	t.Helper()
	if round%2 == 0 {
		s.OK("rm", "-f", "-a", "-t", "0", "-v")
	} else {
		time.Sleep(700 * time.Millisecond) // longer than any of the containers runs
		sandbox.Equal(t, "one more run", s.OK("run", "--rm", sandbox.Busybox, "echo", "x"), "x")
		deadline := time.Now().Add(10 * time.Second)
		for left := "?"; left != ""; time.Sleep(20 * time.Millisecond) {
			left = s.OK("ps", "-a", "--filter", "label=temporary", "--format", "{{.ID}} {{.Status}} {{.Command}}")
			if time.Now().After(deadline) {
				t.Fatalf("expected the containers with --rm to be gone, got\n%s", left)
			}
		}
		s.OK("rm", "-f", "-a", "-t", "0", "-v")
	}
	sandbox.Equal(t, "containers", s.OK("ps", "-aq"), "")
	s.NoLeaks()
}

type group struct {
	cmds []*exec.Cmd
}

// startMany starts clients of several verbs, all in one process group.
func startMany(t *testing.T, s *sandbox.Sandbox, r *rand.Rand) *group {
	t.Helper()
	g := &group{}
	pgid := 0
	for i := range 12 {
		name := fmt.Sprintf("c%d", i)
		args := [][]string{
			{"run", "--rm", "-l", "temporary=1", "--name", name, sandbox.Busybox, "sleep", "0.3"},
			{"run", "-d", "--rm", "-l", "temporary=1", "--name", name, "-v", "/vol", sandbox.Busybox, "sleep", "0.2"},
			{"run", "--name", name, sandbox.Busybox, "true"},
			{"create", "--name", name, sandbox.Busybox, "true"},
		}[r.IntN(4)]
		cmd := s.Command(t.Context(), args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: pgid}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if pgid == 0 {
			pgid = cmd.Process.Pid
		}
		g.cmds = append(g.cmds, cmd)
	}
	return g
}

// kill kills the group and waits for its members, which stay in it as long as nobody has.
func (g *group) kill() {
	_ = syscall.Kill(-g.cmds[0].Process.Pid, syscall.SIGKILL)
	for _, cmd := range g.cmds {
		_ = cmd.Wait()
	}
}
