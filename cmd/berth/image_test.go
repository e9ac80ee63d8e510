package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/image"
)

const (
	idDebian = "aaaaaaaaaaaabbbbbbbbbbbbccccccccccccddddddddddddeeeeeeeeeeee0123"
	idNone   = "1111111111112222222222223333333333334444444444445555555555556789"
)

// twoImages are one with two names and one without.
func twoImages() *fakeImages {
	return &fakeImages{list: []image.Image{
		{
			ID: idDebian, Names: []string{"docker.io/library/debian:12", "registry.example.com:5000/base:1"},
			RepoDigests: []string{"docker.io/library/debian@sha256:77"}, Digest: "sha256:77",
			Created: testNow.Add(-49 * time.Hour), Size: 124_000_000, SharedSize: -1,
			Labels: map[string]string{"tier": "base"}, Config: v1.Image{Platform: v1.Platform{OS: "linux", Architecture: "amd64"}},
		},
		{ID: idNone, Created: testNow.Add(-time.Hour), Size: 4_210_000, Dangling: true, SharedSize: -1},
	}}
}

func servicesOf(f *fakeImages) *services {
	return &services{Images: f, Containers: &fakeLister{list: []engine.Summary{}}}
}

func TestImagesPrintsARowForEachNameNewestFirst(t *testing.T) {
	mustPrint(t, servicesOf(twoImages()), strings.Join([]string{
		"REPOSITORY                      TAG         IMAGE ID      CREATED            SIZE",
		"<none>                          <none>      111111111111  About an hour ago  4.21MB",
		"docker.io/library/debian        12          aaaaaaaaaaaa  2 days ago         124MB",
		"registry.example.com:5000/base  1           aaaaaaaaaaaa  2 days ago         124MB",
		"",
	}, "\n"), "images")
}

func TestImagesQuietPrintsEachIDOnce(t *testing.T) {
	mustPrint(t, servicesOf(twoImages()), "111111111111\naaaaaaaaaaaa\n", "images", "-q")
	mustPrint(t, servicesOf(twoImages()), "sha256:"+idNone+"\nsha256:"+idDebian+"\n", "image", "ls", "-q", "--no-trunc")
}

func TestImagesTemplatesKnowDockersAndPodmansNames(t *testing.T) {
	s := servicesOf(twoImages())
	mustPrint(t, s, "<none>:<none> 4.21MB\ndocker.io/library/debian:12 124MB\nregistry.example.com:5000/base:1 124MB\n",
		"images", "--format", "{{.Repository}}:{{.Tag}} {{.Size}}")
	mustPrint(t, s, "REPOSITORY                      TAG\n<none>                          <none>\ndocker.io/library/debian        12\nregistry.example.com:5000/base  1\n",
		"images", "--format", `table {{.Repository}}\t{{.Tag}}`)
}

func TestImagesSorts(t *testing.T) {
	s := servicesOf(twoImages())
	for by, want := range map[string]string{
		"id":         "<none>\n12\n1\n",
		"repository": "<none>\n12\n1\n",
		"size":       "12\n1\n<none>\n",
		"tag":        "1\n12\n<none>\n",
	} {
		mustPrint(t, s, want, "images", "--sort", by, "--format", "{{.Tag}}")
	}
	mustFail(t, s, exitEngine, "choose created, id", "images", "--sort", "colour")
}

func TestImagesJSONIsPodmansArray(t *testing.T) {
	f := twoImages()
	s := servicesOf(f)
	sum := engine.Summary{Container: new(container.Container)}
	sum.Config.Image.ID = idDebian
	s.Containers = &fakeLister{list: []engine.Summary{sum, sum}}
	got := berthWith(t, s, nil, "images", "--format", "json")
	var rows []map[string]any
	if err := json.Unmarshal([]byte(got.out), &rows); err != nil {
		t.Fatalf("not a JSON array: %v\n%s", err, got.out)
	}
	if len(rows) != 2 {
		t.Fatalf("expected one element for each image, 2; got %d", len(rows))
	}
	for key, want := range map[string]any{
		"Id": idDebian, "Size": 124e6, "Containers": 2.0, "Created": float64(testNow.Add(-49 * time.Hour).Unix()),
		"RepoTags": []any{"docker.io/library/debian:12", "registry.example.com:5000/base:1"}, "Digest": "sha256:77",
	} {
		if !reflect.DeepEqual(rows[0][key], want) {
			t.Errorf("%s: expected %v, got %v", key, want, rows[0][key])
		}
	}
}

