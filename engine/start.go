package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/ociruntime"
	"github.com/berth-engine/berth/ociruntime/monitored"
	"github.com/berth-engine/berth/rootfs"
	"github.com/berth-engine/berth/store"
)

// Start starts a container that does not run, and those that it depends on first.
//
// ErrNotModified if it runs; ErrConflict if it is paused or being removed; ociruntime.ErrCommandNotFound and
// ociruntime.ErrCannotInvoke for what it was to run.
func (s *Containers) Start(ctx context.Context, ref string, o StartOptions) error {
	e := s.e
	defer e.sweep(ctx)
	if err := e.startDependencies(ctx, ref); err != nil {
		return e.removeFailed(ctx, ref, err)
	}
	err := e.locked(ctx, ref, func(c *container.Container) error {
		if err := requireStartable(c); err != nil {
			return err
		}
		if !o.ByPolicy {
			c.State.Restarts = 0
		}
		_, err := e.startLocked(ctx, c, startRequest{options: o})
		return err
	})
	return e.removeFailed(ctx, ref, err)
}

// StartAttached starts a container with the streams connected before its process runs, so that not a byte of output is missed,
// and waits for its exit. It cleans up before it returns: a container that removes itself is gone then.
//
// Errors are those of Start, and ociruntime.ErrDetached if the user left by the detach keys.
func (s *Containers) StartAttached(ctx context.Context, ref string, o StartOptions, st Streams) (ExitStatus, error) {
	e := s.e
	if err := e.startDependencies(ctx, ref); err != nil {
		return ExitStatus{}, e.removeFailed(ctx, ref, err)
	}
	if st.Started != nil {
		st.Started = sync.OnceFunc(st.Started)
	}
	var c *container.Container
	var p *ociruntime.Process
	err := e.locked(ctx, ref, func(locked *container.Container) (err error) {
		c = locked
		if err := requireStartable(c); err != nil {
			return err
		}
		c.State.Restarts = 0
		a := attachOptions(st)
		p, err = e.startLocked(ctx, c, startRequest{options: o, attached: &a, releasing: st.Started})
		return err
	})
	if err != nil {
		return ExitStatus{}, e.removeFailed(ctx, ref, err)
	}
	defer p.Conn.Close()
	defer e.sweep(context.WithoutCancel(ctx))
	exit, err := pump(ctx, p.Conn, st)
	switch {
	case errors.Is(err, ociruntime.ErrMonitorLost):
		return e.withoutMonitor(ctx, c)
	case err != nil:
		return ExitStatus{}, err
	}
	return e.finishAttached(ctx, c, p.Conn, exit)
}

// finishAttached does the clean-up that the monitor would do otherwise. If it fails, the monitor, or a sweep, does it.
func (e *Engine) finishAttached(ctx context.Context, c *container.Container, conn ociruntime.Conn, exit ociruntime.ExitRecord) (ExitStatus, error) {
	ctx = context.WithoutCancel(ctx)
	restart, err := e.cleanUp(ctx, c.Config.ID, c.State.Run)
	if err == nil && !restart {
		conn.CleanedUp()
	}
	return statusOf(exit), err
}

// withoutMonitor ends a foreground container that has lost its monitor, and with it its streams: nobody could use it.
func (e *Engine) withoutMonitor(ctx context.Context, c *container.Container) (ExitStatus, error) {
	err := e.locked(ctx, c.Config.ID, func(now *container.Container) error {
		if now.State.Run != c.State.Run || !now.State.Status.Alive() || !now.Config.AutoRemove {
			return nil
		}
		return e.killNow(ctx, now)
	})
	if err != nil && errdefs.Class(err) != errdefs.ErrNotFound {
		return ExitStatus{}, err
	}
	if _, err := e.cleanUp(ctx, c.Config.ID, c.State.Run); err != nil {
		return ExitStatus{}, err
	}
	return ExitStatus{}, errdefs.With(errdefs.ErrUnavailable, ociruntime.ErrMonitorLost)
}

