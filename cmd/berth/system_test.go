package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/volume"
)

func threeEvents() *services {
	code := 3
	at := time.Date(2026, 3, 1, 11, 0, 0, 123456789, time.Local)
	return &services{System: &fakeSystem{events: []event.Event{
		{
			Seq: 7, Time: at, Type: event.Container, Action: event.Died, ID: idDebian, Name: "web", Image: "debian",
			ExitCode: &code, Attributes: map[string]string{"z": "1", "a": "2"},
		},
		{Seq: 8, Time: at, Type: event.Image, Action: event.Pull, ID: idNone, Name: "debian:12"},
		{Seq: 9, Time: at, Type: event.Volume, Action: event.Create, Name: "data"},
		{Seq: 10, Time: at, Type: event.System, Action: event.Refresh},
	}}}
}

func TestEventsLinesArePodmans(t *testing.T) {
	zone := time.Date(2026, 3, 1, 11, 0, 0, 0, time.Local).Format("-0700 MST")
	at := "2026-03-01 11:00:00.123456789 " + zone
	mustPrint(t, threeEvents(), strings.Join([]string{
		at + " container died " + idDebian + " (image=debian, name=web, exitCode=3, a=2, z=1)",
		at + " image pull " + idNone + " debian:12",
		at + " volume create data",
		at + " system refresh",
		"",
	}, "\n"), "events")
	got := berthWith(t, threeEvents(), nil, "events", "--no-trunc=false", "--filter", "type=container")
	if !strings.Contains(got.out, "container died aaaaaaaaaaaa (") {
		t.Errorf("expected a short ID, got %s", got.out)
	}
}

func TestEventsTemplatesKnowDockersAndPodmansNames(t *testing.T) {
	got := berthWith(t, threeEvents(), nil, "events", "--format",
		"{{.Type}}|{{.Action}}|{{.Status}}|{{.Actor.ID}}|{{.Actor.Attributes.name}}|{{.Actor.Attributes.exitCode}}|{{.From}}|{{.Name}}|{{.Seq}}")
	want := "container|died|died|" + idDebian + "|web|3|debian|web|7"
	if line, _, _ := strings.Cut(got.out, "\n"); line != want {
		t.Errorf("expected %s, got %s%s", want, line, got.err)
	}
}

func TestEventsJSONIsOneDocumentALine(t *testing.T) {
	got := berthWith(t, threeEvents(), nil, "events", "--format", "json")
	lines := strings.Split(strings.TrimSpace(got.out), "\n")
	if len(lines) != 4 {
		t.Fatalf("expected 4 lines, got %q", got.out)
	}
	var first map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil {
		t.Fatal(err)
	}
	if first["ID"] != idDebian || first["Status"] != "died" || first["ContainerExitCode"] != 3.0 || first["Type"] != "container" {
		t.Errorf("got %v", first)
	}
}

func TestEventsFlagsBecomeOptions(t *testing.T) {
	s := threeEvents()
	f := s.System.(*fakeSystem)
	berthWith(t, s, nil, "events")
	if !f.asked.Follow || !f.asked.Since.IsZero() {
		t.Errorf("expected to follow from now on, got %+v", f.asked)
	}
	berthWith(t, s, nil, "events", "--stream=false", "--since", "1h", "--filter", "event=died", "--filter", "event=start")
	want := engine.EventsOptions{Since: testNow.Add(-time.Hour), Filters: map[string][]string{"event": {"died", "start"}}}
	if !reflect.DeepEqual(f.asked, want) {
		t.Errorf("expected %+v, got %+v", want, f.asked)
	}
	berthWith(t, s, nil, "events", "--since", "1h", "--until", "5m")
	if f.asked.Follow {
		t.Error("expected not to follow until a time that has passed")
	}
	berthWith(t, s, nil, "events", "--since", "seq:7", "--until", "seq:9")
	want = engine.EventsOptions{First: 7, Last: 9, Follow: true}
	if !reflect.DeepEqual(f.asked, want) {
		t.Errorf("expected %+v, got %+v", want, f.asked)
	}
	for _, bad := range []string{"seq:", "seq:0", "seq:-1", "seq:1.5", "seq:x", "seq:18446744073709551615"} {
		mustFail(t, s, exitEngine, "seq:N", "events", "--since", bad)
		mustFail(t, s, exitEngine, "--until", "events", "--until", bad)
	}
	mustFail(t, s, exitEngine, "--since", "events", "--since", "yesterday")
	mustFail(t, s, exitEngine, "--format", "events", "--format", "{{.Nope")
}

