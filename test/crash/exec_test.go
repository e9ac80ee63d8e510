package crash

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/berth-engine/berth/test/sandbox"
)

// execScenarios are exec's in a container c that runs "sleep 1000". Each runs "sleep 2000" or something that ends at once.
var execScenarios = []scenario{
	{"exec", runsC, []string{"exec", "c", "sh", "-c", "exit 3"}},
	{"exec that goes on", runsC, []string{"exec", "c", "sleep", "2000"}},
	{"exec detached", runsC, []string{"exec", "-d", "c", "sleep", "2000"}},
}

var runsC = [][]string{{"run", "-d", "--name", "c", sandbox.Busybox, "sleep", "1000"}}

func TestAnExecKilledAtAnyStepLeavesNothingAndDisturbsNobody(t *testing.T) {
	for _, sc := range execScenarios {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			s := sandbox.NewWithFailpoints(t)
			s.LoadBusybox()
			for i, point := range instants(execPoints(t, s, sc)) {
				for j, d := range deaths {
					if j > 0 && j != 1+i%2 {
						continue // the others take turns
					}
					killExecAt(t, s, sc, point, d)
					if t.Failed() {
						t.Fatalf("^ %s: killed %s (%s)", sc.name, point, d.name)
					}
				}
			}
		})
	}
}

// execPoints learns what an exec passes. One that goes on does not pass its end.
func execPoints(t *testing.T, s *sandbox.Sandbox, sc scenario) []string {
	t.Helper()
	var points []string
	for _, p := range pointsOf(t, s, execScenarios[0]) {
		if strings.HasPrefix(p, "exec:") || sc.name == "exec" {
			points = append(points, p)
		}
	}
	return points
}

func killExecAt(t *testing.T, s *sandbox.Sandbox, sc scenario, point string, d death) {
	t.Helper()
	for _, args := range sc.prepare {
		s.OK(args...)
	}
	monitor := s.Monitor("c")
	r := withFailpoint(t, s, point+"=kill", sc.verb)
	r.Expect(t, 137)
	if d.name == "everything" {
		killOthers(s, d.others)
		s.OK("rm", "-f", "-t", "0", "c")
		s.NoLeaks()
		return
	}
	if d.others != nil {
		for _, pid := range s.Processes()["berth-monitor"] {
			if pid != monitor {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
	sandbox.Equal(t, "the container's status", s.OK("inspect", "-f", "{{.State.Status}}", "c"), "running")
	sandbox.Equal(t, "the next exec", s.OK("exec", "c", "echo", "x"), "x")
	s.Eventually("directories, claims and the list of sessions to be those of the sessions that run", func() bool { return execsSettled(t, s) })
	s.OK("rm", "-f", "-t", "0", "c")
	s.NoLeaks()
}

// execsSettled reports whether each session that runs, and no other, has a directory and a place in the list.
func execsSettled(t *testing.T, s *sandbox.Sandbox) bool {
	t.Helper()
	running := strings.Count(s.OK("top", "c", "args"), "sleep 2000")
	listed := strings.Fields(strings.Trim(s.OK("inspect", "-f", "{{.ExecIDs}}", "c"), "[]"))
	dirs := names(t, filepath.Join(s.RunRoot, "execs"))
	claims := names(t, filepath.Join(s.RunRoot, "claims"))
	slices.Sort(listed)
	return len(listed) == running && slices.Equal(listed, dirs) && len(claims) == running
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestAnExecThatFailsAtAnyStepIsUndone(t *testing.T) {
	for _, sc := range execScenarios[1:] {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			s := sandbox.NewWithFailpoints(t)
			s.LoadBusybox()
			points := execPoints(t, s, sc)
			s.OK(runsC[0]...)
			for _, point := range points {
				withFailpoint(t, s, point+"=error", sc.verb).Expect(t, 125, point)
				sandbox.Equal(t, "processes in the container after an error at "+point, strings.Count(s.OK("top", "c", "args"), "sleep 2000"), 0)
				if !execsSettled(t, s) {
					t.Fatalf("%s: expected no directory and no session left", point)
				}
			}
		})
	}
}