// Init has the OCI runtime create the container without starting its process.
//
// ErrConflict if that has been done.
func (s *Containers) Init(ctx context.Context, ref string) error {
	e := s.e
	err := e.locked(ctx, ref, func(c *container.Container) error {
		if c.State.Status.Alive() || c.State.Status == container.Removing {
			return errdefs.Conflict("container %s is %s: only one that does not run can be initialized", c.Config.Name, c.State.Status)
		}
		_, err := e.startLocked(ctx, c, startRequest{initOnly: true})
		return err
	})
	return e.removeFailed(ctx, ref, err)
}

func requireStartable(c *container.Container) error {
	switch c.State.Status {
	case container.Running, container.Stopping:
		return errdefs.New(errdefs.ErrNotModified, "container %s is already running", c.Config.Name)
	case container.Paused:
		return errdefs.Conflict("container %s is paused: unpause it instead", c.Config.Name)
	case container.Removing:
		return errdefs.Conflict("container %s is being removed", c.Config.Name)
	}
	return nil
}

// startDependencies starts the containers whose namespaces this one joins, or that it requires.
func (e *Engine) startDependencies(ctx context.Context, ref string) error {
	c, err := e.lookup(ctx, ref)
	if err != nil {
		return err
	}
	for _, id := range c.Config.Dependencies {
		err := e.Containers.Start(ctx, id, StartOptions{})
		if err != nil && errdefs.Class(err) != errdefs.ErrNotModified {
			return errdefs.With(errdefs.Class(err), fmt.Errorf("container %s depends on %s: %w", c.Config.Name, short(id), err))
		}
	}
	return nil
}

// removeFailed removes a container that was to remove itself and could not be started, and returns the start's error.
func (e *Engine) removeFailed(ctx context.Context, ref string, startErr error) error {
	if startErr == nil || errdefs.Class(startErr) == errdefs.ErrNotModified {
		return startErr
	}
	ctx = context.WithoutCancel(ctx)
	c, err := e.lookup(ctx, ref)
	if err != nil || !c.Config.AutoRemove || c.State.Status.Alive() {
		return startErr
	}
	if _, err := e.remove(ctx, c.Config.ID, RemoveOptions{Volumes: true}); err != nil && errdefs.Class(err) != errdefs.ErrNotFound {
		return errors.Join(startErr, err)
	}
	return startErr
}

// startRequest says what is asked of a start.
type startRequest struct {
	options  StartOptions
	attached *ociruntime.AttachOptions
	initOnly bool
	// releasing, if not nil, is called before the process is let run.
	releasing func()
}

// starting is a start under way: what one step finds out and a later one needs.
type starting struct {
	e   *Engine
	c   *container.Container
	req startRequest

	rt       ociruntime.Runtime
	verb     *claim
	life     *claim
	root     *rootfs.Root
	user     rootfs.User
	process  *ociruntime.Process
	subpaths int    // of volumes, mounted so far
	seccomp  string // where to keep the compiled filter; empty if it is there

	before   container.State // what the record said when the start began
	recorded bool            // that it runs has been committed
}

// startLocked starts a container that does not run. The caller holds its lock, and has it reconciled. On error the host is what it
// was, and the record says why.
func (e *Engine) startLocked(ctx context.Context, c *container.Container, req startRequest) (*ociruntime.Process, error) {
	monitored.ExpectProcess()
	s := &starting{e: e, c: c, req: req, before: c.State}
	if c.State.Status == container.Initialized {
		if err := s.letRun(ctx); err != nil {
			if s.process != nil {
				s.process.Conn.Close()
			}
			return nil, err
		}
		return s.process, nil
	}
	err := runSteps(ctx, "start", []step{
		{name: "claim", do: s.takeClaims, undo: s.dropClaims},
		{name: "directories", do: s.makeDirectories, undo: s.removeDirectories},
		{name: "rootfs", do: s.mountRootfs, undo: s.unmount},
		{name: "bundle", do: s.writeBundle},
		{name: "create", do: s.create, undo: s.deleteCreated},
		{name: "run", do: s.run},
		{name: "record", do: s.record},
	})
	if s.root != nil {
		s.root.Close()
	}
	if err != nil {
		if s.process != nil && s.process.Conn != nil {
			s.process.Conn.Close()
		}
		err = nameCommand(err, c.Config.Process.Args())
		s.recordFailure(context.WithoutCancel(ctx), err)
		return nil, err
	}
	s.verb.done()
	s.life.leave()
	return s.process, nil
}

