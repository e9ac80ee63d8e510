// Package verb tests what a person does with containers on an ordinary day: each verb, its output and its exit code.
package verb

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/berth-engine/berth/test/leak"
	"github.com/berth-engine/berth/test/sandbox"
)

func TestMain(m *testing.M) { sandbox.Main(m) }

// ends are programs and the exit codes that say how they ended.
var ends = []struct {
	name string
	argv []string
	code int
}{
	{"success", []string{"true"}, 0},
	{"the program's own code", []string{"sh", "-c", "exit 7"}, 7},
	{"the largest code", []string{"sh", "-c", "exit 255"}, 255},
	{"a code that is also the engine's", []string{"sh", "-c", "exit 125"}, 125},
	{"not found in PATH", []string{"no-such-command"}, 127},
	{"not found by its path", []string{"/no/such/command"}, 127},
	{"not executable", []string{"/etc/passwd"}, 126},
	{"a directory", []string{"/tmp"}, 126},
}

func TestExitCodesOfRun(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	for _, e := range ends {
		if r := s.Berth(append([]string{"run", "--rm", bb}, e.argv...)...); r.Code != e.code {
			t.Errorf("%s: expected exit code %d, got %s", e.name, e.code, r)
		}
		sandbox.Equal(t, e.name+": containers left by run --rm", s.OK("ps", "-aq"), "")
	}
}

func TestExitCodesOfExec(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", bb, "sleep", "1000")
	for _, e := range ends {
		if r := s.Berth(append([]string{"exec", "c"}, e.argv...)...); r.Code != e.code {
			t.Errorf("%s: expected exit code %d, got %s", e.name, e.code, r)
		}
	}
	s.Fails(137, nil, "exec", "c", "sh", "-c", "kill -KILL $$")
	s.Fails(143, nil, "exec", "c", "sh", "-c", "kill -TERM $$")
	s.Fails(125, []string{"nobody"}, "exec", "nobody", "true")
	s.OK("stop", "-t", "0", "c")
	s.Fails(125, []string{"c"}, "exec", "c", "true")
}

func TestExitCodesOfStartAttachedAndWait(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	for i, e := range ends {
		name := fmt.Sprintf("c%d", i)
		s.OK(append([]string{"create", "--name", name, bb}, e.argv...)...)
		if r := s.Berth("start", "-a", name); r.Code != e.code {
			t.Errorf("%s: start -a: expected exit code %d, got %s", e.name, e.code, r)
		}
		if e.code != 126 && e.code != 127 {
			sandbox.Equal(t, e.name+": wait prints", s.OK("wait", name), fmt.Sprint(e.code))
			sandbox.Equal(t, e.name+": inspect says", s.OK("inspect", "-f", "{{.State.ExitCode}}", name), fmt.Sprint(e.code))
		}
	}
}

func TestAContainerEndedByASignalHasTheShellsCodeForIt(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	for signal, code := range map[string]int{"KILL": 137, "HUP": 129, "QUIT": 131} {
		name := "c" + signal
		// The first process of a PID namespace gets, but for KILL, only signals that it has asked for; an exec of a program
		// with the default action would not see them from inside.
		s.OK("create", "--name", name, "--pid", "host", bb, "sleep", "1000")
		result := make(chan sandbox.Result)
		go func() { result <- s.Berth("start", "-a", name) }()
		s.Eventually("it to run", func() bool { return s.OK("inspect", "-f", "{{.State.Running}}", name) == "true" })
		s.OK("kill", "-s", signal, name)
		r := <-result
		r.Expect(t, code)
		sandbox.Equal(t, "wait prints", s.OK("wait", name), fmt.Sprint(code))
	}
}

func TestADetachedRunOfAMissingCommandFailsAtOnce(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.Fails(127, []string{"no-such-command"}, "run", "-d", bb, "no-such-command")
	s.Fails(126, []string{"/etc/passwd"}, "run", "-d", bb, "/etc/passwd")
}