func someInfo() *services {
	return &services{System: &fakeSystem{info: engine.Info{
		Host: engine.HostInfo{
			Hostname: "h", OS: "linux", Arch: "amd64", Kernel: "6.1.0", CPUs: 2, Uptime: 50 * time.Hour,
			Distribution:  engine.Distribution{ID: "debian", Version: "12", Codename: "bookworm", PrettyName: "Debian GNU/Linux 12"},
			CgroupVersion: 2, CgroupMode: "unified", CgroupControllers: []string{"cpu", "memory"}, CgroupManager: "systemd",
			Seccomp: true, AppArmor: true, LogDriver: "k8s-file", Memory: engine.Memory{Total: 1 << 30},
		},
		Runtimes: []engine.RuntimeInfo{
			{Name: "runc", Path: "/usr/sbin/runc", Version: "1.1.5", Chosen: true, Reason: "the first one that fits this host"},
			{Name: "crun", Path: "/usr/bin/crun", Reason: "it does not run here: no"},
		},
		Store:   engine.StoreInfo{Root: "/r", Containers: 3, Running: 2, Paused: 1, Images: 4, GraphDriver: "overlay"},
		Version: engine.VersionInfo{Version: "1.2.3", OS: "linux", Arch: "amd64"},
	}}}
}

func TestInfoIsYAMLThatSaysWhichRuntimeAndWhy(t *testing.T) {
	got := berthWith(t, someInfo(), nil, "info")
	for _, want := range []string{
		"host:\n  arch: amd64\n",
		"  cgroupControllers:\n  - cpu\n  - memory\n",
		"  ociRuntime:\n    name: runc\n    path: /usr/sbin/runc\n    version: 1.1.5\n    chosen: true\n    reason: the first one that fits this host\n",
		"  - name: crun\n    path: /usr/bin/crun\n    chosen: false\n    reason: \"it does not run here: no\"\n",
		"  uptime: 50h 0m 0.00s (Approximately 2.08 days)\n",
		"store:\n  containerStore:\n    number: 3\n    running: 2\n    paused: 1\n    stopped: 0\n",
		"    Backing Filesystem: \"\"\n",
	} {
		if !strings.Contains(got.out, want) {
			t.Errorf("expected\n%s\nin\n%s%s", want, got.out, got.err)
		}
	}
}

func TestInfoTemplatesKnowDockersAndPodmansNames(t *testing.T) {
	s := someInfo()
	mustPrint(t, s, "runc 3 /r\n", "info", "-f", "{{.Host.OCIRuntime.Name}} {{.Store.ContainerStore.Number}} {{.Store.Root}}")
	mustPrint(t, s, "1.2.3 overlay systemd 2 3 4 linux 2\n", "system", "info", "-f",
		"{{.ServerVersion}} {{.Driver}} {{.CgroupDriver}} {{.CgroupVersion}} {{.Containers}} {{.Images}} {{.OSType}} {{.NCPU}}")
	mustPrint(t, s, "[name=apparmor name=seccomp,profile=builtin]\n", "info", "-f", "{{.SecurityOptions}}")
	mustFail(t, s, exitEngine, "--format", "info", "-f", "{{.NoSuchThing}}")
	got := berthWith(t, s, nil, "info", "--format", "json")
	var doc map[string]map[string]any
	if err := json.Unmarshal([]byte(got.out), &doc); err != nil || doc["host"]["os"] != "linux" {
		t.Errorf("expected a JSON document with host.os, got %v, %s", err, got.out)
	}
}

func TestVersionAnswersForTheServerToo(t *testing.T) {
	v := engine.Build().Version
	mustPrint(t, nil, v+" "+v+"\n", "version", "--format", "{{.Client.Version}} {{.Server.Version}}")
	got := berthWith(t, nil, nil, "version")
	if got.code != 0 || !strings.Contains(got.out, "Version:     "+v+"\n") || !strings.Contains(got.out, "OS/Arch:") {
		t.Errorf("got %+v", got)
	}
	mustPrint(t, nil, "berth version "+v+"\n", "--version")
}

func TestYAMLQuotesWhatWouldBeReadAsSomethingElse(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "two words": "two words", "/a/b": "/a/b", "1.2.3-deb": "1.2.3-deb", "": `""`, "true": `"true"`, "No": `"No"`,
		"12": `"12"`, "1.5": `"1.5"`, "0x1f": `"0x1f"`, "1e5": `"1e5"`, "a: b": `"a: b"`, "a #b": `"a #b"`, "- a": `"- a"`,
		"*x": `"*x"`, "[": `"["`, "é": `"é"`, "end:": `"end:"`, "~": `"~"`, "line\nbreak": `"line\nbreak"`, " lead": `" lead"`,
	} {
		if got := yamlScalar(in); got != want {
			t.Errorf("%q: expected %s, got %s", in, want, got)
		}
	}
}

