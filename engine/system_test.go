package engine

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/host"
	"github.com/berth-engine/berth/ociruntime"
	"github.com/berth-engine/berth/volume"
)

func TestMeminfoIsInUnitsOf1024Bytes(t *testing.T) {
	got := parseMeminfo("MemTotal:       24684096 kB\nMemFree:  1 kB\nMemAvailable: 2 kB\nHugePages_Total:  7\nSwapTotal:  3 kB\nSwapFree: x kB\nMemFree\n")
	want := Memory{Total: 24684096 << 10, Free: 1 << 10, Available: 2 << 10, SwapTotal: 3 << 10}
	if got != want {
		t.Errorf("expected %+v, got %+v", want, got)
	}
}

func TestCPUUseIsInPercentOfAllTime(t *testing.T) {
	for in, want := range map[string]CPUUse{
		"cpu  100 100 200 500 100 0 0 0 50 0\ncpu0 1 2 3 4\n": {User: 20, System: 20, Idle: 50},
		"cpu  1 0 0 2\n":   {User: 33.33, Idle: 66.67},
		"cpu  0 0 0 0 0\n": {},
		"intr 5 5 5 5 5\n": {},
		"":                 {},
	} {
		if got := parseCPUUse(in); got != want {
			t.Errorf("%q: expected %+v, got %+v", in, want, got)
		}
	}
}

func TestUptime(t *testing.T) {
	for in, want := range map[string]time.Duration{"350735.47 234388.90\n": 350735470 * time.Millisecond, "": 0, "x": 0, "-1 0": 0, "NaN 1": 0, "1e300 1": 0} {
		if got := parseUptime(in); got != want {
			t.Errorf("%q: expected %v, got %v", in, want, got)
		}
	}
}

func TestOSReleaseIsReadAsAShellWould(t *testing.T) {
	got := parseOSRelease("# a comment\nPRETTY_NAME=\"A \\\"quoted\\\" \\$name\"\nID=debian\nVERSION_ID='12'\nVERSION_CODENAME=bookworm\nHOME_URL=x\n")
	want := Distribution{ID: "debian", Version: "12", Codename: "bookworm", PrettyName: `A "quoted" $name`}
	if got != want {
		t.Errorf("expected %+v, got %+v", want, got)
	}
}

// FuzzHostFiles: whatever the kernel or a distribution writes there, reading it neither fails nor gives negative numbers.
func FuzzHostFiles(f *testing.F) {
	for _, s := range []string{"MemTotal: 1 kB", "cpu 1 2 3 4 5 6 7 8", "1.5 2", "ID=\"\\", "ID='", "cpu 18446744073709551615 1 1 1 1", "MemTotal: 99999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if m := parseMeminfo(s); m.Total < 0 || m.Free < 0 || m.Available < 0 || m.SwapTotal < 0 || m.SwapFree < 0 {
			t.Errorf("%q: negative memory: %+v", s, m)
		}
		if c := parseCPUUse(s); c.User < 0 || c.System < 0 || c.Idle < 0 || c.Idle > 100 {
			t.Errorf("%q: impossible shares of time: %+v", s, c)
		}
		if d := parseUptime(s); d < 0 {
			t.Errorf("%q: negative uptime %v", s, d)
		}
		parseOSRelease(s)
	})
}

func TestBuildAlwaysHasAVersion(t *testing.T) {
	if b := Build(); b.Version == "" || b.GoVersion == "" || b.OS != "linux" || b.Arch == "" {
		t.Errorf("expected version, Go version, OS and architecture; got %+v", b)
	}
}

func TestInfoTellsOfTheStoreAndTheRuntimes(t *testing.T) {
	e := testEngine(t)
	ctx := context.Background()
	if _, err := e.Volumes.Create(ctx, volume.Volume{Name: "data"}); err != nil {
		t.Fatal(err)
	}
	made, err := e.Containers.Create(ctx, CreateOptions{Image: "hello", Name: "one"})
	if err != nil {
		t.Fatal(err)
	}
	i, err := e.System.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s := i.Store
	if s.Containers != 1 || s.Stopped != 1 || s.Running != 0 || s.Images != 1 || s.Volumes != 1 || s.Events == 0 || s.Allocated < s.Used || s.Used == 0 {
		t.Errorf("expected one container (%s), stopped, one image, one volume, some events and disk use; got %+v", made.ID, s)
	}
	chosen := 0
	for _, r := range i.Runtimes {
		if r.Reason == "" || r.Name == "" {
			t.Errorf("expected a name and a reason, got %+v", r)
		}
		if r.Chosen {
			chosen++
			if r.Path == "" || r.Version == "" {
				t.Errorf("expected the path and the version of the one chosen, got %+v", r)
			}
		}
	}
	if chosen != 1 {
		t.Errorf("expected one OCI runtime to be chosen, got %+v", i.Runtimes)
	}
}