func TestRunWithRmLeavesNothingOnceItHasReturned(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	for _, args := range [][]string{
		{"true"}, {"false"}, {"no-such-command"}, {"sh", "-c", "echo x > /etc/file; echo y > /vol/file"},
	} {
		s.Berth(append([]string{"run", "--rm", "-v", "/vol", "--cidfile", filepath.Join(s.Dir, "cid"), bb}, args...)...)
		// At once: not even a moment's patience for rows, mounts and control groups.
		for _, l := range s.LeftNow() {
			if l.Kind != leak.Process && l.Kind != leak.Lock {
				t.Errorf("run --rm %v has left %v", args, l)
			}
		}
		if _, err := os.Stat(filepath.Join(s.Dir, "cid")); err == nil {
			t.Errorf("run --rm %v has left the cidfile", args)
			os.Remove(filepath.Join(s.Dir, "cid"))
		}
	}
	s.NoLeaks()
}

func TestADetachedRunWithRmIsRemovedWhenItEnds(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	id := s.OK("run", "-d", "--rm", bb, "sh", "-c", "sleep 0.3; exit 6")
	sandbox.Equal(t, "wait prints", s.OK("wait", id), "6")
	s.Eventually("the container to be gone", func() bool { return s.OK("ps", "-aq") == "" })
	s.NoLeaks()
}

func TestALifeFromCreateToRemove(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	status := func() string { return s.OK("inspect", "-f", "{{.State.Status}}", "c") }
	id := s.OK("create", "--name", "c", "--stop-timeout", "1", bb, "sh", "-c", "trap 'exit 0' TERM; touch /dev/shm/trapped; while :; do sleep 0.05; done")
	sandbox.Equal(t, "length of the ID", len(id), 64)
	sandbox.Equal(t, "after create", status(), "created")
	s.OK("init", "c")
	sandbox.Equal(t, "after init", status(), "initialized")
	sandbox.Equal(t, "start prints", s.OK("start", "c"), "c")
	sandbox.Equal(t, "after start", status(), "running")
	s.OK("start", "c") // once more is no error
	s.OK("pause", "c")
	sandbox.Equal(t, "after pause", status(), "paused")
	s.OK("unpause", "c")
	sandbox.Equal(t, "after unpause", status(), "running")
	s.OK("rename", "c", "d")
	// Asked for by name alone: an ID may begin with c.
	sandbox.Equal(t, "containers of the old name", s.OK("ps", "-aq", "--filter", "name=^c$"), "")
	s.OK("rename", "d", "c")
	pid := s.OK("inspect", "-f", "{{.State.Pid}}", "c")
	s.OK("restart", "c")
	if now := s.OK("inspect", "-f", "{{.State.Pid}}", "c"); now == pid || now == "0" {
		t.Errorf("expected another process after restart, got %s again", now)
	}
	s.OK("kill", "c")
	s.OK("wait", "c")
	sandbox.Equal(t, "after its end", status(), "exited")
	s.OK("start", id[:12])
	s.Eventually("its trap", func() bool { return s.Berth("exec", "c", "test", "-e", "/dev/shm/trapped").Code == 0 })
	sandbox.Equal(t, "stop prints", s.OK("stop", "c"), "c")
	sandbox.Equal(t, "after stop", status(), "exited")
	sandbox.Equal(t, "exit code after stop", s.OK("inspect", "-f", "{{.State.ExitCode}}", "c"), "0")
	s.OK("stop", "c") // once more is no error
	s.Fails(125, []string{"c"}, "kill", "c")
	sandbox.Equal(t, "rm prints", s.OK("rm", "c"), "c")
	s.Fails(1, []string{"c"}, "rm", "c")
	s.NoLeaks()
}

func TestAnInitializedContainerIsStartedAttachedFromItsFirstByteToItsExitCode(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	for i := range 3 {
		name := fmt.Sprintf("c%d", i)
		s.OK("create", "--name", name, bb, "sh", "-c", "echo hello; exit 3")
		s.OK("init", name)
		r := s.Berth("start", "-a", name)
		r.Expect(t, 3)
		sandbox.Equal(t, "output", r.Stdout, "hello\n")
	}
}

func TestStopKillsWhatDoesNotEndInTime(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", bb, "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done")
	s.Eventually("the trap", func() bool { return s.OK("logs", "c") == "ready" })
	s.OK("stop", "-t", "1", "c")
	sandbox.Equal(t, "exit code", s.OK("inspect", "-f", "{{.State.ExitCode}}", "c"), "137")
}