func TestYAMLNesting(t *testing.T) {
	type inner struct {
		A int      `json:"a"`
		L []string `json:"l"`
	}
	var b strings.Builder
	err := printYAML(&b, struct {
		Empty map[string]int `json:"empty"`
		None  []int          `json:"none"`
		List  []inner        `json:"list"`
		In    inner          `json:"in"`
		Null  *int           `json:"null"`
	}{Empty: map[string]int{}, None: []int{}, List: []inner{{1, []string{"x"}}, {2, nil}}, In: inner{A: 3}})
	want := "empty: {}\nnone: []\nlist:\n- a: 1\n  l:\n  - x\n- a: 2\n  l: null\nin:\n  a: 3\n  l: null\n\"null\": null\n"
	if err != nil || b.String() != want {
		t.Errorf("expected\n%s\ngot %v\n%s", want, err, b.String())
	}
}

func TestSystemDfSumsUp(t *testing.T) {
	s := &services{System: &fakeSystem{usage: engine.DiskUsage{
		Layers: 300_000_000, UnusedLayers: 100_000_000,
		Images: []engine.ImageUsage{
			{ID: idDebian, Names: []string{"docker.io/library/debian:12"}, Created: testNow.Add(-49 * time.Hour), Size: 200_000_000, Shared: 50_000_000, Containers: 1},
			{ID: idNone, Size: 150_000_000},
		},
		Containers: []engine.ContainerUsage{
			{ID: idNone, Name: "web", ImageID: idDebian, Command: []string{"sh", "-c", "something very long"}, Status: container.Running, Size: 10, Created: testNow.Add(-time.Hour)},
			{ID: idDebian, Name: "old", Status: container.Exited, Size: 30},
		},
		Volumes: []engine.VolumeUsage{{Name: "data", Users: 1, Size: 70}},
	}}}
	mustPrint(t, s, strings.Join([]string{
		"TYPE           TOTAL       ACTIVE      SIZE        RECLAIMABLE",
		"Images         2           1           300MB       100MB (33%)",
		"Containers     2           1           40B         30B (75%)",
		"Local Volumes  1           1           70B         0B (0%)",
		"",
	}, "\n"), "system", "df")
	mustPrint(t, s, "Images 2 300000000\nContainers 2 40\nLocal Volumes 1 70\n", "system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.RawSize}}")
	got := berthWith(t, s, nil, "system", "df", "-v")
	for _, want := range []string{
		"Images space usage:\n\nREPOSITORY                ", "docker.io/library/debian  12          aaaaaaaaaaaa  2 days ago  200MB       50MB         150MB        1",
		"Containers space usage:\n\nCONTAINER ID  ", "sh -c something v...", "Local Volumes space usage:\n\nVOLUME NAME  LINKS       SIZE\ndata         1           70B\n",
	} {
		if !strings.Contains(got.out, want) {
			t.Errorf("expected %q in\n%s", want, got.out)
		}
	}
	mustFail(t, s, exitEngine, "exclude each other", "system", "df", "-v", "--format", "{{.Type}}")
}

func TestSystemCheckTellsByExitCode(t *testing.T) {
	f := &fakeSystem{}
	s := &services{System: f}
	mustPrint(t, s, "No problems found.\n", "system", "check")
	f.report.Problems = []engine.Problem{{Object: "volume data", What: "gone", Remedy: "restore it"}, {Object: "container web", What: "half-way", Remedy: "finished", Repaired: true}}
	got := berthWith(t, s, nil, "system", "check", "--repair")
	if want := "volume data: gone; restore it\ncontainer web: half-way (repaired: finished)\n"; got.code != exitFalse || got.out != want || !f.repair {
		t.Errorf("expected exit code 1 and\n%s\ngot %+v", want, got)
	}
	f.report.Problems = f.report.Problems[1:]
	if got := berthWith(t, s, nil, "system", "check", "-q"); got.code != 0 || got.out != "" {
		t.Errorf("expected what was repaired to be no failure, got %+v", got)
	}
}

