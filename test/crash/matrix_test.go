// Package crash tests that nothing is lost and nothing leaks, whatever dies when: a kill at every named step of every verb, and
// a kill of everything at any instant.
package crash

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/berth-engine/berth/test/sandbox"
)

func TestMain(m *testing.M) { sandbox.Main(m) }

// A scenario is a verb on the container c, from which every step that it passes is learned (BERTH_FAILPOINT=list), so that a
// new step is killed at without a change here.
type scenario struct {
	name    string
	prepare [][]string // commands before
	verb    []string
}

var scenarios = []scenario{
	{"create", nil, []string{"create", "--name", "c", sandbox.Busybox, "sh", "-c", "exit 3"}},
	{"start", [][]string{{"create", "--name", "c", sandbox.Busybox, "sh", "-c", "exit 3"}}, []string{"start", "c"}},
	{"start attached", [][]string{{"create", "--name", "c", sandbox.Busybox, "sh", "-c", "exit 3"}}, []string{"start", "-a", "c"}},
	{"run", nil, []string{"run", "--name", "c", "-v", "/vol", sandbox.Busybox, "sh", "-c", "exit 3"}},
	{"run and remove", nil, []string{"run", "--rm", "--name", "c", "-v", "/vol", sandbox.Busybox, "sh", "-c", "exit 3"}},
	{"run detached", nil, []string{"run", "-d", "--name", "c", sandbox.Busybox, "sleep", "1000"}},
	{"rm", [][]string{{"run", "--name", "c", "-v", "/vol", sandbox.Busybox, "true"}}, []string{"rm", "-v", "c"}},
	{"rm by force", [][]string{{"run", "-d", "--name", "c", sandbox.Busybox, "sleep", "1000"}}, []string{"rm", "-f", "-t", "0", "c"}},
	{"stop", [][]string{{"run", "-d", "--name", "c", sandbox.Busybox, "sleep", "1000"}}, []string{"stop", "-t", "0", "c"}},
	{"restart", [][]string{{"run", "-d", "--name", "c", sandbox.Busybox, "sleep", "1000"}}, []string{"restart", "-t", "0", "c"}},
	{"mount", [][]string{{"create", "--name", "c", sandbox.Busybox, "sh", "-c", "exit 3"}}, []string{"mount", "c"}},
	{"unmount", [][]string{{"create", "--name", "c", sandbox.Busybox, "sh", "-c", "exit 3"}, {"mount", "c"}}, []string{"unmount", "c"}},
	{"commit", [][]string{{"run", "-d", "--name", "c", sandbox.Busybox, "sh", "-c", "echo x > /file; exec sleep 1000"}}, []string{"commit", "-q", "-p", "c", "localhost/committed"}},
}

// A death says who dies at the step: always the client, by a failpoint, and then perhaps others.
type death struct {
	name   string
	others []string // programs; "*" for every process of the engine, the containers' included
}

var deaths = []death{
	{"client", nil},
	{"client and monitor", []string{"berth-monitor"}},
	{"everything", []string{"*"}},
}

// A sequel is the operation that comes next and what must then be so.
type sequel struct {
	name string
	do   func(t *testing.T, s *sandbox.Sandbox)
}

var sequels = []sequel{
	{"rm by force", func(t *testing.T, s *sandbox.Sandbox) {}}, // which follows every sequel
	{"create of the same name", createAgain},
	{"start", startAgain},
}

// createAgain: the name is free, or the object that has it is whole.
func createAgain(t *testing.T, s *sandbox.Sandbox) {
	r := s.Berth("create", "--name", "c", sandbox.Busybox, "true")
	if r.Code == 0 {
		return
	}
	r.Expect(t, 125, "already in use")
	startAgain(t, s)
}

// startAgain: a container that is there starts, or runs already, and ends as it should; or what was being removed is gone.
func startAgain(t *testing.T, s *sandbox.Sandbox) {
	if !there(t, s) {
		s.Fails(125, []string{"no such container"}, "start", "c")
		return
	}
	command := s.Berth("inspect", "-f", "{{.Config.Cmd}}", "c").Stdout
	if !strings.Contains(command, "exit 3") {
		if r := s.Berth("start", "c"); r.Code != 0 && there(t, s) {
			t.Errorf("a container that is there must start: %s", r)
		}
		return
	}
	// One with --rm may have come to its end meanwhile.
	if r := s.Berth("start", "-a", "c"); r.Code != 3 && there(t, s) {
		t.Errorf("a container that is there must start, and end with 3: %s", r)
	}
}