func TestImagesArgumentIsAReferenceFilter(t *testing.T) {
	f := twoImages()
	berthWith(t, servicesOf(f), nil, "images", "-a", "--filter", "label=tier=base", "debian")
	want := image.ListOptions{All: true, Filters: map[string][]string{"reference": {"debian"}, "label": {"tier=base"}}}
	if !reflect.DeepEqual(f.lists, want) {
		t.Errorf("expected the engine to be asked for %+v, got %+v", want, f.lists)
	}
}

func TestPullPrintsIDsAndGoesOnAfterAFailure(t *testing.T) {
	f := &fakeImages{err: map[string]error{"nope": errdefs.NotFound("no such image: nope")}}
	got := berthWith(t, servicesOf(f), nil, "pull", "-q", "--tls-verify=false", "--creds", "me:se:cret", "--arch", "arm64", "a", "nope", "b")
	if got.out != "id-of-a\nid-of-b\n" || got.code != exitEngine || !strings.Contains(got.err, "no such image: nope") {
		t.Errorf("expected both others pulled and exit code 125; got %+v", got)
	}
	if f.pull.Username != "me" || f.pull.Password != "se:cret" || f.pull.TLSVerify == nil || *f.pull.TLSVerify {
		t.Errorf("expected the credentials and no TLS check; got %+v", f.pull.Access)
	}
	if f.pull.Platform != "linux/arm64" || f.pull.Policy != image.PullAlways || f.pull.Progress != nil {
		t.Errorf("expected linux/arm64, always and no progress; got %+v", f.pull)
	}
	mustFail(t, servicesOf(f), exitEngine, "exclude each other", "pull", "--platform", "linux/386", "--arch", "arm64", "a")
}

func TestTLSVerifyIsTheConfigurationsUnlessGiven(t *testing.T) {
	f := &fakeImages{}
	berthWith(t, servicesOf(f), nil, "pull", "a")
	if f.pull.TLSVerify != nil {
		t.Errorf("expected nothing to be said of TLS without --tls-verify; got %v", *f.pull.TLSVerify)
	}
}

func TestHistoryColumns(t *testing.T) {
	f := &fakeImages{history: []image.HistoryEntry{
		{ID: idDebian, Created: testNow.Add(-49 * time.Hour), CreatedBy: "/bin/sh -c #(nop)  CMD [\"bash\"] and then something long", Comment: "c"},
		{ID: "<missing>", Created: testNow.Add(-49 * time.Hour), CreatedBy: "ADD file", Size: 124_000_000},
	}}
	s := servicesOf(f)
	mustPrint(t, s, strings.Join([]string{
		"ID            CREATED     CREATED BY                                     SIZE        COMMENT",
		"aaaaaaaaaaaa  2 days ago  /bin/sh -c #(nop) CMD [\"bash\"] and then some…  0B          c",
		"<missing>     2 days ago  ADD file                                       124MB       ",
		"",
	}, "\n"), "history", "debian")
	mustPrint(t, s, "aaaaaaaaaaaa 0\n<missing> 124000000\n", "history", "--human=false", "--format", "{{.ID}} {{.Size}}", "debian")
}

func TestSaveRefusesATerminal(t *testing.T) {
	_, terminal := terminalPair(t)
	f := &fakeImages{}
	var errs bytes.Buffer
	a := &app{in: strings.NewReader(""), out: terminal, err: &errs, now: time.Now,
		open: func(context.Context, settings, *slog.Logger) (*services, error) { return servicesOf(f), nil }}
	if code := a.run(context.Background(), []string{"save", "debian"}); code != exitEngine || !strings.Contains(errs.String(), "terminal") {
		t.Errorf("expected exit code 125 and a message about the terminal; got %d, %q", code, errs.String())
	}
	if len(f.called) != 0 {
		t.Errorf("expected nothing to be saved, got %v", f.called)
	}
}

func TestSaveChecksItsFlagsBeforeAnything(t *testing.T) {
	for what, args := range map[string][]string{
		"takes one image":  {"save", "--format", "oci-archive", "a", "b"},
		"needs a director": {"save", "--format", "oci-dir", "a"},
		"choose docker":    {"save", "--format", "zip", "a"},
		"docker-dir alone": {"save", "--compress", "a"},
	} {
		f := &fakeImages{}
		mustFail(t, servicesOf(f), exitEngine, what, args...)
		if len(f.called) > 0 {
			t.Errorf("%v: expected nothing to be called, got %v", args, f.called)
		}
	}
	f := &fakeImages{}
	mustPrint(t, servicesOf(f), "archive", "save", "-q", "a", "b")
}

