package engine

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/host"
	"github.com/berth-engine/berth/image"
	"github.com/berth-engine/berth/internal/config"
	"github.com/berth-engine/berth/ociruntime"
	"github.com/berth-engine/berth/ociruntime/monitored"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/backend"
)

// The places used when nothing else is asked for.
const (
	DefaultRoot    = "/var/lib/berth"
	DefaultRunRoot = "/run/berth"
)

// Engine is one process's way to the containers under a root directory. It may be used by any number of goroutines.
type Engine struct {
	Containers *Containers
	Execs      *Execs
	Images     *Images
	Volumes    *Volumes
	System     *System

	settings settings
	config   *config.Config
	facts    host.Facts
	paths    paths
	store    store.Store
	database backend.Kind // what keeps it
	locks    lockTable
	images   *image.Store
	log      *slog.Logger

	runtimes   map[string]ociruntime.Runtime
	runtimesMu sync.Mutex
}

// settings are what the options of Open set.
type settings struct {
	root, runRoot, configFile, runtime, cgroupManager, database, command, monitor, namespace string

	starts bool
	logger *slog.Logger
}

// newSettings are the defaults with the options applied.
func newSettings(opts []Option) settings {
	s := settings{root: DefaultRoot, runRoot: DefaultRunRoot, logger: slog.New(slog.DiscardHandler)}
	for _, o := range opts {
		o(&s)
	}
	return s
}

// Option changes how an engine is opened.
type Option func(*settings)

// WithRoot keeps what lasts in dir instead of DefaultRoot.
func WithRoot(dir string) Option { return func(s *settings) { s.root = dir } }

// WithRunRoot keeps what a reboot voids in dir instead of DefaultRunRoot. Two engines with the same root must have the same.
func WithRunRoot(dir string) Option { return func(s *settings) { s.runRoot = dir } }

// WithConfigFile reads this containers.conf instead of those in the usual places.
func WithConfigFile(path string) Option { return func(s *settings) { s.configFile = path } }

// WithRuntime uses this OCI runtime, a name or a path, for new containers.
func WithRuntime(nameOrPath string) Option { return func(s *settings) { s.runtime = nameOrPath } }

// WithCgroupManager is cgroupfs or systemd.
func WithCgroupManager(name string) Option { return func(s *settings) { s.cgroupManager = name } }

// WithDatabaseBackend names the back end of the store: sqlite, bolt, or any for the one that the database was made with, whatever
// containers.conf says. It is an error if the database was made with another.
func WithDatabaseBackend(name string) Option { return func(s *settings) { s.database = name } }

// WithCommand is the berth program that a monitor becomes to clean up. By default it is this program, if it is berth, else the
// berth beside it or in PATH.
func WithCommand(path string) Option { return func(s *settings) { s.command = path } }

// WithMonitor is the berth-monitor program. By default it is the one beside the command, in ../libexec/berth or in PATH.
func WithMonitor(path string) Option { return func(s *settings) { s.monitor = path } }

// WithNamespace sees and makes only containers of this namespace of the store.
func WithNamespace(name string) Option { return func(s *settings) { s.namespace = name } }

// WithStart says that a process is about to be started: the kernel takes up to 10 ms to get ready for that, which then pass while the
// engine is opened. Without it they begin to pass with Run, Start or the like.
func WithStart() Option { return func(s *settings) { s.starts = true } }

// WithLogger receives what goes wrong without being an error of any call.
func WithLogger(l *slog.Logger) Option { return func(s *settings) { s.logger = l } }