// nameCommand names what could not be run, which not every OCI runtime does.
func nameCommand(err error, args []string) error {
	if errors.Is(err, ociruntime.ErrCommandNotFound) || errors.Is(err, ociruntime.ErrCannotInvoke) {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return err
}

// takeClaims makes this process answer for the start and, for a container that removes itself, the monitor for its end.
func (s *starting) takeClaims(context.Context) (err error) {
	if s.rt, err = s.e.runtimeOf(s.c); err != nil {
		return err
	}
	if s.verb, err = s.e.claim(s.c.Config.ID, verbClaim); err != nil {
		return err
	}
	if endMatters(s.c) {
		s.life, err = s.e.claim(s.c.Config.ID, lifeClaim)
	}
	return err
}

// dropClaims leaves the claim on a container that removes itself to its removal, which comes next: killed before that, a sweep does it.
func (s *starting) dropClaims(context.Context) error {
	s.life.done()
	if s.c.Config.AutoRemove {
		s.verb.leave()
		return nil
	}
	s.verb.done()
	return nil
}

func (s *starting) makeDirectories(context.Context) error {
	id := s.c.Config.ID
	if err := (rootfs.Layer{Dir: s.e.paths.container(id)}).Create(); err != nil {
		return err
	}
	if s.c.Config.AutoRemove {
		if err := os.WriteFile(s.e.paths.passing(id), nil, 0o600); err != nil {
			return errdefs.Internal("making a directory for container %s: %w", s.c.Config.Name, err)
		}
	}
	for _, dir := range []string{s.e.paths.containerRun(id), s.e.paths.bundle(id)} {
		if err := makeDirectory(dir, 0o700); err != nil {
			return err
		}
	}
	return s.e.makeMapped(&s.c.Config)
}

func makeDirectory(dir string, mode os.FileMode) error {
	if err := os.Mkdir(dir, mode); err != nil && !errors.Is(err, os.ErrExist) {
		return errdefs.Internal("making a directory for a container: %w", err)
	}
	return nil
}

// makeMapped makes the directory in which a container with a user namespace has its root file system, and the way to it; see paths.
func (e *Engine) makeMapped(cfg *container.Config) error {
	if len(cfg.Namespaces.UIDMap) == 0 {
		return nil
	}
	above := filepath.Dir(e.paths.mapped(cfg.ID))
	if err := errors.Join(makeDirectory(above, 0o711), os.Chmod(e.paths.run, 0o711), makeDirectory(e.paths.mapped(cfg.ID), 0o700)); err != nil {
		return err
	}
	uid, gid := hostIDs(cfg, 0, 0)
	if err := os.Chown(e.paths.mapped(cfg.ID), uid, gid); err != nil {
		return errdefs.Internal("giving the directory of container %s to its root user: %w", cfg.Name, err)
	}
	return nil
}

func (s *starting) removeDirectories(context.Context) error { return s.e.removeRun(s.c.Config.ID) }

func (s *starting) unmount(context.Context) error {
	if s.root != nil {
		s.root.Close()
		s.root = nil
	}
	return s.e.unmountAll(s.c)
}

// mountRootfs mounts the root file system and opens it.
func (s *starting) mountRootfs(ctx context.Context) (err error) {
	if err := s.e.mountRootfs(ctx, s.c); err != nil {
		return err
	}
	s.root, err = rootfs.OpenRoot(s.e.paths.rootfs(&s.c.Config))
	return err
}

func (e *Engine) mountRootfs(ctx context.Context, c *container.Container) error {
	target := e.paths.rootfs(&c.Config)
	if err := e.settleMount(ctx, c); err != nil {
		return err
	}
	if c.State.Mounts > 0 {
		return rootfs.Bind(ctx, rootfs.BindOptions{Source: e.paths.mounted(c.Config.ID), Target: target})
	}
	return e.mountLayer(ctx, c, target)
}

// mountLayer mounts the container's layer, which is mounted nowhere else.
func (e *Engine) mountLayer(ctx context.Context, c *container.Container, target string) error {
	if c.Config.RootfsPath != "" && !c.Config.RootfsOverlay {
		return rootfs.Bind(ctx, rootfs.BindOptions{Source: c.Config.RootfsPath, Target: target})
	}
	return e.layerOf(c).Mount(ctx, rootfs.MountOptions{
		// The files of a container that removes itself need not outlive a power cut.
		Lower: lowerOf(c), Target: target, Volatile: c.Config.AutoRemove,
		UIDMap: rootfsMap(c.Config.Namespaces.UIDMap), GIDMap: rootfsMap(c.Config.Namespaces.GIDMap),
	})
}

func rootfsMap(maps []container.IDMap) []rootfs.IDMap {
	var list []rootfs.IDMap
	for _, m := range maps {
		list = append(list, rootfs.IDMap(m))
	}
	return list
}

// writeBundle prepares all that the spec names and writes the spec.
func (s *starting) writeBundle(ctx context.Context) error {
	spec, err := s.e.buildSpec(ctx, s)
	if err != nil {
		return err
	}
	if err := requireExecutable(spec.Process); err != nil {
		return err
	}
	if s.seccomp, err = s.e.useCompiledSeccomp(s.rt, spec); err != nil {
		return err
	}
	data, err := json.Marshal(spec)
	if err != nil {
		return errdefs.Internal("encoding the spec of container %s: %w", s.c.Config.Name, err)
	}
	if err := os.WriteFile(filepath.Join(s.e.paths.bundle(s.c.Config.ID), "config.json"), data, 0o600); err != nil {
		return errdefs.Internal("writing the spec of container %s: %w", s.c.Config.Name, err)
	}
	return nil
}

// create has a monitor create the container.
func (s *starting) create(ctx context.Context) error {
	cfg := &s.c.Config
	cleanup, err := s.e.commandLine("container", "cleanup", "--run", strconv.FormatUint(s.c.State.Run+1, 10), cfg.ID)
	if err != nil {
		return err
	}
	req := ociruntime.CreateRequest{
		ID: cfg.ID, Bundle: s.e.paths.bundle(cfg.ID), Run: s.e.paths.containerRun(cfg.ID),
		Stdio: ociruntime.Stdio{
			Terminal: cfg.Process.Terminal, Stdin: cfg.Process.Stdin, StdinOnce: cfg.Process.StdinOnce,
			Width: s.req.options.Size.Width, Height: s.req.options.Size.Height,
		},
		Log:           s.e.logConfig(s.c),
		SystemdCgroup: s.e.systemdCgroups(), NoCgroup: cfg.Resources.Cgroups == "disabled", Cleanup: cleanup, Attached: s.req.attached, ExtraFiles: s.req.options.ExtraFiles,
	}
	if cfg.Health.Checks() {
		req.Periodic, err = s.e.commandLine("healthcheck", "run", "--run", strconv.FormatUint(s.c.State.Run+1, 10), cfg.ID)
		if err != nil {
			return err
		}
	}
	if s.life != nil {
		req.Hold = []*os.File{s.life.file}
	}
	release, err := s.e.holdCgroupParent(ctx, s.c)
	if err != nil {
		return err
	}
	s.process, err = s.rt.Create(ctx, req)
	release()
	if err != nil {
		return err
	}
	s.e.keepCompiledSeccomp(s.rt, cfg.ID, s.seccomp)
	return s.writeRecord(false)
}

func (e *Engine) logConfig(c *container.Container) ociruntime.LogConfig {
	l := c.Config.Log
	if l.Path == "" {
		l.Path = e.paths.defaultLog(c.Config.ID)
	}
	return ociruntime.LogConfig{Driver: l.Driver, Path: l.Path, MaxSize: l.MaxSize, MaxFiles: l.MaxFiles, Tag: l.Tag}
}

func (s *starting) deleteCreated(ctx context.Context) error {
	if s.rt == nil {
		return nil
	}
	return errors.Join(s.rt.Delete(ctx, s.c.Config.ID, true), s.e.removeCgroupParents(s.c))
}

// writeRecord writes the record of the run for who may have to take over: a process that has not been let run is taken down, one that
// may have run is adopted.
func (s *starting) writeRecord(released bool) error {
	r := runRecord{Run: s.c.State.Run + 1, PID: s.process.PID, Monitor: s.process.Monitor, Released: released}
	return writeRunRecord(s.e.paths.containerRun(s.c.Config.ID), r)
}

func (s *starting) run(ctx context.Context) error {
	if s.req.initOnly {
		return nil
	}
	if s.c.State.Status != container.Initialized { // else the store knows of the process
		if err := s.writeRecord(true); err != nil {
			return err
		}
	}
	if err := s.e.scheduleHealth(ctx, s.rt, s.c, true); err != nil {
		return err
	}
	if s.req.releasing != nil {
		s.req.releasing()
	}
	return s.rt.Start(ctx, s.c.Config.ID)
}

// record commits that the container runs.
func (s *starting) record(ctx context.Context) error {
	st := &s.c.State
	st.PID, st.PIDStart = s.process.PID.Pid, s.process.PID.Start
	st.MonitorPID, st.MonitorStart = s.process.Monitor.Pid, s.process.Monitor.Start
	st.BootID, st.Runtime = s.e.facts.BootID, s.rt.Path()
	st.Run++
	st.Error, st.ExitCode, st.OOMKilled, st.StoppedByUser, st.Again = "", 0, false, false, false
	st.Health = firstHealth(&s.c.Config)
	if s.req.initOnly {
		st.Status = container.Initialized
		return s.e.setState(ctx, s.c, containerEvent(s.c, event.Init))
	}
	if err := s.recordRunning(ctx); err != nil {
		return err
	}
	s.recorded = true
	return nil
}

func (s *starting) recordRunning(ctx context.Context) error {
	s.c.State.Status, s.c.State.Started = container.Running, now()
	events := []event.Event{containerEvent(s.c, event.Start)}
	if s.req.attached != nil {
		events = append([]event.Event{containerEvent(s.c, event.Attach)}, events...)
	}
	return s.e.setState(ctx, s.c, events...)
}

// letRun starts a container that has been initialized.
func (s *starting) letRun(ctx context.Context) (err error) {
	if s.rt, err = s.e.runtimeOf(s.c); err != nil {
		return err
	}
	return runSteps(ctx, "start-initialized", []step{
		{name: "attach", do: s.attachInitialized},
		{name: "run", do: s.run},
		{name: "record", do: s.recordRunning},
	})
}

// attachInitialized connects to the monitor of a container that has been initialized, before its process runs.
func (s *starting) attachInitialized(ctx context.Context) error {
	if s.req.attached == nil {
		return nil
	}
	conn, err := s.rt.Attach(ctx, s.e.paths.containerRun(s.c.Config.ID), *s.req.attached)
	if err != nil {
		return err
	}
	s.process = &ociruntime.Process{PID: pidOf(s.c), Conn: conn}
	return nil
}

// recordFailure keeps why a start failed, in a record that is otherwise what it was before. What was to be restarted by its policy is
// not tried again.
func (s *starting) recordFailure(ctx context.Context, cause error) {
	c := s.c
	run := c.State.Run
	c.State = s.before
	c.State.Run, c.State.Error, c.State.Finished, c.State.ExitCode = run, cause.Error(), time.Time{}, 125
	switch {
	case errors.Is(cause, ociruntime.ErrCommandNotFound):
		c.State.ExitCode = 127
	case errors.Is(cause, ociruntime.ErrCannotInvoke):
		c.State.ExitCode = 126
	}
	var events []event.Event
	if s.recorded {
		died := containerEvent(c, event.Died)
		died.ExitCode = &c.State.ExitCode
		events = append(events, died)
	}
	if s.recorded || c.State.Status == container.Restarting {
		c.State.Status = container.Exited
	}
	err := s.e.store.Update(ctx, store.Volatile, func(tx store.UpdateTx) error {
		return writeExit(tx, c, events)
	})
	if err != nil {
		s.e.log.Warn("recording a failed start", "id", c.Config.ID, "error", err)
	}
}
