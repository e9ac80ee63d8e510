package image

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// pullInChild is what the test binary does when it is started again by startPull.
func pullInChild() {
	s := openChild(os.Getenv("BERTH_TEST_DIR"))
	if _, err := s.Pull(ctx, os.Getenv("BERTH_TEST_PULL"), PullOptions{Access: plain}); err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
}

func openChild(dir string) *Store {
	return Open(Options{Root: filepath.Join(dir, "storage"), RunRoot: filepath.Join(dir, "run"), RegistriesConf: filepath.Join(dir, "registries.conf")})
}

// A program that does not call reexec.Init is told so, instead of being started again and again.
func TestProgramMustBeRestartable(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "BERTH_TEST_NO_INIT="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "engine.Reexecuted") {
		t.Errorf("expected to be told of engine.Reexecuted, got %q, %v", out, err)
	}
}

// helloInChild is the main of a program that does not call reexec.Init.
func helloInChild(dir string) {
	_, err := openChild(dir).Resolve(ctx, "hello")
	if errdefs.Class(err) != errdefs.ErrInternal {
		os.Exit(1)
	}
	os.Stdout.WriteString(err.Error())
}

// startPull pulls in a process of its own, in a process group of its own.
func startPull(t *testing.T, dir, name string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "BERTH_TEST_DIR="+dir, "BERTH_TEST_PULL="+name)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// wait waits for the registry to be asked for the layer that it stalls.
func wait(t *testing.T, reached <-chan struct{}) {
	t.Helper()
	select {
	case <-reached:
	case <-time.After(10 * time.Second):
		t.Fatal("expected the pull to ask for its last layer")
	}
}

func killPull(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
}

func TestKilledPullIsCollectedByTheNextOperation(t *testing.T) {
	reg, dir := newRegistry(t), t.TempDir()
	img := randomImage(t, 3, "amd64")
	name := reg.push(t, "app:v1", img)
	small := reg.push(t, "small:v1", randomImage(t, 1, "amd64"))
	reached := make(chan struct{}, 8)
	reg.stall(t, img, func() { reached <- struct{}{} })
	s := openStore(t, dir)
	cmd := startPull(t, dir, name)
	wait(t, reached)
	waitForLayers(t, s, 2)
	killPull(t, cmd)
	if list, err := s.List(ctx, ListOptions{All: true}); err != nil || len(list) != 0 {
		t.Errorf("expected a killed pull to list nothing, got %v, %v", list, err)
	}
	_, err := s.Resolve(ctx, name)
	wantClass(t, err, errdefs.ErrNotFound)
	reg.intercept = nil
	pullPlain(t, s, small)
	if layers, _ := s.open.Layers(); len(layers) != 1 {
		t.Errorf("expected the other image's layer alone, got %d layers", len(layers))
	}
	wantNoLeftovers(t, s)
}

// waitForLayers waits until a child has recorded n layers.
func waitForLayers(t *testing.T, s *Store, n int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if !s.exists() {
			continue
		}
		st, err := s.storage()
		if err != nil {
			t.Fatal(err)
		}
		if layers, err := st.Layers(); err == nil && len(layers) >= n {
			return
		}
	}
	t.Fatalf("expected %d layers to be recorded before the rest is there", n)
}

func TestKilledPullIsContinued(t *testing.T) {
	reg, dir := newRegistry(t), t.TempDir()
	img := randomImage(t, 3, "amd64")
	name := reg.push(t, "app:v1", img)
	reached := make(chan struct{}, 8)
	reg.stall(t, img, func() { reached <- struct{}{} })
	s := openStore(t, dir)
	cmd := startPull(t, dir, name)
	wait(t, reached)
	waitForLayers(t, s, 2)
	killPull(t, cmd)
	reg.intercept = nil
	reg.forget()
	pullPlain(t, s, name)
	for _, l := range layersOf(t, img)[:2] {
		for _, r := range reg.seen() {
			if r == "GET /v2/app/blobs/"+l {
				t.Errorf("expected layer %s, which was whole, not to be pulled again", l)
			}
		}
	}
	wantNoLeftovers(t, s)
}

func layersOf(t *testing.T, img v1.Image) []string {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	var digests []string
	for _, l := range layers {
		d, err := l.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, d.String())
	}
	return digests
}

// A pull killed at any moment leaves a store that lists nothing broken and in which the pull succeeds afterwards.
func TestPullKilledAnywhere(t *testing.T) {
	reg, dir := newRegistry(t), t.TempDir()
	name := reg.push(t, "app:v1", imageOf(t, "amd64", fileLayer(t, "a", 1<<18), fileLayer(t, "b", 1<<18), fileLayer(t, "c", 1<<18)))
	s := openStore(t, dir)
	for delay := 10 * time.Millisecond; delay < 200*time.Millisecond; delay += 15 * time.Millisecond {
		cmd := startPull(t, dir, name)
		time.Sleep(delay)
		killPull(t, cmd)
		list, err := s.List(ctx, ListOptions{All: true})
		if err != nil {
			t.Fatalf("killed after %v: %v", delay, err)
		}
		for _, img := range list {
			if len(img.Layers) != 3 {
				t.Errorf("killed after %v: expected what is listed to be whole, got %+v", delay, img)
			}
		}
		collectSoon(t, s)
		wantNoLeftovers(t, s)
		if len(list) > 0 {
			if _, err := s.Remove(ctx, []string{list[0].ID}, RemoveOptions{Force: true}); err != nil {
				t.Fatal(err)
			}
		}
	}
	pullPlain(t, s, name)
	wantNoMounts(t, dir)
}

