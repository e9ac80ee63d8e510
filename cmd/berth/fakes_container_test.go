package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/logs"
	"github.com/berth-engine/berth/store"
)

const (
	idWeb = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	idDB  = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
)

// fakeContainers are containers in memory that remember what was done to them.
type fakeContainers struct {
	containers
	lock     sync.Mutex
	list     []engine.Summary // the newest first, as the engine lists them
	err      map[string]error // by reference
	done     []string
	created  engine.CreateOptions
	started  engine.StartOptions
	listed   engine.ListOptions
	removed  engine.RemoveOptions
	stopped  engine.StopOptions
	waited   []engine.WaitCondition
	status   engine.ExitStatus
	lines    []logs.Line
	logged   engine.LogsOptions
	top      engine.TopResult
	updated  engine.UpdateOptions
	cloned   engine.CloneOptions
	pruned   map[string][]string
	measured engine.StatsOptions
	reports  [][]engine.ContainerStats
	topped   []string
	// attached runs with the streams of an attached container.
	attached func(ctx context.Context, s engine.Streams) (engine.ExitStatus, error)
	warnings []string
}

func (f *fakeContainers) note(words ...string) error {
	f.lock.Lock()
	defer f.lock.Unlock()
	f.done = append(f.done, strings.Join(words, " "))
	return f.err[words[len(words)-1]]
}

func (f *fakeContainers) find(ref string) (*engine.Summary, error) {
	if err := f.err[ref]; err != nil {
		return nil, err
	}
	for i, c := range f.list {
		if ref != "" && (c.Config.Name == ref || strings.HasPrefix(c.Config.ID, ref)) {
			return &f.list[i], nil
		}
	}
	return nil, store.NoContainer(ref)
}

func (f *fakeContainers) verb(verb, ref string) error {
	if _, err := f.find(ref); err != nil {
		return err
	}
	return f.note(verb, ref)
}

func (f *fakeContainers) Create(_ context.Context, o engine.CreateOptions) (engine.Created, error) {
	f.created = o
	return engine.Created{ID: idWeb, Name: "made", Warnings: f.warnings}, f.err["create"]
}

func (f *fakeContainers) Run(ctx context.Context, o engine.CreateOptions, so engine.StartOptions) (engine.Created, error) {
	f.created, f.started = o, so
	if err := f.err["create"]; err != nil {
		return engine.Created{}, err
	}
	return engine.Created{ID: idWeb, Name: "made"}, f.err["start"]
}

func (f *fakeContainers) RunAttached(ctx context.Context, o engine.CreateOptions, so engine.StartOptions, s engine.Streams, created func(engine.Created) error) (engine.ExitStatus, error) {
	f.created, f.started = o, so
	if err := f.err["create"]; err != nil {
		return engine.ExitStatus{}, err
	}
	if err := created(engine.Created{ID: idWeb, Name: "made"}); err != nil {
		return engine.ExitStatus{}, err
	}
	if err := f.err["start"]; err != nil {
		return engine.ExitStatus{}, err
	}
	return f.attach(ctx, s)
}

func (f *fakeContainers) attach(ctx context.Context, s engine.Streams) (engine.ExitStatus, error) {
	if s.Started != nil {
		s.Started()
	}
	if f.attached == nil {
		return f.status, nil
	}
	return f.attached(ctx, s)
}

func (f *fakeContainers) StartAttached(ctx context.Context, ref string, o engine.StartOptions, s engine.Streams) (engine.ExitStatus, error) {
	if err := f.verb("start-attached", ref); err != nil {
		return engine.ExitStatus{}, err
	}
	return f.attach(ctx, s)
}

func (f *fakeContainers) Attach(ctx context.Context, ref string, s engine.Streams) (engine.ExitStatus, error) {
	if err := f.verb("attach", ref); err != nil {
		return engine.ExitStatus{}, err
	}
	return f.attach(ctx, s)
}

func (f *fakeContainers) Init(_ context.Context, ref string) error { return f.verb("init", ref) }
func (f *fakeContainers) Start(_ context.Context, ref string, _ engine.StartOptions) error {
	return f.verb("start", ref)
}

func (f *fakeContainers) Stop(_ context.Context, ref string, o engine.StopOptions) error {
	f.stopped = o
	return f.verb("stop", ref)
}

