package crash

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berth-engine/berth/test/sandbox"
)

// statuses are all containers as "name status".
func statuses(s *sandbox.Sandbox) string {
	return s.OK("ps", "-a", "--format", "{{.Names}} {{.State}}")
}

// volumeDirs are the directories of volumes on disk.
func volumeDirs(t *testing.T, s *sandbox.Sandbox) string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(s.Root, "volumes", "[^.]*"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, "\n")
}

func TestAContainerThatRemovesItselfIsGoneAfterAFailureOfAnyStep(t *testing.T) {
	t.Parallel()
	s := sandbox.NewWithFailpoints(t)
	bb := s.LoadBusybox()
	run := []string{"run", "--rm", "--name", "c", "-v", "/vol", bb, "sleep", "1000"}
	for _, point := range pointsOf(t, s, scenario{verb: []string{"run", "--rm", "--name", "c", bb, "true"}}) {
		if !strings.HasPrefix(point, "start:") && !strings.HasPrefix(point, "run:") {
			continue
		}
		withFailpoint(t, s, point+"=error", run).Expect(t, 125, point)
		sandbox.Equal(t, "containers after an error at "+point, statuses(s), "")
		s.NoLeaks()
		if t.Failed() {
			return
		}
	}
}

func TestAContainerThatRemovesItselfIsGoneWhenItsDependencyDoesNotStart(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("create", "--name", "a", bb, "/nope")
	s.Fails(127, []string{"/nope"}, "run", "--rm", "--name", "b", "--network", "container:a", bb, "true")
	sandbox.Equal(t, "containers", statuses(s), "a created")
}

func TestAnonymousVolumesGoWithARemovalThatWasKilled(t *testing.T) {
	t.Parallel()
	s := sandbox.NewWithFailpoints(t)
	bb := s.LoadBusybox()
	for _, sc := range []scenario{
		{"rm -v", [][]string{{"run", "--name", "c", "-v", "/vol", bb, "true"}}, []string{"rm", "-v", "c"}},
		{"run --rm", nil, []string{"run", "--rm", "--name", "c", "-v", "/vol", bb, "true"}},
	} {
		for _, point := range pointsOf(t, s, sc) {
			for _, args := range sc.prepare {
				s.OK(args...)
			}
			withFailpoint(t, s, point+"=kill", sc.verb).Expect(t, 137)
			s.Eventually("the container to be gone or whole", func() bool {
				s.OK("run", "--rm", bb, "true") // the next operation
				st := statuses(s)
				return st == "" || sc.prepare != nil && st == "c exited"
			})
			if statuses(s) == "" {
				s.Eventually(sc.name+" killed at "+point+": no volume on disk", func() bool { return volumeDirs(t, s) == "" })
				sandbox.Equal(t, sc.name+" killed at "+point+": volumes", s.OK("volume", "ls", "-q"), "")
			}
			s.OK("rm", "-f", "-v", "c")
			if t.Failed() {
				return
			}
		}
	}
}

