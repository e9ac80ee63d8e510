package main

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/berth-engine/berth/api/libpod"
	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
)

func TestPsShowsNamespacesOnRequest(t *testing.T) {
	f := twoContainers()
	f.list[0].Namespaces = engine.NamespaceIDs{Cgroup: "1", IPC: "2", Mount: "3", Network: "4", PID: "5", User: "6", UTS: "7"}
	got := berthWith(t, with(f), nil, "ps", "--ns")
	lines := strings.Split(got.out, "\n")
	if !f.listed.Namespaces || len(lines) < 2 {
		t.Fatalf("expected the namespaces to be asked for, and a line of titles and one of a container, got %+v", got)
	}
	for i, expected := range []string{
		"CONTAINER ID NAMES PID CGROUPNS IPC MNT NET PIDNS USERNS UTS", "0123456789ab web 4242 1 2 3 4 5 6 7",
	} {
		if line := strings.Join(strings.Fields(lines[i]), " "); line != expected {
			t.Errorf("expected %s, got %s", expected, line)
		}
	}
	mustFail(t, with(twoContainers()), exitEngine, "--ns", "ps", "--ns", "--size")
}

func TestPsGolden(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"ps", `CONTAINER ID  IMAGE                           COMMAND               CREATED      STATUS        PORTS                                                     NAMES
0123456789ab  docker.io/library/nginx:latest  /docker-entrypoin...  3 hours ago  Up 3 minutes  0.0.0.0:8080->80/tcp, 127.0.0.1:9000-9001->9000-9001/udp  web
`},
		{"container ls -a --noheading", `fedcba987654  docker.io/library/redis:7       redis-server          2 days ago   Exited (137) 5 seconds ago                                                            db
0123456789ab  docker.io/library/nginx:latest  /docker-entrypoin...  3 hours ago  Up 3 minutes                0.0.0.0:8080->80/tcp, 127.0.0.1:9000-9001->9000-9001/udp  web
`},
		{"ps -q", "0123456789ab\n"},
		{"ps -aq --no-trunc", idDB + "\n" + idWeb + "\n"},
		{"ps -lq", "0123456789ab\n"},
		{"ps -n 2 -q --sort names", "fedcba987654\n0123456789ab\n"},
		{"ps -a --sort size --format {{.Names}}|{{.Size}}", "db|0B (virtual 120MB)\nweb|1.5kB (virtual 187MB)\n"},
		{`ps --format {{.ID}};{{.Image}};{{.State}};{{.Status}};{{.Labels}};{{.Label "app"}};{{.Mounts}};{{.LocalVolumes}};{{.Networks}}`,
			"0123456789ab;docker.io/library/nginx:latest;running;Up 3 minutes;app=shop,tier=front;shop;/data,/v;1;host\n"},
		{"ps --format {{.Pid}};{{.ExitCode}};{{.Exited}};{{.RunningFor}};{{.Created}};{{.Restarts}};{{.AutoRemove}}", "4242;0;false;3 hours ago;3 hours ago;0;false\n"},
	} {
		args := strings.Fields(c.args)
		if i := strings.Index(c.args, "--format "); i >= 0 {
			args = append(strings.Fields(c.args[:i]), "--format", c.args[i+len("--format "):])
		}
		mustPrint(t, with(twoContainers()), c.want, args...)
	}
}

func TestPsTableTitles(t *testing.T) {
	mustPrint(t, with(twoContainers()), "NAMES       IMAGE ID      APP         CREATED\nweb         aaaaaaaaaaaa  shop        3 hours ago\n",
		"ps", "--format", `table {{.Names}}\t{{.ImageID}}\t{{.Label "app"}}\t{{.RunningFor}}`)
}

func TestPsJSONIsPodmansAndRowJSONDockers(t *testing.T) {
	got := berthWith(t, with(twoContainers()), nil, "ps", "-a", "--format", "json")
	var list []map[string]any
	if err := json.Unmarshal([]byte(got.out), &list); err != nil || len(list) != 2 {
		t.Fatalf("expected an array of two, got %v: %s", err, got.out)
	}
	if list[1]["Id"] != idWeb || list[1]["State"] != "running" || list[1]["Names"].([]any)[0] != "web" || list[0]["ExitCode"] != 137.0 {
		t.Errorf("expected podman's fields, got %v", list)
	}
	got = berthWith(t, with(twoContainers()), nil, "ps", "--format", "{{json .}}")
	var row map[string]string
	if err := json.Unmarshal([]byte(got.out), &row); err != nil {
		t.Fatalf("expected one flat object, got %v: %s", err, got.out)
	}
	if row["ID"] != "0123456789ab" || row["Names"] != "web" || row["Command"] != `"/docker-entrypoin..."` || row["State"] != "running" {
		t.Errorf("expected Docker's fields, got %v", row)
	}
}

