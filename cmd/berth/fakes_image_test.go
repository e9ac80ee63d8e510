package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/image"
	"github.com/berth-engine/berth/volume"
)

// testNow is the clock of these tests.
var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fakeImages is an image store in memory that remembers what it was asked for.
type fakeImages struct {
	images
	list    []image.Image
	history []image.HistoryEntry
	err     map[string]error // by reference
	called  []string

	pull  image.PullOptions
	push  image.PushOptions
	load  image.LoadOptions
	save  image.SaveOptions
	imp   image.ImportOptions
	login image.LoginOptions
	prune image.PruneOptions
	lists image.ListOptions
	input string
}

func (f *fakeImages) note(call string, args ...string) error {
	f.called = append(f.called, strings.Join(append([]string{call}, args...), " "))
	for _, a := range args {
		if err := f.err[a]; err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeImages) Pull(_ context.Context, ref string, o image.PullOptions) ([]string, error) {
	f.pull = o
	if err := f.note("pull", ref); err != nil {
		return nil, err
	}
	return []string{"id-of-" + ref}, nil
}

func (f *fakeImages) Push(_ context.Context, ref, destination string, o image.PushOptions) (string, error) {
	f.push = o
	return "sha256:0", f.note("push", ref, destination)
}

func (f *fakeImages) Load(_ context.Context, r io.Reader, o image.LoadOptions) ([]image.Loaded, error) {
	f.load = o
	if r != nil {
		b, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		f.input = string(b)
	}
	return []image.Loaded{{ID: "abc", Names: []string{"localhost/a:1", "localhost/b:2"}}, {ID: "def"}}, f.note("load", o.Path)
}

func (f *fakeImages) Save(_ context.Context, refs []string, o image.SaveOptions) error {
	f.save = o
	if o.Output != nil {
		io.WriteString(o.Output, "archive")
	}
	return f.note("save", refs...)
}

func (f *fakeImages) Import(_ context.Context, source string, o image.ImportOptions) (string, error) {
	f.imp = o
	if o.Input != nil {
		b, _ := io.ReadAll(o.Input)
		f.input = string(b)
	}
	return "abc", f.note("import", source)
}

func (f *fakeImages) List(_ context.Context, o image.ListOptions) ([]image.Image, error) {
	f.lists = o
	return f.list, nil
}

func (f *fakeImages) Inspect(_ context.Context, ref string) (*image.Image, error) {
	for i := range f.list {
		if f.list[i].ID == ref || len(f.list[i].Names) > 0 && f.list[i].Names[0] == ref {
			return &f.list[i], nil
		}
	}
	return nil, errdefs.NotFound("no such image: %s", ref)
}

func (f *fakeImages) Exists(ctx context.Context, ref string) (bool, error) {
	_, err := f.Inspect(ctx, ref)
	return err == nil, nil
}

func (f *fakeImages) History(_ context.Context, ref string) ([]image.HistoryEntry, error) {
	return f.history, f.note("history", ref)
}

func (f *fakeImages) Tag(_ context.Context, ref string, names []string) error {
	return f.note("tag", append([]string{ref}, names...)...)
}

func (f *fakeImages) Untag(_ context.Context, ref string, names []string) error {
	return f.note("untag", append([]string{ref}, names...)...)
}

func (f *fakeImages) Remove(_ context.Context, refs []string, o image.RemoveOptions) ([]image.RemoveReport, error) {
	if err := f.note("remove", refs...); err != nil {
		return nil, err
	}
	return []image.RemoveReport{{ID: "id", Untagged: refs, Deleted: []string{"id-of-" + refs[0]}}}, nil
}

func (f *fakeImages) Prune(_ context.Context, o image.PruneOptions) ([]image.RemoveReport, error) {
	f.prune = o
	return []image.RemoveReport{{ID: "a", Deleted: []string{"a", "b"}}}, f.note("prune")
}

func (f *fakeImages) Login(_ context.Context, o image.LoginOptions) error {
	f.login = o
	return f.note("login", o.Registry)
}

func (f *fakeImages) LoggedIn(_ context.Context, o image.LoginOptions) (string, error) {
	return "somebody", f.note("loggedin", o.Registry)
}

func (f *fakeImages) Logout(_ context.Context, o image.LogoutOptions) error {
	return f.note("logout", o.Registry)
}

// fakeVolumes keeps volumes in memory.
type fakeVolumes struct {
	list    []volume.Volume
	made    volume.Volume
	removed []string
	err     map[string]error
	filters map[string][]string
}

func (f *fakeVolumes) Create(_ context.Context, v volume.Volume) (*volume.Volume, error) {
	f.made = v
	if err := f.err[v.Name]; err != nil {
		return nil, err
	}
	if v.Name == "" {
		v.Name = "random"
	}
	return &v, nil
}

func (f *fakeVolumes) List(_ context.Context, filters map[string][]string) ([]volume.Volume, error) {
	f.filters = filters
	return f.list, nil
}

func (f *fakeVolumes) Inspect(_ context.Context, name string) (*volume.Volume, error) {
	for i := range f.list {
		if f.list[i].Name == name {
			return &f.list[i], nil
		}
	}
	return nil, errdefs.NotFound("no such volume: %s", name)
}

func (f *fakeVolumes) Remove(_ context.Context, name string, force bool) error {
	if err := f.err[name]; err != nil {
		return err
	}
	f.removed = append(f.removed, name)
	return nil
}

func (f *fakeVolumes) Prune(_ context.Context, filters map[string][]string) ([]string, error) {
	f.filters = filters
	return []string{"b", "a"}, nil
}

// fakeSystem answers with fixed facts.
type fakeSystem struct {
	info   engine.Info
	usage  engine.DiskUsage
	report engine.CheckReport
	events []event.Event
	asked  engine.EventsOptions
	repair bool
	locks  []engine.LockHolder

	migration engine.MigrateReport
}

func (f *fakeSystem) Locks(context.Context) ([]engine.LockHolder, error) { return f.locks, nil }

func (f *fakeSystem) Info(context.Context) (*engine.Info, error)           { return &f.info, nil }
func (f *fakeSystem) DiskUsage(context.Context) (*engine.DiskUsage, error) { return &f.usage, nil }

func (f *fakeSystem) Events(_ context.Context, o engine.EventsOptions, fn engine.EventFunc) error {
	f.asked = o
	for _, ev := range f.events {
		if err := fn(ev); err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeSystem) check(_ context.Context, _ settings, _ *slog.Logger, repair bool) (*engine.CheckReport, error) {
	f.repair = repair
	return &f.report, nil
}

// migrate says that there was a database of the other kind.
func (f *fakeSystem) migrate(_ context.Context, s settings, _ *slog.Logger) (*engine.MigrateReport, error) {
	f.migration.Backend = s.DatabaseBackend
	return &f.migration, nil
}

// fakeLister lists containers and does nothing else.
type fakeLister struct {
	containers
	list []engine.Summary
}

func (f *fakeLister) List(context.Context, engine.ListOptions) ([]engine.Summary, error) {
	return f.list, nil
}

// result is what one command line did.
type result struct {
	code     int
	out, err string
}

// berthWith runs a command line against fakes.
func berthWith(t *testing.T, s *services, stdin io.Reader, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	a := &app{
		in: stdin, out: &out, err: &errs, now: func() time.Time { return testNow }, args: append([]string{"berth"}, args...),
		open: func(context.Context, settings, *slog.Logger) (*services, error) { return s, nil },
	}
	if s != nil {
		if f, ok := s.System.(*fakeSystem); ok {
			a.check, a.migrate = f.check, f.migrate
		}
	}
	code := a.run(context.Background(), args)
	return result{code: code, out: out.String(), err: errs.String()}
}

// mustPrint runs a command line that must succeed and print exactly want.
func mustPrint(t *testing.T, s *services, want string, args ...string) {
	t.Helper()
	got := berthWith(t, s, strings.NewReader(""), args...)
	if got.code != 0 || got.out != want {
		t.Errorf("berth %s\nexpected: exit code 0 and\n%s\ngot: exit code %d and\n%s%s", strings.Join(args, " "), want, got.code, got.out, got.err)
	}
}

// mustFail runs a command line that must end with the code and say what.
func mustFail(t *testing.T, s *services, code int, what string, args ...string) {
	t.Helper()
	got := berthWith(t, s, strings.NewReader(""), args...)
	if got.code != code || !strings.Contains(got.err, what) {
		t.Errorf("berth %s\nexpected: exit code %d and a message with %q\ngot: exit code %d and\n%s", strings.Join(args, " "), code, what, got.code, got.err)
	}
}

// terminalPair opens a pseudo-terminal and returns both ends.
func terminalPair(t *testing.T) (master, terminal *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(filepath.Join("/dev/pts", strconv.Itoa(n)), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return master, terminal
}

// waitForNoEcho returns when the terminal has stopped to show what is typed.
func waitForNoEcho(t *testing.T, terminal *os.File) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		mode, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		if mode.Lflag&unix.ECHO == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the terminal still echoes")
		}
		time.Sleep(time.Millisecond)
	}
}