func TestStopSendsTheContainersOwnSignal(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", "--stop-signal", "USR2", bb, "sh", "-c", "trap 'exit 33' USR2; echo ready; while :; do sleep 0.05; done")
	s.Eventually("the trap to be set", func() bool { return s.OK("logs", "c") == "ready" })
	s.OK("stop", "c")
	sandbox.Equal(t, "exit code", s.OK("inspect", "-f", "{{.State.ExitCode}}", "c"), "33")
}

func TestARunningContainerIsRemovedOnlyByForce(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", bb, "sleep", "1000")
	s.Fails(2, []string{"c", "running"}, "rm", "c")
	s.OK("rm", "-f", "-t", "0", "c")
	s.OK("run", "-d", "--name", "c", bb, "sleep", "1000")
	s.OK("pause", "c")
	s.OK("rm", "-f", "-t", "0", "c")
	s.OK("rm", "-f", "c") // what is not there is no error
	s.NoLeaks()
}

func TestSixteenRunsAtATime(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			r := s.Berth("run", "--rm", bb, "sh", "-c", fmt.Sprintf("echo %d; exit %d", i, i))
			if r.Code != i || r.Stdout != fmt.Sprintf("%d\n", i) {
				t.Errorf("expected %d as output and exit code, got %s", i, r)
			}
		}()
	}
	wg.Wait()
	sandbox.Equal(t, "containers left", s.OK("ps", "-aq"), "")
	s.NoLeaks()
}

func TestOfCreatesWithTheSameNameAtATimeExactlyOneWins(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	var wg sync.WaitGroup
	results := make([]sandbox.Result, 12)
	for i := range results {
		wg.Add(1)
		go func() { defer wg.Done(); results[i] = s.Berth("create", "--name", "same", bb) }()
	}
	wg.Wait()
	won := 0
	for _, r := range results {
		if r.Code == 0 {
			won++
			continue
		}
		r.Expect(t, 125, "same")
	}
	sandbox.Equal(t, "creates that succeeded", won, 1)
	sandbox.Equal(t, "containers", len(strings.Fields(s.OK("ps", "-aq"))), 1)
	s.OK("rm", "same")
	s.NoLeaks()
}

func TestPsFiltersAndFormats(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	a := s.OK("create", "--name", "a", "-l", "app=web", "-l", "tier=1", bb, "echo", "hello")
	s.OK("run", "-d", "--name", "b", "-l", "app=db", bb, "sleep", "1000")
	s.Berth("run", "--name", "c", bb, "sh", "-c", "exit 3")
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{}, "b"},
		{[]string{"-a"}, "a b c"},
		{[]string{"-f", "status=created"}, "a"},
		{[]string{"-f", "status=exited"}, "c"},
		{[]string{"-a", "-f", "exited=3"}, "c"},
		{[]string{"-a", "-f", "exited=4"}, ""},
		{[]string{"-a", "-f", "label=app"}, "a b"},
		{[]string{"-a", "-f", "label=app=web"}, "a"},
		{[]string{"-a", "-f", "label=app=web", "-f", "label=app=db"}, ""},
		{[]string{"-a", "-f", "label!=app=web"}, "b c"},
		{[]string{"-a", "-f", "name=a"}, "a"},
		{[]string{"-a", "-f", "name=^[bc]$"}, "b c"},
		{[]string{"-a", "-f", "id=" + a[:10]}, "a"},
		{[]string{"-a", "-f", "ancestor=" + bb}, "a b c"},
		{[]string{"-a", "-f", "since=a"}, "b c"},
		{[]string{"-a", "-f", "before=c"}, "a b"},
		{[]string{"-n", "1"}, "c"},
	} {
		got := strings.Fields(s.OK(append([]string{"ps", "--format", "{{.Names}}"}, tc.args...)...))
		slices.Sort(got)
		sandbox.Equal(t, fmt.Sprintf("ps %v", tc.args), strings.Join(got, " "), tc.want)
	}
	sandbox.Equal(t, "ps -aq --no-trunc of a", strings.Contains(s.OK("ps", "-aq", "--no-trunc"), a), true)
	table := s.OK("ps", "-a", "-f", "name=^a$")
	for _, word := range []string{"CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES", a[:12], bb, "echo hello", "Created"} {
		if !strings.Contains(table, word) {
			t.Errorf("expected %q in the table, got\n%s", word, table)
		}
	}
	var list []map[string]any
	if err := json.Unmarshal([]byte(s.OK("ps", "-a", "--format", "json")), &list); err != nil || len(list) != 3 {
		t.Errorf("expected a JSON list of three, got %v and %v", list, err)
	}
	s.Fails(125, []string{"nonsense"}, "ps", "-f", "nonsense=1")
	s.Fails(125, []string{"ps"}, "ps", "--format", "{{.NoSuchField}}")
}