func (f *fakeContainers) Kill(_ context.Context, ref, signal string) error {
	return f.verb("kill "+signal, ref)
}

func (f *fakeContainers) Restart(_ context.Context, ref string, _ engine.RestartOptions) error {
	return f.verb("restart", ref)
}
func (f *fakeContainers) Pause(_ context.Context, ref string) error   { return f.verb("pause", ref) }
func (f *fakeContainers) Unpause(_ context.Context, ref string) error { return f.verb("unpause", ref) }

func (f *fakeContainers) Rename(_ context.Context, ref, name string) error {
	return f.verb("rename "+name, ref)
}

func (f *fakeContainers) Update(_ context.Context, ref string, o engine.UpdateOptions) ([]string, error) {
	f.updated = o
	return f.warnings, f.verb("update", ref)
}

func (f *fakeContainers) Remove(_ context.Context, ref string, o engine.RemoveOptions) ([]string, error) {
	f.removed = o
	if err := f.verb("rm", ref); err != nil {
		return nil, err
	}
	return []string{ref}, nil
}

func (f *fakeContainers) Clone(_ context.Context, ref string, o engine.CloneOptions) (engine.Created, error) {
	f.cloned = o
	return engine.Created{ID: idWeb, Name: "copy", Warnings: f.warnings}, f.verb("clone", ref)
}

func (f *fakeContainers) Prune(_ context.Context, filters map[string][]string) (pruned []engine.Pruned, err error) {
	f.pruned = filters
	for _, c := range f.list {
		if !c.Status.Alive() {
			pruned = append(pruned, engine.Pruned{ID: c.Config.ID, Freed: 1500, Err: f.err[c.Config.ID]})
		}
	}
	return pruned, nil
}

func (f *fakeContainers) Wait(_ context.Context, ref string, c engine.WaitCondition) (engine.ExitStatus, error) {
	f.lock.Lock()
	f.waited = append(f.waited, c)
	f.lock.Unlock()
	s, err := f.find(ref)
	if err != nil {
		return engine.ExitStatus{}, err
	}
	return engine.ExitStatus{Code: s.State.ExitCode}, nil
}

func (f *fakeContainers) Cleanup(_ context.Context, id string, run uint64) error {
	return f.verb(fmt.Sprintf("cleanup %d", run), id)
}

func (f *fakeContainers) Healthcheck(_ context.Context, ref string) (*container.HealthResult, error) {
	s, err := f.find(ref)
	if err != nil {
		return nil, err
	}
	return s.State.Health, nil
}

func (f *fakeContainers) ScheduledHealthcheck(_ context.Context, id string, run uint64) error {
	return f.verb(fmt.Sprintf("healthcheck %d", run), id)
}

func (f *fakeContainers) Exists(_ context.Context, ref string) (bool, error) {
	_, err := f.find(ref)
	if errdefs.Class(err) == errdefs.ErrNotFound {
		return false, nil
	}
	return err == nil, err
}

func (f *fakeContainers) Resolve(_ context.Context, ref string) (id, name string, err error) {
	s, err := f.find(ref)
	if err != nil {
		return "", "", err
	}
	return s.Config.ID, s.Config.Name, nil
}

func (f *fakeContainers) List(_ context.Context, o engine.ListOptions) ([]engine.Summary, error) {
	f.listed = o
	var out []engine.Summary
	for _, c := range f.list {
		if o.Last > 0 && len(out) == o.Last {
			break
		}
		if o.All || o.Last > 0 || c.Status.Alive() {
			out = append(out, c)
		}
	}
	return out, f.err["list"]
}

func (f *fakeContainers) Inspect(_ context.Context, ref string, _ bool) (*engine.Details, error) {
	s, err := f.find(ref)
	if err != nil {
		return nil, err
	}
	return &engine.Details{Container: *s.Container, Status: s.Status, RuntimeName: "crun", StorageDriver: "overlay"}, nil
}

func (f *fakeContainers) Stats(_ context.Context, o engine.StatsOptions, fn func([]engine.ContainerStats) error) error {
	f.measured = o
	for _, ref := range o.Containers {
		if _, err := f.find(ref); err != nil {
			return err
		}
	}
	for _, report := range f.reports {
		if err := fn(report); err != nil {
			return err
		}
	}
	return nil
}

