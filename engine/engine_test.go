package engine

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/host"
	"github.com/berth-engine/berth/image"
	"github.com/berth-engine/berth/internal/config"
)

func TestDetachKeysAreFoundAcrossReadsAndNothingElseIsSwallowed(t *testing.T) {
	for _, c := range []struct {
		name  string
		reads []string
		want  string
		leave bool
	}{
		{"no keys", []string{"abc"}, "abc", false},
		{"in one read", []string{"ab\x10\x11"}, "ab", true},
		{"in two reads", []string{"ab\x10", "\x11cd"}, "ab", true},
		{"a beginning only", []string{"\x10x"}, "\x10x", false},
		{"a beginning twice", []string{"\x10\x10\x11"}, "\x10", true},
		{"a beginning at the end", []string{"a\x10"}, "a", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDetacher("ctrl-p,ctrl-q")
			var got []byte
			leave := false
			for _, r := range c.reads {
				data, l := d.filter([]byte(r))
				got = append(got, data...)
				if leave = l; leave {
					break
				}
			}
			if string(got) != c.want || leave != c.leave {
				t.Errorf("passed on %q, leave %v; want %q, %v", got, leave, c.want, c.leave)
			}
		})
	}
}

func TestWithoutDetachKeysAllInputIsPassedOn(t *testing.T) {
	d := newDetacher("")
	data, leave := d.filter([]byte("\x10\x11"))
	if string(data) != "\x10\x11" || leave {
		t.Errorf("passed on %q, leave %v; want all of it", data, leave)
	}
}

func TestRestartPolicyDecidesByExitAndByWhoStoppedIt(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy container.RestartPolicy
		state  container.State
		want   bool
	}{
		{"no policy", container.RestartPolicy{}, container.State{ExitCode: 1}, false},
		{"no", container.RestartPolicy{Name: "no"}, container.State{ExitCode: 1}, false},
		{"always after success", container.RestartPolicy{Name: "always"}, container.State{}, true},
		{"always after a stop", container.RestartPolicy{Name: "always"}, container.State{StoppedByUser: true}, false},
		{"unless-stopped", container.RestartPolicy{Name: "unless-stopped"}, container.State{ExitCode: 137}, true},
		{"on-failure after success", container.RestartPolicy{Name: "on-failure"}, container.State{}, false},
		{"on-failure", container.RestartPolicy{Name: "on-failure"}, container.State{ExitCode: 3, Restarts: 99}, true},
		{"on-failure within its bound", container.RestartPolicy{Name: "on-failure", MaxRetries: 2}, container.State{ExitCode: 3, Restarts: 1}, true},
		{"on-failure at its bound", container.RestartPolicy{Name: "on-failure", MaxRetries: 2}, container.State{ExitCode: 3, Restarts: 2}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := wantsRestart(&container.Container{Config: container.Config{Restart: c.policy}, State: c.state})
			if got != c.want {
				t.Errorf("restart: %v, want %v", got, c.want)
			}
		})
	}
}

func TestRestartDelayDoublesToAMinuteAndBeginsAnewAfterASteadyRun(t *testing.T) {
	start := time.Unix(1000, 0)
	for _, c := range []struct {
		restarts uint
		up       time.Duration
		want     time.Duration
	}{
		{0, time.Second, 100 * time.Millisecond},
		{1, time.Second, 200 * time.Millisecond},
		{5, time.Second, 3200 * time.Millisecond},
		{10, time.Second, time.Minute},
		{1 << 30, time.Second, time.Minute},
		{9, 10 * time.Second, 100 * time.Millisecond},
	} {
		got := restartDelay(container.State{Restarts: c.restarts, Started: start, Finished: start.Add(c.up)})
		if got != c.want {
			t.Errorf("after %d restarts and %s up: %s, want %s", c.restarts, c.up, got, c.want)
		}
	}
}