func TestLoadReadsStandardInputButNoTerminal(t *testing.T) {
	f := &fakeImages{}
	got := berthWith(t, servicesOf(f), strings.NewReader("tar"), "load", "-q")
	want := "Loaded image: localhost/a:1\nLoaded image: localhost/b:2\nLoaded image: sha256:def\n"
	if got.out != want || f.input != "tar" {
		t.Errorf("expected %q from input %q; got %q from %q", want, "tar", got.out, f.input)
	}
	_, terminal := terminalPair(t)
	if got := berthWith(t, servicesOf(f), terminal, "load"); got.code != exitEngine || !strings.Contains(got.err, "terminal") {
		t.Errorf("expected a terminal to be refused; got %+v", got)
	}
}

func TestImportPassesWhatItWasGiven(t *testing.T) {
	f := &fakeImages{}
	got := berthWith(t, servicesOf(f), strings.NewReader("rootfs"), "import", "-q", "-m", "why", "-c", "CMD x", "-", "mine:1")
	if got.out != "sha256:abc\n" || f.input != "rootfs" {
		t.Errorf("expected the ID and the input read; got %+v, input %q", got, f.input)
	}
	if f.imp.Reference != "mine:1" || f.imp.Message != "why" || !reflect.DeepEqual(f.imp.Changes, []string{"CMD x"}) {
		t.Errorf("expected reference, message and change; got %+v", f.imp)
	}
}

func TestRmiExitCodes(t *testing.T) {
	f := &fakeImages{err: map[string]error{
		"gone": errdefs.NotFound("no such image: gone"), "used": errdefs.Conflict("image used is in use"),
		"bad": errdefs.Internal("disk"),
	}}
	s := servicesOf(f)
	mustPrint(t, s, "Untagged: a\nDeleted: id-of-a\n", "rmi", "a")
	mustFail(t, s, exitFalse, "no such image", "rmi", "gone", "a")
	mustFail(t, s, exitConflict, "in use", "rmi", "gone", "used")
	mustFail(t, s, exitEngine, "disk", "image", "rm", "used", "bad")
	mustPrint(t, s, "", "rmi", "-i", "gone")
	mustPrint(t, s, "", "rmi", "-f", "gone")
	mustFail(t, s, exitEngine, "name images or give --all", "rmi")
	mustFail(t, s, exitEngine, "one of the two", "rmi", "-a", "a")
}

func TestRmiAllTakesEveryNameAndForceTheImages(t *testing.T) {
	f := twoImages()
	berthWith(t, servicesOf(f), nil, "rmi", "-a")
	want := []string{"remove docker.io/library/debian:12", "remove registry.example.com:5000/base:1", "remove " + idNone}
	if !reflect.DeepEqual(f.called, want) {
		t.Errorf("expected %v, got %v", want, f.called)
	}
	f = twoImages()
	berthWith(t, servicesOf(f), nil, "rmi", "-af")
	if want := []string{"remove " + idDebian, "remove " + idNone}; !reflect.DeepEqual(f.called, want) {
		t.Errorf("expected %v, got %v", want, f.called)
	}
}

func TestImagePruneAsksFirst(t *testing.T) {
	f := &fakeImages{}
	s := servicesOf(f)
	if got := berthWith(t, s, strings.NewReader("n\n"), "image", "prune"); len(f.called) != 0 || got.code != 0 {
		t.Errorf("expected a no to end it; got %+v, calls %v", got, f.called)
	}
	if got := berthWith(t, s, strings.NewReader(""), "image", "prune"); len(f.called) != 0 || got.code != exitEngine {
		t.Errorf("expected the end of input to be an error; got %+v, calls %v", got, f.called)
	}
	if got := berthWith(t, s, strings.NewReader("y\n"), "image", "prune", "-a", "--filter", "until=24h"); !strings.HasSuffix(got.out, "a\nb\n") || !f.prune.All {
		t.Errorf("expected the IDs; got %+v, options %+v", got, f.prune)
	}
}

func TestImageExistsTellsByExitCode(t *testing.T) {
	s := servicesOf(twoImages())
	mustPrint(t, s, "", "image", "exists", idDebian)
	mustFail(t, s, exitFalse, "", "image", "exists", "nope")
}

