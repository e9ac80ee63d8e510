package engine

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"maps"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/image"
	"github.com/berth-engine/berth/lock"
	"github.com/berth-engine/berth/ociruntime/monitored"
	"github.com/berth-engine/berth/store"
)

// Create makes a container. All of it is one commit: its name, its configuration and the volumes that it needs; directories and
// mounts come with the first start.
//
// ErrNotFound for an image or a container named that is not there, ErrAlreadyExists for the name, ErrInvalidArgument for
// options that cannot be.
func (s *Containers) Create(ctx context.Context, o CreateOptions) (Created, error) {
	made, _, err := s.create(ctx, o, false)
	return made, err
}

// Run creates a container and starts it. It is Create and Start, with one difference: a container that removes itself is
// removed even if this process dies between the two.
func (s *Containers) Run(ctx context.Context, o CreateOptions, so StartOptions) (Created, error) {
	made, cl, err := s.create(ctx, o, true)
	if err != nil {
		return made, err
	}
	defer cl.leave()
	return made, s.Start(ctx, made.ID, so)
}

// RunAttached is Create and StartAttached, as Run is Create and Start. created, if not nil, is called in between.
func (s *Containers) RunAttached(ctx context.Context, o CreateOptions, so StartOptions, st Streams, created func(Created) error) (ExitStatus, error) {
	made, cl, err := s.create(ctx, o, true)
	if err != nil {
		return ExitStatus{}, err
	}
	defer cl.leave()
	if created != nil {
		if err := created(made); err != nil {
			return ExitStatus{}, errors.Join(err, s.discard(ctx, made.ID))
		}
	}
	return s.StartAttached(ctx, made.ID, so, st)
}

// discard removes a container that has just been made.
func (s *Containers) discard(ctx context.Context, id string) error {
	_, err := s.e.remove(context.WithoutCancel(ctx), id, RemoveOptions{Volumes: true})
	return err
}

// create also returns the claim of a container that is to run and to remove itself; it is left when the start has taken over.
func (s *Containers) create(ctx context.Context, o CreateOptions, toRun bool) (Created, *claim, error) {
	e := s.e
	if err := validateCreate(o); err != nil {
		return Created{}, nil, err
	}
	if toRun {
		monitored.ExpectProcess()
	}
	if err := e.runtimeForNew(ctx, o); err != nil {
		return Created{}, nil, err
	}
	img, err := e.imageFor(ctx, o)
	if err != nil {
		return Created{}, nil, err
	}
	cfg, volumes, warnings, err := e.configure(ctx, o, img)
	if err != nil {
		return Created{}, nil, err
	}
	if slices.ContainsFunc(volumes, func(v newVolume) bool { return !v.Anonymous }) {
		e.sweep(ctx) // of a removal that was killed the contents may be left, which are no new volume's
	}
	n := newContainer{
		Container: container.Container{Config: cfg, State: container.State{Status: container.Created}},
		named:     o.Name != "", volumes: volumes, toRun: toRun,
	}
	cl, err := e.commitOrReplace(ctx, &n, o.Replace && o.Name != "")
	if err != nil {
		return Created{}, nil, err
	}
	return Created{ID: cfg.ID, Name: n.Config.Name, Warnings: warnings}, cl, nil
}

// newContainer is a container about to be added to the store.
type newContainer struct {
	container.Container
	// named: the user chose the name. toRun: the caller starts it next.
	named, toRun bool
	volumes      []newVolume
}

// commitNew adds the container and its volumes to the store. It returns a claim for what is to run and to remove itself.
func (e *Engine) commitNew(ctx context.Context, n *newContainer) (cl *claim, err error) {
	unlock, err := e.holdImage(ctx, n.Config.Image.ID)
	if err != nil {
		return nil, err
	}
	defer unlock()
	verb, durability := "create", store.Synced
	if n.toRun {
		verb = "run"
	}
	passing := n.toRun && n.Config.AutoRemove
	if passing {
		// A power cut is welcome to take it; the death of this process leaves a claim that nobody holds.
		durability = store.Volatile
	}
	return cl, runSteps(ctx, verb, []step{
		{name: "claim", do: func(context.Context) (err error) {
			if passing {
				cl, err = e.claim(n.Config.ID, verbClaim)
			}
			return err
		}, undo: func(context.Context) error {
			cl.done()
			return nil
		}},
		{name: "commit", do: func(ctx context.Context) error { return e.addContainer(ctx, durability, n) },
			undo: func(ctx context.Context) error { return e.dropNew(ctx, n) }},
	})
}