func there(t *testing.T, s *sandbox.Sandbox) bool {
	t.Helper()
	r := s.Berth("container", "exists", "c")
	if r.Code > 1 {
		t.Errorf("expected to be told whether the container exists, got %s", r)
	}
	return r.Code == 0
}

func TestAKillAtEachStepLeavesNothingThatTheNextOperationDoesNotFinishOrUndo(t *testing.T) {
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			s := sandbox.NewWithFailpoints(t)
			s.LoadBusybox()
			for i, point := range instants(pointsOf(t, s, sc)) {
				for j, d := range deaths {
					for k, q := range sequels {
						// A client's death has every sequel, the others take turns with theirs.
						if j > 0 && k != (i+j)%len(sequels) {
							continue
						}
						if !killAt(t, s, sc, point, d, q) {
							t.Fatalf("^ %s: killed %s (%s), then %s", sc.name, point, d.name, q.name)
						}
					}
				}
			}
		})
	}
}

// pointsOf learns what the verb passes.
func pointsOf(t *testing.T, s *sandbox.Sandbox, sc scenario) []string {
	t.Helper()
	for _, args := range sc.prepare {
		s.Berth(args...)
	}
	r := withFailpoint(t, s, "list", sc.verb)
	var points []string
	for _, line := range strings.Split(r.Stderr, "\n") {
		if point, ok := strings.CutPrefix(line, "failpoint "); ok && !slices.Contains(points, point) {
			points = append(points, point)
		}
	}
	if len(points) < 4 {
		t.Fatalf("expected berth %s to pass named steps, got %s", strings.Join(sc.verb, " "), r)
	}
	s.OK("rm", "-f", "-t", "0", "-v", "c")
	return points
}

// instants leaves out those points at which things are as at the one before: before a step, after the step before it.
func instants(points []string) []string {
	var all []string
	last := ""
	for _, p := range points {
		verb, rest, _ := strings.Cut(p, ":")
		lastVerb, lastRest, _ := strings.Cut(last, ":")
		if verb != lastVerb || !strings.HasSuffix(rest, ":before") || !strings.HasSuffix(lastRest, ":after") {
			all = append(all, p)
		}
		last = p
	}
	return all
}

func withFailpoint(t *testing.T, s *sandbox.Sandbox, value string, args []string) sandbox.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), sandbox.Patience)
	defer cancel()
	cmd := s.Command(ctx, args...)
	cmd.Env = append(slices.Clone(cmd.Env), "BERTH_FAILPOINT="+value)
	return s.Finish(ctx, cmd)
}

// killAt plays one case and reports whether all was well.
func killAt(t *testing.T, s *sandbox.Sandbox, sc scenario, point string, d death, q sequel) bool {
	t.Helper()
	for _, args := range sc.prepare {
		s.Berth(args...)
	}
	r := withFailpoint(t, s, point+"=kill", sc.verb)
	if r.Code != 137 {
		t.Errorf("expected the client to be killed, got %s", r)
	}
	killOthers(s, d.others)
	q.do(t, s)
	s.OK("rm", "-f", "-t", "0", "-v", "c")
	sandbox.Equal(t, "containers at the end", s.OK("ps", "-aq"), "")
	s.NoLeaks()
	return !t.Failed()
}

func killOthers(s *sandbox.Sandbox, programs []string) {
	if len(programs) == 0 {
		return
	}
	var victims []int
	for name, pids := range s.Processes() {
		if !slices.Contains(programs, name) && programs[0] != "*" {
			continue
		}
		victims = append(victims, pids...)
	}
	s.Kill(victims...)
}

// TestAFailureAtEachStepIsUndone is the same with an error in place of the kill: the verb itself takes back what it did.
func TestAFailureAtEachStepIsUndone(t *testing.T) {
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			s := sandbox.NewWithFailpoints(t)
			s.LoadBusybox()
			for _, point := range pointsOf(t, s, sc) {
				for _, args := range sc.prepare {
					s.Berth(args...)
				}
				r := withFailpoint(t, s, point+"=error", sc.verb)
				// A clean-up that failed here was done by somebody else, or again.
				if told := strings.Contains(r.Stderr, point); !told && (r.Code != 0 || !strings.HasPrefix(point, "cleanup:")) {
					t.Errorf("%s: expected its error to be told, got %s", point, r)
				}
				createAgain(t, s)
				s.OK("rm", "-f", "-t", "0", "-v", "c")
				s.NoLeaks()
				if t.Failed() {
					t.Fatalf("^ %s: an error at %s", sc.name, point)
				}
			}
		})
	}
}