// collectSoon collects until nobody is at work any more: a child that the killed process was just starting may hold its lock
// for a moment.
func collectSoon(t *testing.T, s *Store) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if err := s.Collect(ctx); err != nil {
			t.Fatal(err)
		}
		if entries, _ := os.ReadDir(filepath.Join(s.opts.Root, "berth-tmp")); len(entries) == 0 {
			return
		}
	}
}

// While another process is at work, what it has made so far is not taken for a leftover.
func TestCollectLeavesWorkUnderWayAlone(t *testing.T) {
	reg, dir := newRegistry(t), t.TempDir()
	img := randomImage(t, 3, "amd64")
	name := reg.push(t, "app:v1", img)
	goOn := make(chan struct{})
	reached := make(chan struct{}, 8)
	reg.stall(t, img, func() { reached <- struct{}{}; <-goOn })
	s := openStore(t, dir)
	cmd := startPull(t, dir, name)
	wait(t, reached)
	waitForLayers(t, s, 2)
	if err := s.Collect(ctx); err != nil {
		t.Fatal(err)
	}
	if layers, _ := s.open.Layers(); len(layers) < 2 {
		t.Errorf("expected the layers of the pull under way to stay, got %d", len(layers))
	}
	if entries, _ := os.ReadDir(filepath.Join(s.opts.Root, "berth-tmp")); len(entries) == 0 {
		t.Error("expected the temporary directory of the pull under way to stay")
	}
	close(goOn)
	killPull(t, cmd)
}

// An image record whose data never came is not listed, not found, and goes with the next operation.
func TestRecordWithoutDataIsNoImage(t *testing.T) {
	s := newStore(t)
	if _, err := s.Resolve(ctx, "hello"); err != nil {
		t.Fatal(err)
	}
	rec, err := s.open.CreateImage("", []string{"localhost/half:latest"}, "", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := s.List(ctx, ListOptions{All: true}); err != nil || len(list) != 1 {
		t.Errorf("expected hello alone, got %v, %v", list, err)
	}
	_, err = s.Resolve(ctx, "half")
	wantClass(t, err, errdefs.ErrNotFound)
	if err := s.Collect(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.open.Image(rec.ID); err == nil {
		t.Error("expected the record to be gone")
	}
}

// Every layer is synced before it is recorded (invariant I7), whatever storage.conf says.
func TestLayersAreSyncedBeforeTheyAreListed(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "storage.conf")
	write(t, conf, "[storage]\ndriver=\"overlay\"\n[storage.options.overlay]\nsync=\"none\"\n")
	t.Setenv("CONTAINERS_STORAGE_CONF", conf)
	for _, driver := range []string{"overlay", "vfs"} {
		s := newStore(t)
		s.opts.Driver = driver
		if _, err := s.Resolve(ctx, "hello"); err != nil {
			t.Fatal(err)
		}
		d, err := s.open.GraphDriver()
		if err != nil || d.String() != driver || d.SyncMode().String() != "filesystem" {
			t.Errorf("expected %s to sync the file system, got %s, %v, %v", driver, d, d.SyncMode(), err)
		}
	}
}

// What the driver tries out after a boot, it tries out apart; the process that opens the store mounts and forks nothing.
func TestKernelIsTriedOutInNamespacesOfItsOwn(t *testing.T) {
	s := newStore(t)
	if err := s.probing(); err != nil {
		t.Fatal(err)
	}
	answers, err := filepath.Glob(filepath.Join(s.opts.RunRoot, "overlay", "*"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Resolve(ctx, "hello"); err != nil {
		t.Fatal(err)
	}
	load(t, s, randomImage(t, 2, "amd64"), "example.com/a:1")
	after, err := filepath.Glob(filepath.Join(s.opts.RunRoot, "overlay", "*"))
	if err != nil || len(answers) < 3 || !slices.Equal(answers, after) {
		t.Errorf("expected every question to be answered beforehand, %v, got %v, %v", answers, after, err)
	}
	if _, err := os.Stat(filepath.Join(s.opts.RunRoot, "berth-probed")); err != nil {
		t.Errorf("expected it to be noted, got %v", err)
	}
}

func TestStoreMountsNothing(t *testing.T) {
	s := newStore(t)
	if _, err := s.Resolve(ctx, "hello"); err != nil {
		t.Fatal(err)
	}
	wantNoMounts(t, s.opts.Root)
	var st unix.Stat_t
	if err := unix.Stat(s.opts.Root, &st); err != nil || st.Mode&0o777 != 0o700 {
		t.Errorf("expected mode 0700 of the root, got %o, %v", st.Mode, err)
	}
}

func wantNoMounts(t *testing.T, dir string) {
	t.Helper()
	found, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range found {
		t.Errorf("expected nothing mounted, got %s", m.Mountpoint)
	}
}