func TestVolumeCommands(t *testing.T) {
	f := &fakeVolumes{
		list: []volume.Volume{{Name: "data", Driver: "local", Mountpoint: "/v/data", Created: testNow, Labels: map[string]string{"a": "b"}}},
		err:  map[string]error{"used": errdefs.Conflict("volume used is in use"), "gone": errdefs.NotFound("no such volume: gone"), "there": errdefs.AlreadyExists("it exists")},
	}
	s := &services{Volumes: f}
	mustPrint(t, s, "DRIVER      VOLUME NAME\nlocal       data\n", "volume", "ls")
	mustPrint(t, s, "data\n", "volume", "ls", "-q", "--filter", "dangling=true")
	mustPrint(t, s, "data b /v/data\n", "volume", "ls", "--format", `{{.Name}} {{.Label "a"}} {{.Mountpoint}}`)
	mustPrint(t, s, "random\n", "volume", "create", "-l", "x", "-l", "k=v=w", "-o", "size=1g")
	if want := map[string]string{"x": "", "k": "v=w"}; !reflect.DeepEqual(f.made.Labels, want) || f.made.Options["size"] != "1g" {
		t.Errorf("expected labels %v and size=1g, got %+v", want, f.made)
	}
	mustPrint(t, s, "there\n", "volume", "create", "--ignore", "there")
	mustFail(t, s, exitEngine, "exists", "volume", "create", "there")
	mustFail(t, s, exitEngine, "KEY=VALUE", "volume", "create", "-o", "size")
	mustFail(t, s, exitFalse, "no such volume", "volume", "rm", "gone", "data")
	mustFail(t, s, exitConflict, "in use", "volume", "rm", "used")
	mustPrint(t, s, "", "volume", "rm", "-f", "gone")
	mustPrint(t, s, "", "volume", "exists", "data")
	mustFail(t, s, exitFalse, "", "volume", "exists", "gone")
	mustPrint(t, s, "/v/data\n", "volume", "inspect", "-f", "{{.Mountpoint}}", "-a")
	mustPrint(t, s, "a\nb\n", "volume", "prune", "-f", "--filter", "label=a")
	mustFail(t, s, exitEngine, "--force", "volume", "prune")
}

func FuzzYAMLScalar(f *testing.F) {
	for _, s := range []string{"a", "1", "true", "a: b", "é", "\x00", "- "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := yamlScalar(s); strings.Contains(got, "\n") || got == "" {
			t.Errorf("%q: expected one line, got %q", s, got)
		}
	})
}

func TestEveryCommandHasAManPage(t *testing.T) {
	dir := t.TempDir()
	mustPrint(t, nil, "", "manpages", dir)
	for _, name := range []string{"berth", "berth-run", "berth-image-ls", "berth-container-inspect", "berth-system-df"} {
		b, err := os.ReadFile(filepath.Join(dir, name+".1"))
		if err != nil {
			t.Error(err)
			continue
		}
		page := string(b)
		for _, part := range []string{".TH \"", ".SH NAME\n", ".SH SYNOPSIS\n", ".SH DESCRIPTION\n", ".SH OPTIONS\n"} {
			if !strings.Contains(page, part) {
				t.Errorf("%s: expected %q in the page", name, part)
			}
		}
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) < 60 {
		t.Errorf("expected a page for each command, got %d, %v", len(pages), err)
	}
}

func TestRoffKeepsTextFromBeingTakenForRequests(t *testing.T) {
	for in, want := range map[string]string{
		".dot": `\&.dot`, "'quote": `\&'quote`, "a\n.b": "a\n\\&.b", "--x": `\-\-x`, `a\b`: `a\eb`,
	} {
		if got := roff(in); got != want {
			t.Errorf("%q: expected %q, got %q", in, want, got)
		}
	}
}

// TestEveryCommandIsDocumented: help is worth reading only if it is there.
func TestEveryCommandIsDocumented(t *testing.T) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd.Hidden {
			return
		}
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: expected a short description without a full stop, got %q", cmd.CommandPath(), cmd.Short)
		}
		if cmd.HasParent() && !cmd.Parent().HasParent() && cmd.GroupID == "" {
			t.Errorf("%s: it is in no group of the overview", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(&app{}))
}

func TestLocksNameObjectHolderAndTime(t *testing.T) {
	s := &services{System: &fakeSystem{locks: []engine.LockHolder{
		{Type: "container", ID: idDebian, Name: "web", PID: 12, Command: "berth stop web", Since: testNow.Add(-3 * time.Minute)},
		{Type: "container", ID: idDebian, Name: "web", PID: 13, Command: "berth rm web", Waiting: true},
		{Type: "volume", Name: "data", PID: 14, Command: "berth volume rm data", Since: testNow.Add(-time.Hour), Shared: true},
		{PID: 15, Command: "berth run x", Since: testNow.Add(-time.Second)},
	}}}
	mustPrint(t, s, strings.Join([]string{
		"OBJECT         STATE       PID         SINCE              COMMAND",
		"container web  held        12          3 minutes ago      berth stop web",
		"container web  waiting     13                             berth rm web",
		"volume data    shared      14          About an hour ago  berth volume rm data",
		"(unknown)      held        15          1 second ago       berth run x",
		"",
	}, "\n"), "system", "locks")
	mustPrint(t, s, "12 web held\n13 web waiting\n14 data shared\n15  held\n", "system", "locks", "--format", "{{.PID}} {{.Name}} {{.State}}")
}