func TestEnvironmentLaterWinsAndUnsetLeavesOut(t *testing.T) {
	no := false
	e := &Engine{config: &config.Config{Containers: config.Containers{Env: []string{"A=conf", "B=conf"}, HTTPProxy: &no}}}
	for _, c := range []struct {
		name string
		o    CreateOptions
		want []string
	}{
		{"merged", CreateOptions{Env: []string{"C=user"}}, []string{"A=conf", "B=image", "C=user"}},
		{"user wins", CreateOptions{Env: []string{"A=user"}}, []string{"B=image", "A=user"}},
		{"unset", CreateOptions{UnsetEnv: []string{"B"}}, []string{"A=conf"}},
		{"unset all keeps what the user gives", CreateOptions{UnsetAll: true, Env: []string{"X=1"}}, []string{"X=1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := e.environment(c.o, []string{"B=image"}); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestHealthOptionsOverrideTheImageFieldByField(t *testing.T) {
	img := &image.Health{Test: []string{"CMD", "true"}, Interval: 5 * time.Second, Retries: 7}
	h := mergeHealth(img, CreateOptions{Health: &container.Health{Timeout: time.Second}})
	if h.Interval != 5*time.Second || h.Timeout != time.Second || h.Retries != 7 || h.Test[1] != "true" {
		t.Errorf("got %+v", *h)
	}
	if h := mergeHealth(img, CreateOptions{NoHealthcheck: true}); h.Test[0] != "NONE" {
		t.Errorf("disabled: got %+v", *h)
	}
	if h := mergeHealth(nil, CreateOptions{}); h != nil {
		t.Errorf("without a check: got %+v, want none", *h)
	}
}

func TestFreeRangeGivesNoIDTwice(t *testing.T) {
	ranges := []host.IDRange{{First: 1000, Size: 200}, {First: 5000, Size: 100}}
	var taken []container.IDMap
	used := func(yield func(container.IDMap)) {
		for _, m := range taken {
			yield(m)
		}
	}
	for _, want := range []int64{1000, 1100, 5000} {
		at, ok := freeRange(ranges, 100, used)
		if !ok || at != want {
			t.Fatalf("got %d, %v; want %d", at, ok, want)
		}
		taken = append(taken, container.IDMap{HostID: at, Size: 100})
	}
	if at, ok := freeRange(ranges, 100, used); ok {
		t.Errorf("got %d from ranges that are full", at)
	}
}

func TestAFailedStepUndoesItselfAndTheEarlierOnesInReverse(t *testing.T) {
	var undone []string
	boom := errdefs.Internal("boom")
	mk := func(name string, err error) step {
		return step{name: name, do: func(context.Context) error { return err },
			undo: func(context.Context) error { undone = append(undone, name); return nil }}
	}
	err := runSteps(context.Background(), "test", []step{mk("a", nil), mk("b", nil), mk("c", boom), mk("d", nil)})
	if !errors.Is(err, boom) || !slices.Equal(undone, []string{"c", "b", "a"}) {
		t.Errorf("error %v, undone %v; want %v and c, b, a", err, undone, boom)
	}
}

func TestStepsAreUndoneEvenIfTheContextHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	undone := false
	err := runSteps(ctx, "test", []step{
		{name: "a", do: func(context.Context) error { cancel(); return nil },
			undo: func(ctx context.Context) error { undone = ctx.Err() == nil; return nil }},
		{name: "b", do: func(context.Context) error { t.Error("b was done"); return nil }},
	})
	if !errors.Is(err, context.Canceled) || !undone {
		t.Errorf("error %v, undone with a living context: %v", err, undone)
	}
}

func TestMountsOfOptionsWinOverTheImagesVolumes(t *testing.T) {
	declared, err := mountsOfImage([]string{"/data", "/var/lib/x/"}, "")
	if err != nil {
		t.Fatal(err)
	}
	got := addMounts([]container.Mount{{Type: container.Bind, Source: "/src", Destination: "/data"}}, declared)
	if len(got) != 2 || got[0].Type != container.Bind || got[1].Destination != "/var/lib/x" || got[1].Type != container.Volume {
		t.Errorf("got %+v", got)
	}
	if _, err := mountsOfImage([]string{"/data"}, "nonsense"); errdefs.Class(err) != errdefs.ErrInvalidArgument {
		t.Errorf("unknown mode: %v", err)
	}
}

func TestCapabilitiesOfContainersConfNeedNoPrefix(t *testing.T) {
	e := &Engine{config: &config.Config{Containers: config.Containers{DefaultCapabilities: []string{"CHOWN", "cap_kill"}}}}
	if got, want := e.defaultCapabilities(), []string{"CAP_CHOWN", "CAP_KILL"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestProxiesOfTheHostReachAContainerUnlessSwitchedOff(t *testing.T) {
	for _, name := range proxies {
		t.Setenv(name, "")
	}
	t.Setenv("https_proxy", "http://proxy:3128")
	yes, no := true, false
	for _, c := range []struct {
		name string
		conf config.Containers
		want bool
	}{{"default", config.Containers{}, true}, {"on", config.Containers{HTTPProxy: &yes}, true}, {"off", config.Containers{HTTPProxy: &no}, false}} {
		e := &Engine{config: &config.Config{Containers: c.conf}}
		if got := slices.Contains(e.environment(CreateOptions{}, nil), "https_proxy=http://proxy:3128"); got != c.want {
			t.Errorf("%s: passed on %v, want %v", c.name, got, c.want)
		}
	}
}

func TestAContainerIsStoppedByItsOwnSignalElseByItsImages(t *testing.T) {
	e := testEngine(t)
	img := &image.Image{}
	img.Config.Config.StopSignal, img.Config.Config.Cmd = "SIGQUIT", []string{"x"}
	for asked, want := range map[string]int{"": 3, "SIGINT": 2} {
		cfg, _, _, err := e.configure(context.Background(), CreateOptions{Image: "img", StopSignal: asked}, img)
		if err != nil || cfg.StopSignal != want {
			t.Errorf("asked for %q: expected signal %d, got %d, %v", asked, want, cfg.StopSignal, err)
		}
	}
	img.Config.Config.StopSignal = "TERM;x"
	if _, _, _, err := e.configure(context.Background(), CreateOptions{Image: "img"}, img); !errors.Is(err, errdefs.ErrInvalidArgument) {
		t.Errorf("an image's signal that is none: expected ErrInvalidArgument, got %v", err)
	}
}