func TestInspectIsJSONThatDockerAndPodmanUsersKnow(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	id := s.OK("run", "-d", "--name", "c", "-e", "A=b", "-l", "k=v", "-w", "/tmp", "--hostname", "h", "-m", "64m", bb, "sleep", "1000")
	var docs []struct {
		ID, Name string
		State    struct {
			Status  string
			Running bool
			Pid     int
		}
		Config struct {
			Hostname, WorkingDir string
			Env, Cmd             []string
			Labels               map[string]string
		}
		HostConfig struct{ Memory int64 }
	}
	if err := json.Unmarshal([]byte(s.OK("inspect", "c")), &docs); err != nil || len(docs) != 1 {
		t.Fatalf("expected a JSON list of one document, got %v", err)
	}
	d := docs[0]
	sandbox.Equal(t, "ID", d.ID, id)
	sandbox.Equal(t, "Name", strings.TrimPrefix(d.Name, "/"), "c")
	sandbox.Equal(t, "State.Status", d.State.Status, "running")
	sandbox.Equal(t, "State.Running", d.State.Running, true)
	sandbox.Equal(t, "Config.Hostname", d.Config.Hostname, "h")
	sandbox.Equal(t, "Config.WorkingDir", d.Config.WorkingDir, "/tmp")
	sandbox.Equal(t, "Config.Cmd", fmt.Sprint(d.Config.Cmd), "[sleep 1000]")
	sandbox.Equal(t, "Config.Labels", d.Config.Labels["k"], "v")
	sandbox.Equal(t, "HostConfig.Memory", d.HostConfig.Memory, 64<<20)
	if !slices.Contains(d.Config.Env, "A=b") {
		t.Errorf("Config.Env: expected A=b in it, got %v", d.Config.Env)
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", d.State.Pid)); err != nil {
		t.Errorf("State.Pid: expected a process: %v", err)
	}
	sandbox.Equal(t, "a template", s.OK("inspect", "-f", `{{.Name}} {{index .Config.Labels "k"}}`, "c"), "c v")
	s.Fails(125, []string{"nobody"}, "inspect", "nobody")
}

func TestListingsSayWhatTheKernelSaysAfterAMonitorAndItsContainerWereKilled(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", bb, "sleep", "1000")
	pid := s.OK("inspect", "-f", "{{.State.Pid}}", "c")
	s.Kill(s.Monitor("c"))
	s.Kill(sandbox.Atoi(t, pid))
	s.Eventually("ps not to list it as running", func() bool { return s.OK("ps", "-q") == "" })
	sandbox.Equal(t, "status", s.OK("inspect", "-f", "{{.State.Running}}", "c"), "false")
	s.OK("start", "c")
	sandbox.Equal(t, "after another start", s.OK("inspect", "-f", "{{.State.Status}}", "c"), "running")
}

