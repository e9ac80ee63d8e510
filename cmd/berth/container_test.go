package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/logs"
)

func TestVerbsTakeSeveralContainersAndTryAll(t *testing.T) {
	for _, c := range []struct {
		args, done, out, err string
		code                 int
	}{
		{"stop web db", "stop web|stop db", "web\ndb\n", "", 0},
		{"stop nosuch web", "stop web", "web\n", "Error: no such container: nosuch\n", 125},
		{"stop -i nosuch web", "stop web", "nosuch\nweb\n", "", 0},
		{"stop --all", "stop " + idWeb, idWeb + "\n", "", 0},
		{"kill web", "kill KILL web", "web\n", "", 0},
		{"kill -s HUP web", "kill HUP web", "web\n", "", 0},
		{"kill -a", "kill KILL " + idWeb, idWeb + "\n", "", 0},
		{"restart -l", "restart " + idWeb, idWeb + "\n", "", 0},
		{"restart --running", "restart " + idWeb, idWeb + "\n", "", 0},
		{"pause web", "pause web", "web\n", "", 0},
		{"unpause --all", "", "", "", 0},
		{"start --all", "start " + idDB, idDB + "\n", "", 0},
		{"start db", "start db", "db\n", "", 0},
		{"init db", "init db", "db\n", "", 0},
		{"rename web /old", "rename old web", "", "", 0},
		{"container cleanup --run 7 " + idWeb, "cleanup 7 " + idWeb, "", "", 0},
		{"container cleanup --run 7 nosuch", "", "", "", 0},
		{"rm web db", "rm web|rm db", "web\ndb\n", "", 0},
		{"rm nosuch db", "rm db", "db\n", "Error: no such container: nosuch\n", 1},
		{"rm -f nosuch db", "rm db", "db\n", "", 0},
		{"rm -fa", "rm " + idWeb + "|rm " + idDB, idWeb + "\n" + idDB + "\n", "", 0},
	} {
		f := twoContainers()
		got := berthWith(t, with(f), strings.NewReader(""), strings.Fields(c.args)...)
		done := strings.Split(c.done, "|")
		if c.done == "" {
			done = nil
		}
		if got.code != c.code || got.out != c.out || got.err != c.err || !sameWords(f.done, done) {
			t.Errorf("berth %s\nexpected: %v, exit code %d, %q, %q\ngot:      %v, exit code %d, %q, %q",
				c.args, done, c.code, c.out, c.err, f.done, got.code, got.out, got.err)
		}
	}
}

// sameWords compares without regard to order: containers are worked on at the same time.
func sameWords(a, b []string) bool {
	seen := map[string]int{}
	for _, x := range a {
		seen[x]++
	}
	for _, x := range b {
		seen[x]--
	}
	for _, n := range seen {
		if n != 0 {
			return false
		}
	}
	return len(a) == len(b)
}

func TestRmExitCodes(t *testing.T) {
	f := twoContainers()
	f.err["web"] = errdefs.Conflict("container web is running")
	mustFail(t, with(f), exitConflict, "web is running", "rm", "web")
	mustFail(t, with(f), exitConflict, "no such container", "rm", "web", "nosuch")
	f.err["db"] = errdefs.Internal("disk full")
	mustFail(t, with(f), exitEngine, "disk full", "rm", "web", "db", "nosuch")
}

func TestAlreadySoIsNoError(t *testing.T) {
	f := twoContainers()
	f.err["web"] = errdefs.New(errdefs.ErrNotModified, "already")
	for _, verb := range []string{"stop", "start", "restart"} {
		mustPrint(t, with(f), "web\n", verb, "web")
	}
}