// holdImage keeps an image from being removed while a container is made from it.
func (e *Engine) holdImage(ctx context.Context, id string) (unlock func(), err error) {
	if id == "" {
		return func() {}, nil
	}
	if unlock, err = e.locks.RLock(ctx, lock.Name(imageLock+id)); err != nil {
		return nil, err
	}
	if _, err = e.images.Resolve(ctx, id); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// requireLasting refuses to depend on a container that is being removed.
func requireLasting(tx store.Tx, ids []string) error {
	for _, id := range ids {
		c, err := tx.Containers().Container(id)
		if err != nil {
			return err
		}
		if c.State.Status == container.Removing {
			return errdefs.Conflict("container %s is being removed: nothing can depend on it", c.Config.Name)
		}
	}
	return nil
}

// nameTries is how often another random name is tried.
const nameTries = 10

func (e *Engine) addContainer(ctx context.Context, d store.Durability, n *newContainer) error {
	c := &n.Container
	for try := 0; ; try++ {
		err := e.store.Update(ctx, d, func(tx store.UpdateTx) error {
			if err := addVolumes(tx, n.volumes); err != nil {
				return err
			}
			if err := allocateIDs(tx, &c.Config, e.facts); err != nil {
				return err
			}
			if err := requireLasting(tx, c.Config.Dependencies); err != nil {
				return err
			}
			if err := tx.ContainerWriter().Add(c); err != nil {
				return err
			}
			return tx.Writer().Append(containerEvent(c, event.Create))
		})
		if errdefs.Class(err) != errdefs.ErrAlreadyExists {
			return err
		}
		if n.named {
			if finished, ferr := e.finishRemoval(ctx, c.Config.Name); ferr != nil || !finished || try > 0 {
				return err
			}
			continue
		}
		if try == nameTries {
			return err
		}
		c.Config.Name = randomName() + "_" + c.Config.ID[:4] // where there are many, two words do not do
	}
}

// dropNew removes the record of a container whose creation failed, if there is one.
func (e *Engine) dropNew(ctx context.Context, n *newContainer) error {
	return e.store.Update(ctx, store.Synced, func(tx store.UpdateTx) error {
		if _, err := tx.Containers().Container(n.Config.ID); errdefs.Class(err) == errdefs.ErrNotFound {
			return nil
		}
		return deleteRecord(tx, &n.Container, true, containerEvent(&n.Container, event.Remove))
	})
}

// finishRemoval frees a name that a container holds whose removal has begun and whose remover has died.
func (e *Engine) finishRemoval(ctx context.Context, name string) (bool, error) {
	c, err := e.lookup(ctx, name)
	if err != nil || c.Config.Name != name {
		return false, nil
	}
	if c.State.Status != container.Removing && !c.Config.AutoRemove {
		return false, nil
	}
	unlock, ok, err := e.locks.TryLock(c.Config.ID)
	if err != nil || !ok {
		return false, err
	}
	defer unlock()
	if c, err = e.reread(ctx, c.Config.ID); err != nil || c.State.Status != container.Removing {
		return false, nil
	}
	return true, e.removeLocked(ctx, c, false)
}

// commitOrReplace adds the container; with replace, in place of the one that has its name, which is removed only now that nothing
// else can be wrong. Others may do the same at the same time.
func (e *Engine) commitOrReplace(ctx context.Context, n *newContainer, replace bool) (*claim, error) {
	for try := 0; ; try++ {
		if replace {
			if err := e.replace(ctx, n.Config.Name); err != nil {
				return nil, err
			}
		}
		cl, err := e.commitNew(ctx, n)
		if err == nil || !replace || try == nameTries || errdefs.Class(err) != errdefs.ErrAlreadyExists {
			return cl, err
		}
	}
}

// replace removes the container that has the name.
func (e *Engine) replace(ctx context.Context, name string) error {
	c, err := e.lookup(ctx, name)
	if errdefs.Class(err) == errdefs.ErrNotFound || err == nil && c.Config.Name != name {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = e.remove(ctx, c.Config.ID, RemoveOptions{Force: true, Volumes: true})
	if errdefs.Class(err) == errdefs.ErrNotFound {
		return nil // somebody was faster
	}
	return err
}

// validateCreate refuses what cannot be, before anything is pulled.
func validateCreate(o CreateOptions) error {
	if o.Name != "" {
		if err := container.CheckName(o.Name); err != nil {
			return err
		}
	}
	switch {
	case o.Image == "" && o.Rootfs == "":
		return errdefs.Invalid("an image is needed, or a root file system with --rootfs")
	case o.Image != "" && o.Rootfs != "":
		return errdefs.Invalid("an image and a root file system exclude each other: %s and %s", o.Image, o.Rootfs)
	case o.AutoRemove && o.Restart.Name != "" && o.Restart.Name != "no":
		return errdefs.Invalid("--rm and --restart %s exclude each other", o.Restart.Name)
	case o.Namespaces.Hostname != "" && o.Namespaces.UTS.Mode == container.Host:
		return errdefs.Invalid("--hostname %s and --uts host exclude each other: the host's name is not a container's to change", o.Namespaces.Hostname)
	case slices.Contains(strings.Split(o.Resources.CgroupParent, "/"), ".."):
		return errdefs.Invalid("--cgroup-parent %s: the path has no .. in it", o.Resources.CgroupParent)
	case o.Resources.Cgroups == "disabled" && !ownPIDNamespace(o.Namespaces):
		return errdefs.Invalid("--cgroups disabled and --pid %s exclude each other: nothing would tell the container's processes from others", o.Namespaces.PID.Mode)
	case slices.Contains(o.Groups, "keep-groups"):
		return errdefs.NotImplemented("--group-add keep-groups is for users without root, which is not supported yet")
	case o.NoHealthcheck && o.Health != nil && len(o.Health.Test) > 0:
		return errdefs.Invalid("--no-healthcheck and --health-cmd exclude each other")
	}
	return nil
}

// imageFor is the image of the options, pulled as they say; nil for a root file system.
func (e *Engine) imageFor(ctx context.Context, o CreateOptions) (*image.Image, error) {
	if o.Rootfs == "" {
		return e.pullAsAsked(ctx, o)
	}
	fi, err := os.Stat(o.Rootfs)
	if err != nil {
		return nil, errdefs.Invalid("root file system %s: %w", o.Rootfs, err)
	}
	if !fi.IsDir() {
		return nil, errdefs.Invalid("root file system %s is not a directory", o.Rootfs)
	}
	return nil, nil
}

// pullAsAsked finds the image in the store or pulls it, as the policy says. An image that is there costs one look-up.
func (e *Engine) pullAsAsked(ctx context.Context, o CreateOptions) (*image.Image, error) {
	if o.Pull == "" || o.Pull == PullMissing || o.Pull == PullNever {
		img, err := e.images.Resolve(ctx, o.Image)
		if err == nil && o.Platform == "" {
			return img, img.Check(e.images.Host())
		}
		if err != nil && (o.Pull == PullNever || errdefs.Class(err) != errdefs.ErrNotFound) {
			return nil, err
		}
	}
	ids, err := e.Images.Pull(ctx, o.Image, image.PullOptions{Policy: image.PullPolicy(o.Pull), Platform: o.Platform, Progress: o.Progress})
	if err != nil {
		return nil, err
	}
	return e.images.Resolve(ctx, ids[len(ids)-1])
}

// randomName is a name for a container that was given none.
func randomName() string {
	var seed [16]byte
	rand.Read(seed[:])
	return container.RandomName(mathrand.New(mathrand.NewPCG(binary.NativeEndian.Uint64(seed[:8]), binary.NativeEndian.Uint64(seed[8:]))))
}

func newID() string {
	var b [32]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// configure makes the container's configuration of the options, the image and containers.conf.
func (e *Engine) configure(ctx context.Context, o CreateOptions, img *image.Image) (cfg container.Config, volumes []newVolume, warnings []string, err error) {
	cfg = container.Config{
		ID: newID(), Name: o.Name, Namespace: e.settings.namespace, Created: now(), CreateCommand: o.CreateCommand, CIDFile: o.CIDFile,
		Resources: o.Resources, Security: o.Security, Namespaces: o.Namespaces, Network: o.Network,
		Devices: o.Devices, ShmSize: o.ShmSize, ReadOnly: o.ReadOnly, ReadWriteTmpfs: o.ReadWriteTmpfs == nil || *o.ReadWriteTmpfs,
		Init: o.Init || e.config.Containers.Init, InitPath: o.InitPath, Annotations: o.Annotations, Restart: o.Restart, AutoRemove: o.AutoRemove,
		Runtime: o.Runtime, Hosts: o.Hosts, PreserveFDs: o.PreserveFDs, HostUsers: o.HostUsers, Timezone: o.Timezone, Umask: o.Umask,
	}
	if cfg.Name == "" {
		cfg.Name = randomName()
	}
	if o.Rootfs != "" {
		if cfg.RootfsPath, err = filepath.Abs(o.Rootfs); err != nil {
			return cfg, nil, nil, errdefs.Invalid("root file system %s: %w", o.Rootfs, err)
		}
		cfg.RootfsOverlay = o.RootfsOverlay
	}
	if img == nil {
		img = &image.Image{}
	}
	applyImage(&cfg, o, img)
	e.applyProcess(&cfg, o, img)
	o.StopSignal = or(o.StopSignal, img.Config.Config.StopSignal)
	if err = e.applyDefaults(&cfg, o); err != nil {
		return cfg, nil, nil, err
	}
	if len(cfg.Process.Args()) == 0 {
		return cfg, nil, nil, errdefs.Invalid("no command: neither the command line nor the image %s names one", o.Image)
	}
	if err = e.resolveTargets(ctx, &cfg, o.Requires); err != nil {
		return cfg, nil, nil, err
	}
	if volumes, err = e.planMounts(ctx, &cfg, o, slices.Sorted(maps.Keys(img.Config.Config.Volumes))); err != nil {
		return cfg, nil, nil, err
	}
	if err = e.checkIDMapped(ctx, &cfg); err != nil {
		return cfg, nil, nil, err
	}
	warnings, err = e.checkConfig(&cfg)
	return cfg, volumes, warnings, err
}

// applyImage records what the container is made from, and takes labels and health check from it.
func applyImage(cfg *container.Config, o CreateOptions, img *image.Image) {
	cfg.Image = imageOf(o, img)
	cfg.Labels = maps.Clone(img.Config.Config.Labels)
	if cfg.Labels == nil && o.Labels != nil {
		cfg.Labels = map[string]string{}
	}
	maps.Copy(cfg.Labels, o.Labels)
	cfg.Health = mergeHealth(img.Health, o)
}

// imageOf is the record of an image that a container is made from.
func imageOf(o CreateOptions, img *image.Image) container.Image {
	record := container.Image{
		ID: img.ID, Name: o.Image, RawName: o.Image, Digest: img.Digest, Layers: img.Layers,
		OS: img.Config.OS, Architecture: img.Config.Architecture, Variant: img.Config.Variant, Command: img.Config.Config.Cmd,
	}
	if len(img.Names) > 0 && !slices.Contains(img.Names, o.Image) {
		record.Name = nameFor(img, o.Image)
	}
	return record
}

// nameFor is the full name of an image that the user called ref: the first that ends like it, else the first.
func nameFor(img *image.Image, ref string) string {
	for _, name := range img.Names {
		if strings.HasSuffix(strings.TrimSuffix(name, ":latest"), "/"+strings.TrimSuffix(ref, ":latest")) {
			return name
		}
	}
	return img.Names[0]
}

// Docker's defaults for a health check (OCI image specification, Docker's extension).
const (
	healthInterval = 30 * time.Second
	healthTimeout  = 30 * time.Second
	healthRetries  = 3
)

// mergeHealth lays the options' health check over the image's.
func mergeHealth(img *image.Health, o CreateOptions) *container.Health {
	if o.NoHealthcheck {
		return noHealthcheck()
	}
	var h *container.Health
	if img != nil {
		h = &container.Health{
			Test: img.Test, Interval: img.Interval, Timeout: img.Timeout, StartPeriod: img.StartPeriod,
			StartInterval: img.StartInterval, Retries: img.Retries,
		}
	}
	return overlayHealth(h, o.Health)
}

// noHealthcheck says that there is to be no check, whatever the image says.
func noHealthcheck() *container.Health { return &container.Health{Test: []string{"NONE"}} }

// overlayHealth lays the fields of one check that are set over another, either of which may be nil. Nil if there is no check then.
func overlayHealth(under, over *container.Health) *container.Health {
	h := container.Health{}
	if under != nil {
		h = *under
	}
	if u := over; u != nil {
		if len(u.Test) > 0 {
			h.Test = u.Test
		}
		h.Interval, h.Timeout = or(u.Interval, h.Interval), or(u.Timeout, h.Timeout)
		h.StartPeriod, h.StartInterval = or(u.StartPeriod, h.StartPeriod), or(u.StartInterval, h.StartInterval)
		h.Retries, h.OnFailure = or(u.Retries, h.Retries), or(u.OnFailure, h.OnFailure)
	}
	if len(h.Test) == 0 {
		return nil
	}
	h.Interval, h.Timeout, h.Retries = or(h.Interval, healthInterval), or(h.Timeout, healthTimeout), or(h.Retries, healthRetries)
	return &h
}

// or is a, or b if a is zero.
func or[T comparable](a, b T) T {
	var zero T
	if a != zero {
		return a
	}
	return b
}

// applyProcess decides what is run, as whom, where, and with which environment.
func (e *Engine) applyProcess(cfg *container.Config, o CreateOptions, img *image.Image) {
	ic := img.Config.Config
	p := &cfg.Process
	p.Entrypoint, p.Command = ic.Entrypoint, ic.Cmd
	if o.Entrypoint != nil {
		p.Entrypoint, p.Command = *o.Entrypoint, nil
	}
	if len(o.Command) > 0 {
		p.Command = o.Command
	}
	p.WorkDir = or(o.WorkDir, or(ic.WorkingDir, "/"))
	p.User = or(o.User, ic.User)
	p.Groups, p.Terminal, p.Stdin, p.StdinOnce = o.Groups, o.Terminal, o.Stdin, o.StdinOnce
	p.OOMScoreAdj, p.Rlimits = o.OOMScoreAdj, o.Rlimits
	p.Env = e.environment(o, ic.Env)
}

// proxies are the variables that a container is given of the engine's own environment, as podman does (containers.conf(5), http_proxy).
var proxies = []string{"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY"}

// hostEnvironment is what a container is given of this process's environment: all with env_host, the proxies without http_proxy=false.
func (e *Engine) hostEnvironment() []string {
	conf := e.config.Containers
	if conf.EnvHost != nil && *conf.EnvHost {
		return os.Environ()
	}
	if conf.HTTPProxy != nil && !*conf.HTTPProxy {
		return nil
	}
	var env []string
	for _, name := range proxies {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// environment is the configuration's, the image's and the options', the later winning.
func (e *Engine) environment(o CreateOptions, fromImage []string) []string {
	var env []string
	if !o.UnsetAll {
		env = slices.Concat(e.hostEnvironment(), e.config.Containers.Env, fromImage)
	}
	env = append(env, o.Env...)
	last := make(map[string]int, len(env))
	for i, v := range env {
		name, _, _ := strings.Cut(v, "=")
		last[name] = i
	}
	for _, name := range o.UnsetEnv {
		delete(last, name)
	}
	kept := env[:0]
	for i, v := range env {
		name, _, _ := strings.Cut(v, "=")
		if at, ok := last[name]; ok && at == i {
			kept = append(kept, v)
		}
	}
	return kept
}