func TestLogsOptions(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "--name", "c", bb, "sh", "-c", "for i in 1 2 3 4 5; do echo line $i; done; printf unfinished")
	sandbox.Equal(t, "logs", s.OK("logs", "c"), "line 1\nline 2\nline 3\nline 4\nline 5\nunfinished")
	sandbox.Equal(t, "--tail 2", s.OK("logs", "--tail", "2", "c"), "line 5\nunfinished")
	sandbox.Equal(t, "--tail 0", s.OK("logs", "--tail", "0", "c"), "")
	sandbox.Equal(t, "--since later", s.OK("logs", "--since", "2099-01-01T00:00:00Z", "c"), "")
	sandbox.Equal(t, "--until earlier", s.OK("logs", "--until", "2001-01-01T00:00:00Z", "c"), "")
	sandbox.Equal(t, "--since an hour ago", len(strings.Split(s.OK("logs", "--since", "1h", "c"), "\n")), 6)
	first, _, _ := strings.Cut(s.OK("logs", "-t", "c"), "\n")
	if !strings.HasSuffix(first, " line 1") || !strings.HasPrefix(first, "20") {
		t.Errorf("--timestamps: expected a time before the line, got %q", first)
	}
	s.OK("run", "--name", "none", "--log-driver", "none", bb, "echo", "x")
	s.Fails(125, []string{"none"}, "logs", "none")
}

func TestARotatedLogKeepsItsSizeAndItsNewestLines(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "--name", "c", "--log-opt", "max-size=64k", "--log-opt", "max-file=3", bb, "sh", "-c", "seq 1 20000")
	lines := strings.Split(s.OK("logs", "c"), "\n")
	sandbox.Equal(t, "the last line", lines[len(lines)-1], "20000")
	for i := 1; i < len(lines); i++ {
		if sandbox.Atoi(t, lines[i]) != sandbox.Atoi(t, lines[i-1])+1 {
			t.Fatalf("expected lines without a gap, got %s after %s", lines[i], lines[i-1])
		}
	}
	path := s.OK("inspect", "-f", "{{.LogPath}}", "c")
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) != 3 {
		t.Errorf("expected three files, got %v", files)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Size() > 64<<10+200 {
			t.Errorf("expected at most 64 KiB in %s, got %d (%v)", f, info.Size(), err)
		}
	}
}

func TestTopShowsTheProcesses(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", bb, "sh", "-c", "sleep 999 & sleep 1000")
	s.Eventually("both processes", func() bool {
		out := s.OK("top", "c")
		return strings.Contains(out, "sleep 999") && strings.Contains(out, "PID")
	})
	s.OK("stop", "-t", "0", "c")
	s.Fails(125, []string{"c"}, "top", "c")
}

func TestTopSaysWhoAProcessIsAndWhatItMay(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", "--user", "1000:1000", "--group-add", "7", "--cap-drop", "ALL", bb, "sleep", "1000")
	s.OK("run", "-d", "--name", "bounded", "--cap-drop", "ALL", "--cap-add", "CHOWN,NET_RAW", bb, "sleep", "1000")
	s.OK("run", "-d", "--name", "mapped", "--uidmap", "0:100000:1000", bb, "sleep", "1000")
	of := func(name, descriptors string) string {
		lines := strings.Split(s.OK("top", name, descriptors), "\n")
		return strings.Join(strings.Fields(lines[len(lines)-1]), " ")
	}
	sandbox.Equal(t, "IDs", of("c", "uid,gid,pid"), "1000 1000 1")
	sandbox.Equal(t, "no capabilities", of("c", "capeff,capprm,capinh,capamb"), "none none none none")
	if got := of("c", "hgroups"); !strings.Contains(got, "lp") {
		t.Errorf("expected the host's name of group 7, lp, among the groups, got %s", got)
	}
	sandbox.Equal(t, "some capabilities", of("bounded", "capeff"), "CHOWN,NET_RAW")
	sandbox.Equal(t, "in a user namespace", of("mapped", "user,uid,huser"), "root 0 100000")
	pid := s.OK("inspect", "-f", "{{.State.Pid}}", "c")
	sandbox.Equal(t, "the host's PID and seccomp", of("c", "hpid,seccomp"), pid+" filter")
	s.Fails(125, []string{"capamb", "hgroups"}, "top", "c", "nonsense")
}

func TestPsShowsTheNamespacesThatTheKernelHas(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", "--network", "host", bb, "sleep", "1000")
	s.OK("create", "--name", "idle", bb, "true")
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(s.OK("ps", "--ns", "--noheading"))
	if len(fields) != 10 || "net:["+fields[6]+"]" != own {
		t.Errorf("expected ten columns, and %s as the network, got %v", own, fields)
	}
	inside := s.OK("exec", "c", "readlink", "/proc/self/ns/uts")
	sandbox.Equal(t, "UTS", "uts:["+fields[9]+"]", inside)
	sandbox.Equal(t, "columns of one that does not run", len(strings.Fields(s.OK("ps", "-a", "--ns", "--noheading", "--filter", "name=idle"))), 3)
}