func (f *fakeContainers) Top(_ context.Context, ref string, descriptors []string) (engine.TopResult, error) {
	f.topped = descriptors
	return f.top, f.verb("top", ref)
}

func (f *fakeContainers) Logs(_ context.Context, ref string, o engine.LogsOptions, fn func(logs.Line) error) error {
	f.logged = o
	if _, err := f.find(ref); err != nil {
		return err
	}
	for _, l := range f.lines {
		if err := fn(l); err != nil {
			return err
		}
	}
	return nil
}

// fakeExecs are exec sessions in memory.
type fakeExecs struct {
	execs
	lock    sync.Mutex
	ref     string
	options engine.ExecOptions
	files   []*os.File
	done    []string
	err     map[string]error
	run     func(ctx context.Context, s engine.Streams) (engine.ExitStatus, error)
}

func (f *fakeExecs) note(word string) error {
	f.lock.Lock()
	defer f.lock.Unlock()
	f.done = append(f.done, word)
	return f.err[word]
}

func (f *fakeExecs) did(word string) bool {
	f.lock.Lock()
	defer f.lock.Unlock()
	return slices.Contains(f.done, word)
}

func (f *fakeExecs) Create(_ context.Context, ref string, o engine.ExecOptions) (string, error) {
	f.ref, f.options = ref, o
	return "session", f.note("create")
}

func (f *fakeExecs) StartAttached(ctx context.Context, _ string, s engine.Streams, _ engine.Size, files []*os.File) (engine.ExitStatus, error) {
	f.files = files
	if err := f.note("start"); err != nil {
		return engine.ExitStatus{}, err
	}
	s.Started()
	if f.run == nil {
		return engine.ExitStatus{}, nil
	}
	return f.run(ctx, s)
}

func (f *fakeExecs) StartDetached(context.Context, string) error { return f.note("detached") }
func (f *fakeExecs) Remove(context.Context, string, bool) error  { return f.note("remove") }

// twoContainers are one that runs and one that has exited.
func twoContainers() *fakeContainers {
	web := engine.Summary{
		Container: &container.Container{
			Config: container.Config{
				ID: idWeb, Name: "web", Created: testNow.Add(-3 * time.Hour),
				Image:   container.Image{ID: idDebian, Name: "docker.io/library/nginx:latest", OS: "linux", Architecture: "amd64"},
				Process: container.Process{Entrypoint: []string{"/docker-entrypoint.sh"}, Command: []string{"nginx", "-g", "daemon off;"}, Stdin: true},
				Labels:  map[string]string{"tier": "front", "app": "shop"},
				Network: container.Network{
					Namespace: container.Namespace{Mode: container.Host},
					Ports:     []container.Port{{HostPort: 8080, ContainerPort: 80, Range: 1, Protocol: "tcp"}, {HostIP: "127.0.0.1", HostPort: 9000, ContainerPort: 9000, Range: 2, Protocol: "udp"}},
				},
				Mounts: []container.Mount{{Type: container.Bind, Source: "/srv", Destination: "/data"}, {Type: container.Volume, Source: "v", Destination: "/v"}},
			},
			State: container.State{Status: container.Running, PID: 4242, Started: testNow.Add(-3 * time.Minute)},
		},
		Status: container.Running,
		Size:   &engine.SizeInfo{RW: 1500, RootFS: 187_000_000},
	}
	db := engine.Summary{
		Container: &container.Container{
			Config: container.Config{
				ID: idDB, Name: "db", Created: testNow.Add(-48 * time.Hour), Image: container.Image{Name: "docker.io/library/redis:7"},
				Process: container.Process{Command: []string{"redis-server"}, Terminal: true, Stdin: true},
			},
			State: container.State{Status: container.Exited, ExitCode: 137, Started: testNow.Add(-time.Hour), Finished: testNow.Add(-5 * time.Second)},
		},
		Status: container.Exited,
		Size:   &engine.SizeInfo{RW: 0, RootFS: 120_000_000},
	}
	return &fakeContainers{list: []engine.Summary{web, db}, err: map[string]error{}}
}

func with(c *fakeContainers) *services {
	return &services{Containers: c, Execs: &fakeExecs{}, Images: &fakeImages{}, Volumes: &fakeVolumes{}}
}