// TestPsFillsItsTableInAsTheTemplateWould: the short way of plain.go shows the same as text/template, for the whole default table.
func TestPsFillsItsTableInAsTheTemplateWould(t *testing.T) {
	for _, noTrunc := range []bool{false, true} {
		tmpl, err := parseTemplate(psListing(psFlags{}).Default)
		if err != nil {
			t.Fatal(err)
		}
		found, _ := twoContainers().List(t.Context(), engine.ListOptions{All: true})
		for i := range found {
			wire := libpod.NewListContainer(&found[i], testNow)
			rows := []psRow{{ListContainer: &wire, s: &found[i], now: testNow, noTrunc: noTrunc}}
			var got, want bytes.Buffer
			if err := executeOne(&want, tmpl, rows[0]); err != nil {
				t.Fatal(err)
			}
			if ok := plainPieces(tmpl).fill(&got, reflect.ValueOf(rows).Index(0)); !ok || got.String() != want.String() {
				t.Errorf("expected %q, got %q (filled in: %v)", want.String(), got.String(), ok)
			}
		}
	}
}

func TestOnlyTextsAndNamesOfFieldsAreFilledInWithoutATemplate(t *testing.T) {
	for format, want := range map[string]bool{
		"{{.ID}}": true, `table {{.ID}}\t{{.Names}} x`: true, "a {{- .ID}}": true,
		"": false, "{{.Labels.x}}": false, "{{$x := .ID}}": false, "{{.ID | upper}}": false, `{{.Label "a"}}`: false, "{{.}}": false,
		"{{if .ID}}x{{end}}": false, "{{len .Names}}": false,
	} {
		tmpl, err := parseTemplate(format)
		if err != nil {
			t.Fatal(err)
		}
		if got := plainPieces(tmpl) != nil; got != want {
			t.Errorf("--format %q: expected %v, got %v", format, want, got)
		}
	}
}

func TestPsAsksForNoMoreThanItShows(t *testing.T) {
	for args, want := range map[string][2]bool{ // all, size
		"ps":                          {false, false},
		"ps -a":                       {true, false},
		"ps -s":                       {false, true},
		"ps --sort size":              {false, true},
		"ps --format {{.Size}}":       {false, true},
		"ps --format {{.Names}}":      {false, false},
		"ps -f status=exited":         {true, false},
		"ps -f name=x --filter id=ab": {false, false},
	} {
		f := twoContainers()
		berthWith(t, with(f), nil, strings.Fields(args)...)
		if f.listed.All != want[0] || f.listed.Size != want[1] {
			t.Errorf("berth %s: expected all=%v size=%v, got %+v", args, want[0], want[1], f.listed)
		}
	}
}

func TestPsRefusesWhatCannotBe(t *testing.T) {
	mustFail(t, with(twoContainers()), exitEngine, "takes no arguments", "ps", "web")
	mustFail(t, with(twoContainers()), exitEngine, "exclude each other", "ps", "-q", "-s")
	mustFail(t, with(twoContainers()), exitEngine, "exclude each other", "ps", "-l", "-n", "3")
	mustFail(t, with(twoContainers()), exitEngine, "--sort", "ps", "--sort", "colour")
	mustFail(t, with(twoContainers()), exitEngine, "KEY=VALUE", "ps", "-f", "web")
	mustFail(t, with(twoContainers()), exitEngine, "--format", "ps", "--format", "{{.Nope}}")
}

func TestStatusTexts(t *testing.T) {
	for status, want := range map[container.Status]string{
		container.Created: "Created", container.Initialized: "Initialized", container.Running: "Up 3 minutes",
		container.Paused: "Up 3 minutes (Paused)", container.Stopping: "Up 3 minutes (Stopping)",
		container.Stopped: "Exited (0)", container.Exited: "Exited (0)", container.Restarting: "Restarting (0)", container.Removing: "Removing",
	} {
		f := twoContainers()
		f.list[0].Status = status
		mustPrint(t, with(f), want+"\n", "ps", "-l", "--format", "{{.Status}}")
	}
	f := twoContainers()
	f.list[0].State.Health = &container.HealthResult{Status: "healthy"}
	mustPrint(t, with(f), "Up 3 minutes (healthy)\n", "ps", "--format", "{{.Status}}")
}