func TestStopTimeoutSpellings(t *testing.T) {
	for args, want := range map[string]int{"-t 3": 3, "--time 4": 4, "--timeout 5": 5, "--time=-1": -1} {
		f := twoContainers()
		berthWith(t, with(f), nil, append(append([]string{"stop"}, strings.Fields(args)...), "web")...)
		if f.stopped.Timeout == nil || *f.stopped.Timeout != want {
			t.Errorf("berth stop %s: expected a timeout of %d, got %v", args, want, f.stopped.Timeout)
		}
	}
	f := twoContainers()
	berthWith(t, with(f), nil, "stop", "web")
	if f.stopped.Timeout != nil {
		t.Errorf("berth stop: expected the container's own timeout, got %d", *f.stopped.Timeout)
	}
}

func TestSelectionsThatContradict(t *testing.T) {
	mustFail(t, with(twoContainers()), exitEngine, "missing container", "stop")
	mustFail(t, with(twoContainers()), exitEngine, "not both", "stop", "-a", "web")
	mustFail(t, with(twoContainers()), exitEngine, "exclude each other", "stop", "-a", "-l")
	mustFail(t, with(&fakeContainers{}), exitEngine, "no container yet", "stop", "-l")
	mustFail(t, with(twoContainers()), exitEngine, "missing arguments", "rename", "web")
	mustFail(t, with(twoContainers()), exitEngine, "one container", "start", "-a", "web", "db")
}

func TestWaitPrintsExitCodes(t *testing.T) {
	mustPrint(t, with(twoContainers()), "137\n0\n", "wait", "db", "web")
	mustPrint(t, with(twoContainers()), "-1\n", "wait", "--ignore", "nosuch")
	mustFail(t, with(twoContainers()), exitEngine, "no such container", "wait", "nosuch")
	mustFail(t, with(twoContainers()), exitEngine, "--condition", "wait", "--condition", "happy", "web")
	f := twoContainers()
	mustPrint(t, with(f), "0\n", "wait", "--condition", "running", "web")
	if f.waited[0] != engine.WaitCondition(container.Running) {
		t.Errorf("expected to wait for running, got %v", f.waited)
	}
}

func TestWaitTakesSeveralConditionsAndReturnsAtTheFirstContainer(t *testing.T) {
	f := twoContainers()
	mustPrint(t, with(f), "0\n", "wait", "--condition", "healthy,exited", "--condition", "unhealthy", "web")
	if len(f.waited) == 0 {
		t.Error("expected to wait for something")
	}
	mustPrint(t, with(twoContainers()), "137\n", "wait", "--return-first", "db")
	mustPrint(t, with(twoContainers()), "-1\n", "wait", "--return-first", "--ignore", "nosuch", "nosuch2")
	mustFail(t, with(twoContainers()), exitEngine, "no such container", "wait", "--return-first", "nosuch")
}

func TestExistsAnswersByItsExitCode(t *testing.T) {
	mustPrint(t, with(twoContainers()), "", "container", "exists", "web")
	if got := berthWith(t, with(twoContainers()), nil, "container", "exists", "nosuch"); got.code != 1 || got.err != "" {
		t.Errorf("expected exit code 1 and silence, got %+v", got)
	}
	f := twoContainers()
	f.err["0"] = errdefs.Internal("ambiguous")
	mustFail(t, with(f), exitEngine, "ambiguous", "container", "exists", "0")
}

func TestInspectPrintsAllThereIsAndAnErrorForTheRest(t *testing.T) {
	got := berthWith(t, with(twoContainers()), nil, "inspect", "--type", "container", "nosuch", "web")
	var docs []map[string]any
	if err := json.Unmarshal([]byte(got.out), &docs); err != nil || len(docs) != 1 || docs[0]["Name"] != "web" {
		t.Errorf("expected one document, got %v: %s", err, got.out)
	}
	if got.code != exitEngine || got.err != "Error: no such container: nosuch\n" {
		t.Errorf("expected exit code 125 and one message, got %+v", got)
	}
	got = berthWith(t, with(twoContainers()), nil, "container", "inspect", "nosuch")
	if got.code != exitEngine || got.out != "[]\n" {
		t.Errorf("expected exit code 125 and an empty array, got %+v", got)
	}
}

