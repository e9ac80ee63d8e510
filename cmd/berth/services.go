package main

import (
	"context"
	"io"
	"os"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/logs"
)

// containers is what the container commands need of the engine; *engine.Containers has it.
type containers interface {
	lifecycle
	viewer
	attacher
	filer
}

// lifecycle changes containers.
type lifecycle interface {
	Create(ctx context.Context, o engine.CreateOptions) (engine.Created, error)
	Run(ctx context.Context, o engine.CreateOptions, so engine.StartOptions) (engine.Created, error)
	Init(ctx context.Context, ref string) error
	Start(ctx context.Context, ref string, o engine.StartOptions) error
	Stop(ctx context.Context, ref string, o engine.StopOptions) error
	Kill(ctx context.Context, ref, signal string) error
	Restart(ctx context.Context, ref string, o engine.RestartOptions) error
	Pause(ctx context.Context, ref string) error
	Unpause(ctx context.Context, ref string) error
	Rename(ctx context.Context, ref, name string) error
	Update(ctx context.Context, ref string, o engine.UpdateOptions) (warnings []string, err error)
	Remove(ctx context.Context, ref string, o engine.RemoveOptions) ([]string, error)
	Clone(ctx context.Context, ref string, o engine.CloneOptions) (engine.Created, error)
	Prune(ctx context.Context, filters map[string][]string) ([]engine.Pruned, error)
	Wait(ctx context.Context, ref string, condition engine.WaitCondition) (engine.ExitStatus, error)
	Cleanup(ctx context.Context, id string, run uint64) error
	Healthcheck(ctx context.Context, ref string) (*container.HealthResult, error)
	ScheduledHealthcheck(ctx context.Context, id string, run uint64) error
}

// viewer looks at containers.
type viewer interface {
	Exists(ctx context.Context, ref string) (bool, error)
	Resolve(ctx context.Context, ref string) (id, name string, err error)
	List(ctx context.Context, o engine.ListOptions) ([]engine.Summary, error)
	Inspect(ctx context.Context, ref string, size bool) (*engine.Details, error)
	Stats(ctx context.Context, o engine.StatsOptions, fn func([]engine.ContainerStats) error) error
	Top(ctx context.Context, ref string, descriptors []string) (engine.TopResult, error)
	Logs(ctx context.Context, ref string, o engine.LogsOptions, fn func(logs.Line) error) error
}

// attacher connects to a container's streams.
type attacher interface {
	StartAttached(ctx context.Context, ref string, o engine.StartOptions, s engine.Streams) (engine.ExitStatus, error)
	RunAttached(ctx context.Context, o engine.CreateOptions, so engine.StartOptions, s engine.Streams, created func(engine.Created) error) (engine.ExitStatus, error)
	Attach(ctx context.Context, ref string, s engine.Streams) (engine.ExitStatus, error)
}

// filer reads and writes a container's files.
type filer interface {
	Diff(ctx context.Context, ref string) ([]engine.Change, error)
	Export(ctx context.Context, ref string, w io.Writer) error
	Commit(ctx context.Context, ref string, o engine.CommitOptions) (id string, err error)
	Mount(ctx context.Context, ref string) (path string, err error)
	Unmount(ctx context.Context, ref string, force bool) error
	ListMounted(ctx context.Context) ([]engine.Mounted, error)
	Copy(ctx context.Context, from, to engine.Place, o engine.CopyOptions) error
}

// execs is what exec needs of the engine; *engine.Execs has it.
type execs interface {
	Create(ctx context.Context, ref string, o engine.ExecOptions) (id string, err error)
	StartAttached(ctx context.Context, id string, s engine.Streams, size engine.Size, extraFiles []*os.File) (engine.ExitStatus, error)
	StartDetached(ctx context.Context, id string) error
	Inspect(ctx context.Context, id string) (*container.ExecSession, error)
	Remove(ctx context.Context, id string, force bool) error
	Cleanup(ctx context.Context, id string) error
}