// Open opens the engine, making its directories and its database if they are not there. After a reboot it first does away
// with what the reboot voided.
//
// ErrPermissionDenied without root; ErrInvalidArgument for a bad configuration; ErrConflict for a database made with other
// paths; store.ErrNewer and store.ErrCorrupt.
func Open(ctx context.Context, opts ...Option) (*Engine, error) {
	s := newSettings(opts)
	if s.starts {
		monitored.ExpectProcess()
	}
	facts, err := host.Read()
	if err != nil {
		return nil, err
	}
	if facts.Rootless {
		return nil, errdefs.Denied("berth needs root for now: run it as root, for example with sudo (you are user %d)", facts.UID)
	}
	conf, err := config.Load(s.configFile)
	if err != nil {
		return nil, err
	}
	e := &Engine{settings: s, config: conf, facts: facts, log: s.logger, runtimes: map[string]ociruntime.Runtime{}}
	if e.paths, err = newPaths(s.root, s.runRoot); err != nil {
		return nil, err
	}
	if err := e.paths.make(); err != nil {
		return nil, err
	}
	if err := e.openParts(ctx); err != nil {
		return nil, err
	}
	if err := e.refresh(ctx); err != nil {
		e.store.Close()
		return nil, err
	}
	return e, nil
}

// openParts opens what the engine is made of.
func (e *Engine) openParts(ctx context.Context) error {
	var err error
	if e.store, err = e.openStore(ctx); err != nil {
		return err
	}
	e.locks = openLocks(e.paths.run)
	e.images = image.Open(image.Options{Root: e.paths.storage(), RunRoot: e.paths.storageRun(), Facts: e.facts})
	e.Containers = &Containers{e}
	e.Execs = &Execs{e}
	e.Images = &Images{e}
	e.Volumes = &Volumes{e}
	e.System = &System{e}
	return nil
}

// Close releases the engine. Containers go on.
func (e *Engine) Close() error {
	err := e.images.Close()
	if serr := e.store.Close(); err == nil {
		err = serr
	}
	return err
}

// commandLine is the argument vector of a berth that works on the same directories, for what a monitor becomes.
func (e *Engine) commandLine(args ...string) ([]string, error) {
	path, err := e.commandPath()
	if err != nil {
		return nil, err
	}
	line := []string{path, "--root", e.paths.root, "--runroot", e.paths.run}
	if e.settings.configFile != "" {
		line = append(line, "--config", e.settings.configFile)
	}
	if e.settings.cgroupManager != "" {
		line = append(line, "--cgroup-manager", e.settings.cgroupManager)
	}
	if e.settings.monitor != "" {
		line = append(line, "--monitor-path", e.settings.monitor)
	}
	// What is started now may end when the database has been converted.
	line = append(line, "--db-backend", "any")
	return append(line, args...), nil
}

// commandPath finds the berth program.
func (e *Engine) commandPath() (string, error) {
	if e.settings.command != "" {
		return filepath.Abs(e.settings.command)
	}
	self, err := os.Readlink("/proc/self/exe")
	if err == nil {
		self = strings.TrimSuffix(self, " (deleted)")
		if filepath.Base(self) == "berth" {
			return self, nil
		}
		if p := filepath.Join(filepath.Dir(self), "berth"); executable(p) {
			return p, nil
		}
	}
	if p, err := exec.LookPath("berth"); err == nil {
		return filepath.Abs(p)
	}
	return "", errdefs.Unavailable("the berth program was not found: install it in PATH, or name it with engine.WithCommand")
}

// monitorPath finds the berth-monitor program.
func (e *Engine) monitorPath() (string, error) {
	if asked := e.settings.monitor; asked != "" {
		if !executable(asked) {
			return "", errdefs.Invalid("monitor %s is not an executable file", asked)
		}
		return filepath.Abs(asked)
	}
	for _, p := range e.config.Engine.MonitorPaths {
		if executable(p) {
			return filepath.Abs(p)
		}
	}
	return e.companion("berth-monitor")
}

// companion finds a program that is installed together with berth.
func (e *Engine) companion(name string) (string, error) {
	if command, err := e.commandPath(); err == nil {
		dir := filepath.Dir(command)
		for _, p := range []string{filepath.Join(dir, name), filepath.Join(dir, "../libexec/berth", name)} {
			if executable(p) {
				return p, nil
			}
		}
	}
	if p, err := exec.LookPath(name); err == nil {
		return filepath.Abs(p)
	}
	return "", errdefs.Unavailable("%s was not found: install it beside berth, in ../libexec/berth or in PATH", name)
}

func executable(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0
}