func TestInspectTemplates(t *testing.T) {
	for format, want := range map[string]string{
		"{{.State.Status}} {{.State.Running}} {{.State.Pid}}": "running true 4242",
		"{{.ID}}":                                "" + idWeb,
		"{{.Id}}":                                "" + idWeb, // only the JSON has it so
		"{{.Name}} {{.Path}} {{json .Args}}":     `web /docker-entrypoint.sh ["nginx","-g","daemon off;"]`,
		`{{index .Config.Labels "app"}}`:         "shop",
		"{{.HostConfig.NetworkMode}}":            "host",
		"{{.Config.Cmd}} {{.Config.Entrypoint}}": "[nginx -g daemon off;] [/docker-entrypoint.sh]",
		`{{(index .HostConfig.PortBindings "80/tcp" 0).HostPort}}`:                      "8080",
		`{{with index .NetworkSettings.Ports "9001/udp"}}{{(index . 0).HostIp}}{{end}}`: "127.0.0.1",
		"{{.HostConfig.RestartPolicy.Name}} {{.ImageName}} {{.Driver}}":                 "no docker.io/library/nginx:latest overlay",
	} {
		mustPrint(t, with(twoContainers()), want+"\n", "inspect", "-f", format, "web")
	}
	mustFail(t, with(twoContainers()), exitEngine, "--format", "inspect", "-f", "{{.Nope}}", "web")
	mustFail(t, with(twoContainers()), exitEngine, "--type", "inspect", "--type", "pod", "web")
}

func TestPortLines(t *testing.T) {
	mustPrint(t, with(twoContainers()), "80/tcp -> 0.0.0.0:8080\n9000/udp -> 127.0.0.1:9000\n9001/udp -> 127.0.0.1:9001\n", "port", "web")
	mustPrint(t, with(twoContainers()), "127.0.0.1:9001\n", "port", "web", "9001/udp")
	mustPrint(t, with(twoContainers()), "0.0.0.0:8080\n", "port", "web", "80")
	mustFail(t, with(twoContainers()), exitEngine, "publishes no port 81", "port", "web", "81")
	mustFail(t, with(twoContainers()), exitEngine, "is not a port", "port", "web", "http")
}

func TestTopAlignsAndPassesOptionsOn(t *testing.T) {
	f := twoContainers()
	f.top = engine.TopResult{Titles: []string{"USER", "PID", "COMMAND"}, Processes: [][]string{{"root", "1", "nginx: master"}, {"www-data", "29", "nginx"}}}
	mustPrint(t, with(f), "USER       PID   COMMAND\nroot       1     nginx: master\nwww-data   29    nginx\n", "top", "web")
	for args, want := range map[string]string{
		"pid user": "pid user", "-eo user,pid,cmd": "user pid args", "-o pid=,ni": "pid nice", "-ef": "", "aux": "", "-e -o comm": "comm", "-e --no-headers": "",
		"%p pid": "%p pid",
	} {
		berthWith(t, with(f), nil, append([]string{"top", "web"}, strings.Fields(args)...)...)
		if got := strings.Join(f.topped, " "); got != want {
			t.Errorf("berth top web %s: expected the descriptors %q, got %q", args, want, got)
		}
	}
}

func logLines() []logs.Line {
	at := time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC)
	return []logs.Line{
		{Time: at, Stream: "stdout", Text: []byte("one")},
		{Time: at, Stream: "stderr", Text: []byte("oops")},
		{Time: at, Stream: "stdout", Text: []byte("a lo"), Partial: true},
		{Time: at, Stream: "stdout", Text: []byte("ng line")},
	}
}