func TestInfoWithAMissingRuntimeSaysSo(t *testing.T) {
	e := testEngine(t, WithRuntime("no-such-runtime"))
	i, err := e.System.Info(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if r := i.Runtimes[0]; r.Chosen || !strings.Contains(r.Reason, "no-such-runtime") {
		t.Errorf("expected it not to be chosen and the reason to name it, got %+v", r)
	}
}

func TestDiskUsageCountsEachLayerOnce(t *testing.T) {
	e := testEngine(t)
	ctx := context.Background()
	unused, err := e.System.DiskUsage(ctx)
	if err != nil || unused.Layers != 0 {
		t.Fatalf("expected nothing in a new store, got %+v, %v", unused, err)
	}
	made, err := e.Containers.Create(ctx, CreateOptions{Image: "hello", Name: "one"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Volumes.Create(ctx, volume.Volume{Name: "data"}); err != nil {
		t.Fatal(err)
	}
	v, err := e.Volumes.Inspect(ctx, "data")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(v.Mountpoint, "f"), make([]byte, 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := e.System.DiskUsage(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got := u.ImagesTotal(); got.Total != 1 || got.Active != 1 || got.Size == 0 || got.Reclaimable != 0 {
		t.Errorf("expected one image in use, nothing to reclaim; got %+v", got)
	}
	if got := u.ContainersTotal(); got.Total != 1 || got.Active != 0 {
		t.Errorf("expected one container that does not run; got %+v", got)
	}
	if got, want := u.VolumesTotal(), (Usage{Total: 1, Size: 5000, Reclaimable: 5000}); got != want {
		t.Errorf("expected %+v, got %+v", want, got)
	}
	if _, err := e.Containers.Remove(ctx, made.ID, RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if u, err = e.System.DiskUsage(ctx); err != nil {
		t.Fatal(err)
	}
	if got := u.ImagesTotal(); got.Active != 0 || got.Reclaimable != got.Size || got.Size == 0 {
		t.Errorf("expected all of the image to be reclaimable; got %+v", got)
	}
}

// brokenEngine makes one of everything that Check looks for and returns the engine's options.
func brokenEngine(t *testing.T) (e *Engine, opts []Option) {
	t.Helper()
	opts = testOptions(t)
	ctx := context.Background()
	e, err := Open(ctx, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	for _, name := range []string{"whole", "lost", "running"} {
		if _, err := e.Containers.Create(ctx, CreateOptions{Image: "hello", Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"data", "gone"} {
		if _, err := e.Volumes.Create(ctx, volume.Volume{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	return e, opts
}

func breakThings(t *testing.T, e *Engine) {
	t.Helper()
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	lost, err := e.lookup(ctx, "lost")
	must(err)
	lost.State.Run, lost.State.Status = 1, container.Exited
	must(e.setState(ctx, lost))
	must(os.MkdirAll(e.paths.container(strings.Repeat("ab", 32)), 0o700))
	must(os.MkdirAll(filepath.Join(e.paths.volumes(), "stray", "_data"), 0o700))
	must(os.RemoveAll(filepath.Join(e.paths.volumes(), "gone")))
	must(os.WriteFile(filepath.Join(e.paths.claims(), strings.Repeat("cd", 32)+verbClaim), nil, 0o600))
	running, err := e.lookup(ctx, "running")
	must(err)
	// As a monitor and its container that were killed leave it.
	running.State.Status, running.State.PID, running.State.PIDStart, running.State.BootID = container.Running, 1<<22-1, 1, e.facts.BootID
	running.State.Run = 1
	must(e.setState(ctx, running))
	must(os.MkdirAll(e.paths.container(running.Config.ID), 0o700))
}

func TestCheckFindsWhatDoesNotFitAndRepairsWhatItMay(t *testing.T) {
	e, opts := brokenEngine(t)
	ctx := context.Background()
	// What a volume leaves behind that was made and removed is no problem either.
	if _, err := e.Volumes.Create(ctx, volume.Volume{Name: "short-lived"}); err != nil {
		t.Fatal(err)
	}
	if err := e.Volumes.Remove(ctx, "short-lived", false); err != nil {
		t.Fatal(err)
	}
	if r, err := Check(ctx, false, opts...); err != nil || len(r.Problems) != 0 {
		t.Fatalf("expected no problem before anything is broken; got %+v, %v", r, err)
	}
	breakThings(t, e)
	want := map[string]bool{ // whether it can be repaired
		"container lost":    false,
		"container running": true,
		"directory " + e.paths.container(strings.Repeat("ab", 32)): true,
		"directory " + filepath.Join(e.paths.volumes(), "stray"):   false,
		"volume gone": false,
		"container " + short(strings.Repeat("cd", 32)): true,
	}
	for _, repair := range []bool{false, true} {
		r, err := Check(ctx, repair, opts...)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for _, p := range r.Problems {
			got[p.Object] = p.Repaired
			if p.What == "" || p.Remedy == "" {
				t.Errorf("expected what is wrong and a remedy, got %+v", p)
			}
		}
		for object, can := range want {
			repaired, found := got[object]
			if !found || repaired != (can && repair) {
				t.Errorf("repair %v, %s: expected to be found, and repaired %v; got found %v, repaired %v", repair, object, can && repair, found, repaired)
			}
		}
		if len(got) != len(want) {
			t.Errorf("repair %v: expected %d problems, got %+v", repair, len(want), r.Problems)
		}
	}
	r, err := Check(ctx, false, opts...)
	if err != nil || len(r.Problems) != 3 {
		t.Errorf("expected the three that cannot be repaired to be left, got %+v, %v", r, err)
	}
	if d, err := e.Containers.Inspect(ctx, "running", false); err != nil || d.Status != container.Exited {
		t.Errorf("expected the dead container's end to be recorded, got %v, %v", d, err)
	}
	if _, err := os.Stat(filepath.Join(e.paths.volumes(), "stray", "_data")); err != nil {
		t.Errorf("expected a volume's contents to be left alone, got %v", err)
	}
}

func TestCheckRebuildsADamagedDatabase(t *testing.T) {
	e, opts := brokenEngine(t)
	path := e.paths.database()
	c, err := e.lookup(context.Background(), "whole")
	if err != nil {
		t.Fatal(err)
	}
	wrote := filepath.Join(e.paths.container(c.Config.ID), "upper", "diary")
	if err := os.MkdirAll(wrote, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	damage(t, path)
	ctx := context.Background()
	r, err := Check(ctx, false, opts...)
	if err != nil || len(r.Problems) != 1 || r.Problems[0].Repaired || !strings.Contains(r.Problems[0].What, "damaged") {
		t.Fatalf("expected the damage to be the one problem; got %+v, %v", r, err)
	}
	r, err = Check(ctx, true, opts...)
	if err != nil || len(r.Problems) == 0 || !r.Problems[0].Repaired {
		t.Fatalf("expected it to be repaired; got %+v, %v", r, err)
	}
	if _, err := os.Stat(wrote); err != nil {
		t.Errorf("expected what a container wrote to outlive the loss of its record, got %v", err)
	}
	again, err := Open(ctx, opts...)
	if err != nil {
		t.Fatalf("expected a database that opens, got %v", err)
	}
	again.Close()
}

func TestCheckLeavesAContainerAloneThatRunsWithoutARecord(t *testing.T) {
	e, opts := brokenEngine(t)
	id := strings.Repeat("ef", 32)
	self, err := host.StartTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	wrote := filepath.Join(e.paths.container(id), "upper", "diary")
	for _, dir := range []string{wrote, e.paths.containerRun(id)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	process := ociruntime.PID{Pid: os.Getpid(), Start: self}
	if err := writeRunRecord(e.paths.containerRun(id), runRecord{Run: 1, PID: process, Monitor: process, Released: true}); err != nil {
		t.Fatal(err)
	}
	r, err := Check(t.Context(), true, opts...)
	if err != nil || len(r.Problems) != 2 {
		t.Fatalf("expected the two directories to be found, got %+v, %v", r, err)
	}
	for _, p := range r.Problems {
		if p.Repaired || !strings.Contains(p.What, strconv.Itoa(os.Getpid())) {
			t.Errorf("expected a directory to be left alone and its process to be named, got %+v", p)
		}
	}
	for _, path := range []string{wrote, filepath.Join(e.paths.containerRun(id), processFile)} {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("expected the files of what runs to be left, got %v", err)
		}
	}
}

// damage overwrites the header of the database's second page on, as a failing disk would.
func damage(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(strings.Repeat("\xff", 64)), 4096); err != nil {
		t.Fatal(err)
	}
	os.Remove(path + "-wal")
	os.Remove(path + "-shm")
}

func TestCheckWantsToSeeAllNamespaces(t *testing.T) {
	_, err := Check(context.Background(), false, append(testOptions(t), WithNamespace("n"))...)
	if errdefs.Class(err) != errdefs.ErrConflict {
		t.Errorf("expected ErrConflict, got %v", err)
	}
}

func TestRuntimesAreDescribedEvenIfNoneFits(t *testing.T) {
	e := testEngine(t)
	e.facts.Cgroups = host.Cgroups{Mode: host.Hybrid, V2Controllers: []string{"pids"}}
	var names []string
	for _, r := range e.describeRuntimes(context.Background()) {
		names = append(names, r.Name)
	}
	if !reflect.DeepEqual(names, []string{"runc", "crun"}) {
		t.Errorf("expected runc and then crun, which does not fit such a host; got %v", names)
	}
}