func TestPortListsWhatWasPublished(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", bb, "sleep", "1000")
	sandbox.Equal(t, "port of a container without any", s.OK("port", "c"), "")
	s.Fails(125, []string{"80"}, "port", "c", "80")
}

func TestEventsTellTheWholeStoryInOrder(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.Berth("run", "--rm", "--name", "c", bb, "sh", "-c", "exit 4")
	out := s.OK("events", "--since", "1h", "--stream=false", "--filter", "type=container", "--format", "{{.Status}}")
	want := []string{"create", "start", "died", "remove"}
	got := []string{}
	for _, e := range strings.Fields(out) {
		if slices.Contains(want, e) {
			got = append(got, e)
		}
	}
	sandbox.Equal(t, "events", strings.Join(got, " "), strings.Join(want, " "))
	out = s.OK("events", "--since", "1h", "--stream=false", "--filter", "event=died", "--format", "json")
	if !strings.Contains(out, "c") || !strings.Contains(out, "4") {
		t.Errorf("expected the exit code 4 in %s", out)
	}
}

func TestRestartPolicies(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	count := func(name string) int { return strings.Count(s.Berth("logs", name).Stdout, "run") }
	s.OK("run", "-d", "--name", "retry", "--restart", "on-failure:2", bb, "sh", "-c", "echo run; exit 1")
	s.OK("run", "-d", "--name", "success", "--restart", "on-failure", bb, "sh", "-c", "echo run")
	s.OK("run", "-d", "--name", "always", "--restart", "always", bb, "sh", "-c", "echo run; sleep 0.2")
	s.Eventually("three runs of on-failure:2", func() bool { return count("retry") == 3 })
	s.Eventually("on-failure:2 to give up", func() bool { return s.OK("inspect", "-f", "{{.State.Status}}", "retry") == "exited" })
	sandbox.Equal(t, "RestartCount", s.OK("inspect", "-f", "{{.RestartCount}}", "retry"), "2")
	s.Eventually("always to run again", func() bool { return count("always") >= 3 })
	s.OK("stop", "-t", "1", "always")
	n := count("always")
	sandbox.Equal(t, "status of always after stop", s.OK("inspect", "-f", "{{.State.Status}}", "always"), "exited")
	sandbox.Equal(t, "runs after success", count("success"), 1)
	sandbox.Equal(t, "runs of retry", count("retry"), 3)
	sandbox.Equal(t, "runs of always after stop", count("always"), n)
}

func TestWaitConditions(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("create", "--name", "c", bb, "sh", "-c", "sleep 0.5; exit 8")
	started := make(chan string)
	go func() { started <- s.Berth("wait", "--condition", "running", "c").Stdout }()
	s.OK("start", "c")
	<-started
	sandbox.Equal(t, "wait", s.OK("wait", "c"), "8")
	sandbox.Equal(t, "wait again", s.OK("wait", "c"), "8")
	s.Fails(125, []string{"nobody"}, "wait", "nobody")
}

func TestWaitForHealthAndForTheFirstOfSeveral(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", "--health-cmd", "test -e /tmp/well", "--health-interval", "100ms", "--health-retries", "2", bb, "sleep", "1000")
	s.OK("wait", "--condition", "unhealthy", "c")
	sandbox.Equal(t, "health", s.OK("inspect", "-f", "{{.State.Health.Status}}", "c"), "unhealthy")
	s.OK("exec", "c", "touch", "/tmp/well")
	s.OK("wait", "--condition", "exited,healthy", "c")
	sandbox.Equal(t, "health", s.OK("inspect", "-f", "{{.State.Health.Status}}", "c"), "healthy")

	s.OK("run", "-d", "--name", "short", bb, "sh", "-c", "sleep 0.3; exit 4")
	sandbox.Equal(t, "the first to end", s.OK("wait", "--return-first", "c", "short"), "4")
	s.Fails(125, []string{"no health check"}, "wait", "--condition", "healthy", "short")
}