func TestLogsKeepStreamsApartAndJoinParts(t *testing.T) {
	for args, want := range map[string][2]string{
		"logs web":    {"one\na long line\n", "oops\n"},
		"logs -t web": {"2026-03-01T11:00:00Z one\n2026-03-01T11:00:00Z a long line\n", "2026-03-01T11:00:00Z oops\n"},
		"logs -n web": {"web one\nweb a long line\n", "web oops\n"},
		"logs db web": {"fedcba987654 one\nfedcba987654 a long line\n0123456789ab one\n0123456789ab a long line\n", "fedcba987654 oops\n0123456789ab oops\n"},
		"logs -f web": {"one\na long line\n", "oops\n"},
		"logs -l":     {"one\na long line\n", "oops\n"},
	} {
		f := twoContainers()
		f.lines = logLines()
		got := berthWith(t, with(f), nil, strings.Fields(args)...)
		if got.code != 0 || got.out != want[0] || got.err != want[1] {
			t.Errorf("berth %s\nexpected: %q and %q\ngot:      %q and %q, exit code %d", args, want[0], want[1], got.out, got.err, got.code)
		}
	}
}

func TestLogsReadsItsFlags(t *testing.T) {
	f := twoContainers()
	mustPrint(t, with(f), "", "logs", "--since", "10m", "--until", "2026-03-01T11:59:00Z", "--tail", "5", "web")
	if !f.logged.Since.Equal(testNow.Add(-10*time.Minute)) || !f.logged.Until.Equal(testNow.Add(-time.Minute)) || f.logged.Tail != 5 || f.logged.Follow {
		t.Errorf("expected ten minutes to one minute ago and five lines, got %+v", f.logged)
	}
	mustPrint(t, with(f), "", "logs", "web")
	if f.logged.Tail != -1 {
		t.Errorf("expected all lines, got %+v", f.logged)
	}
	mustFail(t, with(f), exitEngine, "--tail", "logs", "--tail", "some", "web")
	mustFail(t, with(f), exitEngine, "--since", "logs", "--since", "yesteryear", "web")
	mustFail(t, with(f), exitEngine, "no such container", "logs", "web", "nosuch")
}

func TestEveryCommandHasHelp(t *testing.T) {
	for _, c := range newRoot(&app{}).Commands() {
		if c.Short == "" || !c.Hidden && c.GroupID == "" {
			t.Errorf("berth %s: expected a description and a group, got %q and %q", c.Name(), c.Short, c.GroupID)
		}
	}
	for _, e := range containerEntries {
		if c := e.make(&app{}); c.Name() != e.name || c.Example == "" {
			t.Errorf("berth %s: expected its name and an example, got %q and %q", e.name, c.Name(), c.Example)
		}
	}
}

func TestUnknownCommandsAndFlags(t *testing.T) {
	mustFail(t, with(twoContainers()), exitEngine, "did you mean", "stopp")
	mustFail(t, with(twoContainers()), exitEngine, "See 'berth --help'", "frobnicate")
	mustFail(t, with(twoContainers()), exitEngine, "missing command", "container")
	mustFail(t, with(twoContainers()), exitEngine, "unknown command", "container", "stopp")
	mustFail(t, with(twoContainers()), exitEngine, "See 'berth stop --help'", "stop", "--frob")
	mustFail(t, with(twoContainers()), exitEngine, "--log-level", "--log-level", "loud", "ps")
	mustFail(t, with(twoContainers()), exitEngine, "only overlay", "--storage-driver", "zfs", "ps")
}

func TestOnlyTheCommandAskedForIsMade(t *testing.T) {
	for args, want := range map[string]int{
		"run img": 1, "--root /x --debug run img": 1, "--root=/x ps": 1, "container stop web": 1, "--version": 0,
	} {
		if got := len(newRoot(&app{}, strings.Fields(args)...).Commands()); got != want {
			t.Errorf("berth %s: expected %d commands made, got %d", args, want, got)
		}
	}
	all := len(newRoot(&app{}).Commands())
	for _, args := range []string{"frobnicate", "--help", "help run", "images", "ls", "-x run", "__complete run"} {
		if got := len(newRoot(&app{}, strings.Fields(args)...).Commands()); got < all {
			t.Errorf("berth %s: expected all %d commands made, got %d", args, all, got)
		}
	}
}