func TestImageInspectIsOneDocumentForEach(t *testing.T) {
	s := servicesOf(twoImages())
	mustPrint(t, s, "linux/amd64 124000000\n", "image", "inspect", "-f", "{{.Os}}/{{.Architecture}} {{.Size}}", idDebian)
	got := berthWith(t, s, nil, "image", "inspect", idDebian, "nope")
	var docs []map[string]any
	if err := json.Unmarshal([]byte(got.out), &docs); err != nil || len(docs) != 1 || docs[0]["Id"] != idDebian {
		t.Errorf("expected the document of the one that is there; got %v, %s", err, got.out)
	}
	if got.code != exitEngine || !strings.Contains(got.err, "nope") {
		t.Errorf("expected an error for the other; got %d %q", got.code, got.err)
	}
}

func TestLoginTakesThePasswordFromStandardInput(t *testing.T) {
	f := &fakeImages{}
	got := berthWith(t, servicesOf(f), strings.NewReader("se cret\n"), "login", "-u", "me", "--password-stdin", "https://registry.example.com/")
	if got.out != "Login Succeeded!\n" || f.login.Username != "me" || f.login.Password != "se cret" || f.login.Registry != "registry.example.com" {
		t.Errorf("got %+v with %+v", got, f.login)
	}
	s := servicesOf(f)
	mustFail(t, s, exitEngine, "needs --username", "login", "--password-stdin")
	mustFail(t, s, exitEngine, "not a terminal", "login")
	mustFail(t, s, exitEngine, "not a terminal", "login", "-u", "me")
	mustFail(t, s, exitEngine, "is empty", "login", "-u", "me", "--password-stdin")
	mustPrint(t, s, "somebody\n", "login", "--get-login")
}

func TestLoginDoesNotShowThePassword(t *testing.T) {
	master, terminal := terminalPair(t)
	f := &fakeImages{}
	var errs bytes.Buffer
	a := &app{in: terminal, out: io.Discard, err: &errs, now: time.Now,
		open: func(context.Context, settings, *slog.Logger) (*services, error) { return servicesOf(f), nil }}
	done := make(chan int)
	go func() { done <- a.run(context.Background(), []string{"login", "-u", "me"}) }()
	// What is typed before the echo is off would show: wait for that.
	waitForNoEcho(t, terminal)
	if _, err := master.WriteString("secret\n"); err != nil {
		t.Fatal(err)
	}
	if code := <-done; code != 0 || f.login.Password != "secret" {
		t.Fatalf("expected to log in with what was typed; got exit code %d, %q, %s", code, f.login.Password, errs.String())
	}
	shown := make([]byte, 100)
	terminal.Close()
	n, _ := master.Read(shown)
	if bytes.Contains(shown[:n], []byte("secret")) {
		t.Errorf("the terminal showed the password: %q", shown[:n])
	}
}

func TestPushPassesOnlyWhatWasAsked(t *testing.T) {
	f := &fakeImages{}
	mustPrint(t, servicesOf(f), "", "push", "-q", "--compression-format", "zstd", "--compression-level", "3", "a", "b")
	if f.push.Level == nil || *f.push.Level != 3 || f.push.Compression != "zstd" || f.called[0] != "push a b" {
		t.Errorf("got %+v, %v", f.push, f.called)
	}
	mustPrint(t, servicesOf(f), "", "push", "-q", "a")
	if f.push.Level != nil {
		t.Errorf("expected no level without the flag, got %d", *f.push.Level)
	}
}

func TestCompletionOfflineScriptsAndNames(t *testing.T) {
	s := servicesOf(twoImages())
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if got := berthWith(t, s, nil, "completion", shell); got.code != 0 || !strings.Contains(got.out, "berth") || len(got.out) < 1000 {
			t.Errorf("%s: expected a script, got exit code %d, %d bytes", shell, got.code, len(got.out))
		}
	}
	got := berthWith(t, s, nil, "__complete", "rmi", "deb")
	if !strings.HasPrefix(got.out, "debian:12\n") {
		t.Errorf("expected the name to be completed, got %q", got.out)
	}
	path := t.TempDir() + "/script"
	mustPrint(t, s, "", "completion", "-f", path, "bash")
	if b, err := os.ReadFile(path); err != nil || len(b) < 1000 {
		t.Errorf("expected the script in the file, got %d bytes, %v", len(b), err)
	}
	mustFail(t, s, exitEngine, "choose bash, zsh or fish", "completion", "csh")
}