func TestNamesAndIDsFindAContainer(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	id := s.OK("create", "--name", "xyz", bb)
	for _, ref := range []string{id, id[:12], id[:6], "xyz"} {
		sandbox.Equal(t, "inspect "+ref, s.OK("inspect", "-f", "{{.ID}}", ref), id)
	}
	s.Fails(125, []string{"xy"}, "container", "inspect", "xy") // a name is not found by a part of it
}

func TestCreateReplacesOnRequest(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", "--stop-timeout", "0", bb, "sleep", "1000")
	first := s.OK("inspect", "-f", "{{.ID}}", "c")
	second := s.OK("create", "--replace", "--name", "c", bb)
	if first == second {
		t.Error("expected another container")
	}
	sandbox.Equal(t, "containers", len(strings.Fields(s.OK("ps", "-aq"))), 1)
}

func TestTheCidfileHoldsTheID(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	file := filepath.Join(s.Dir, "cid")
	id := s.OK("create", "--cidfile", file, bb)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sandbox.Equal(t, "the cidfile", string(text), id)
	s.Fails(125, []string{file}, "create", "--cidfile", file, bb)
	sandbox.Equal(t, "containers", len(strings.Fields(s.OK("ps", "-aq"))), 1)
}

func TestInfoVersionAndDiskUsage(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	s.LoadBusybox()
	var info map[string]any
	if err := json.Unmarshal([]byte(s.OK("info", "--format", "json")), &info); err != nil {
		t.Errorf("info: expected JSON: %v", err)
	}
	if out := s.OK("version"); !strings.Contains(out, "Version") {
		t.Errorf("version: got %s", out)
	}
	if out := s.OK("system", "df"); !strings.Contains(out, "Images") || !strings.Contains(out, "Containers") {
		t.Errorf("system df: got %s", out)
	}
}

func TestEveryCommandHasHelpWorthReading(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	for _, verb := range strings.Fields("run create start stop kill restart rm ps logs exec attach wait inspect rename pause unpause top port init images pull load save import tag untag rmi login logout info version events") {
		if out := s.OK(verb, "--help"); !strings.Contains(out, "berth "+verb) {
			t.Errorf("help of %s: got %s", verb, out)
		}
	}
	sandbox.Equal(t, "what --help makes", s.Exists(s.Root), false)
	if out := s.OK("run", "--rm", "hello"); !strings.Contains(strings.ToLower(out), "berth") {
		t.Errorf("run --rm hello: got %s", out)
	}
	s.Fails(125, []string{"nonsense"}, "nonsense")
}

func TestASandboxWhosePathHasSpacesCommasAndColonsWorks(t *testing.T) {
	t.Parallel()
	s := sandbox.NewIn(t, `a b,c:d\e"f`)
	bb := s.LoadBusybox()
	s.Fails(7, nil, "run", "--rm", bb, "sh", "-c", "echo x > /file; exit 7")
	s.NoLeaks()
}

func TestALongPathOfTheRunDirectoryIsNoObstacle(t *testing.T) {
	t.Parallel()
	// A socket's address has room for 107 bytes (unix(7)).
	s := sandbox.NewIn(t, strings.Repeat("long", 30))
	bb := s.LoadBusybox()
	sandbox.Equal(t, "output", s.OK("run", "--rm", bb, "echo", "x"), "x")
	s.OK("run", "-d", "-i", "--name", "c", bb, "sh", "-c", "read line; exit 3")
	s.BerthIn("go\n", "attach", "c").Expect(t, 3)
}

func TestWhoWaitsToRestartAContainerGoesWithIt(t *testing.T) {
	t.Parallel()
	s := sandbox.New(t)
	bb := s.LoadBusybox()
	s.OK("run", "-d", "--name", "c", "--restart", "always", bb, "false")
	s.Eventually("the delay to be longer than a leak is waited for", func() bool { return s.OK("inspect", "-f", "{{.RestartCount}}", "c") >= "7" })
	s.OK("rm", "-f", "c")
	s.NoLeaks()
}