func TestARestartWhoseWaiterWasKilledIsMadeByTheNextCommand(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--restart", "always", "--name", "r", bb, "sh", "-c", "test -e /again && exec sleep 1000; sleep 0.2; exit 3")
	s.Eventually("restarts to be far apart", func() bool {
		return sandbox.Atoi(t, s.OK("inspect", "-f", "{{.RestartCount}}", "r")) >= 3 && statuses(s) == "r restarting"
	})
	for _, pid := range s.Processes()["berth"] {
		if pid > 1 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	before := sandbox.Atoi(t, s.OK("inspect", "-f", "{{.RestartCount}}", "r"))
	s.OK("run", "--rm", bb, "true")
	after := sandbox.Atoi(t, s.OK("inspect", "-f", "{{.RestartCount}}", "r"))
	if after <= before {
		t.Errorf("expected another restart after %d, got %d; %s", before, after, statuses(s))
	}
}

func TestAnExecWhoseClientAndMonitorWereKilledLeavesNoDirectory(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", bb, "sleep", "1000")
	container := s.Monitor("c")
	cmd := s.Command(t.Context(), "exec", "c", "sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.Eventually("the session to run", func() bool { return strings.Count(s.OK("top", "c"), "sleep") == 2 })
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for _, pid := range s.Processes()["berth-monitor"] {
		if pid != container {
			s.Kill(pid)
		}
	}
	s.OK("rm", "-f", "-t", "0", "c")
	s.NoLeaks()
}

func TestRemovalByForceNeedsNoRuntimeThatWorks(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"broken", "gone"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := sandbox.New(t)
			bb := s.LoadBusybox()
			rt := s.Write("runtime", "#!/bin/sh\nexec "+sandbox.Runtime()+` "$@"`+"\n")
			if err := os.Chmod(rt, 0o755); err != nil {
				t.Fatal(err)
			}
			s.OK("--runtime", rt, "run", "-d", "--name", "c", bb, "sh", "-c", "sleep 1000 & sleep 1000")
			if err := os.Remove(rt); err != nil {
				t.Fatal(err)
			}
			if how == "broken" {
				s.Write("runtime", "#!/bin/sh\necho broken >&2\nexit 1\n")
				if err := os.Chmod(rt, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			s.OK("rm", "-f", "-t", "0", "c")
			sandbox.Equal(t, "containers", statuses(s), "")
		})
	}
}

func TestAClientThatIsKilledWhileTheRuntimeCreatesLeavesNothing(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	slow, creating := slowRuntime(t, s)
	for _, next := range [][]string{
		{"rm", "-f", "-a", "-t", "0"},
		{"run", "--rm", bb, "true"},
	} {
		s.OK("create", "--name", "c", bb, "sleep", "1000")
		client := s.Command(t.Context(), "--runtime", slow, "start", "c")
		if err := client.Start(); err != nil {
			t.Fatal(err)
		}
		s.Eventually("the runtime to be creating", func() bool { return s.Exists(creating) })
		s.Kill(client.Process.Pid)
		_ = client.Wait()
		s.OK(next...)
		time.Sleep(2 * slowness) // what still ran would add to it now
		s.OK("rm", "-f", "-a", "-t", "0")
		s.NoLeaks()
		if t.Failed() {
			t.Fatalf("^ %v", next)
		}
		if err := os.Remove(creating); err != nil {
			t.Fatal(err)
		}
	}
}

func runtimePath(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath(sandbox.Runtime())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// slowness is how long slowRuntime waits before it creates.
const slowness = 700 * time.Millisecond

// slowRuntime is the OCI runtime, but that it makes a container's directory late; the file it returns is there once it has begun to.
func slowRuntime(t *testing.T, s *sandbox.Sandbox) (program, creating string) {
	t.Helper()
	creating = filepath.Join(s.Dir, "creating")
	program = s.Write("slow/"+sandbox.Runtime(), fmt.Sprintf(`#!/bin/sh
case " $* " in *" create "*)
	: > %s
	sleep %g
	for id in "$@"; do :; done
	mkdir "$2/$id" # --root DIRECTORY … ID
	sleep 1000
esac
exec %s "$@"
`, creating, slowness.Seconds(), runtimePath(t)))
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatal(err)
	}
	return program, creating
}

func TestLocksAreNamedWithTheirHoldersAndWaiters(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	slow, creating := slowRuntime(t, s)
	s.OK("create", "--name", "c", bb, "true")
	var clients []*exec.Cmd
	for _, args := range [][]string{{"--runtime", slow, "start", "c"}, {"rm", "c"}} {
		client := s.Command(t.Context(), args...)
		if err := client.Start(); err != nil {
			t.Fatal(err)
		}
		clients = append(clients, client)
		s.Eventually("the runtime to be creating", func() bool { return s.Exists(creating) })
	}
	want := fmt.Sprintf("c held %d\nc waiting %d", clients[0].Process.Pid, clients[1].Process.Pid)
	s.Eventually("locks: "+want, func() bool {
		lines := strings.Split(s.OK("system", "locks", "--format", "{{.Name}} {{.State}} {{.PID}}"), "\n")
		slices.Sort(lines)
		return strings.Join(lines, "\n") == want
	})
	if out := s.OK("system", "locks"); !strings.Contains(out, "start c") {
		t.Errorf("expected the holder's command, got\n%s", out)
	}
	s.Kill(clients[0].Process.Pid)
	for _, client := range clients {
		_ = client.Wait()
	}
	sandbox.Equal(t, "locks in the end", s.OK("system", "locks", "-n"), "")
	sandbox.Equal(t, "containers", statuses(s), "")
}

// The OCI runtime takes its time after the process has been let run.
func TestASignalIsForTheProcessOnceThatRuns(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	slow := s.Write("slow/"+sandbox.Runtime(), fmt.Sprintf("#!/bin/sh\n%[1]s \"$@\" || exit\ncase \" $* \" in *\" start \"*) sleep %[2]g;; esac\n",
		runtimePath(t), slowness.Seconds()))
	if err := os.Chmod(slow, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), sandbox.Patience)
	defer cancel()
	cmd := s.Command(ctx, "--runtime", slow, "run", "--rm", "--name", "c", bb, "sh", "-c",
		`trap "exit 43" TERM; echo ready; while :; do sleep 0.05; done`)
	go func() {
		s.Eventually("the script to be ready", func() bool { return strings.Contains(s.Berth("logs", "c").Stdout, "ready") })
		_ = cmd.Process.Signal(syscall.SIGTERM)
	}()
	s.Finish(ctx, cmd).Expect(t, 43)
}
