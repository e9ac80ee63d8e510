package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/host"
	"github.com/berth-engine/berth/image"
	"github.com/berth-engine/berth/internal/config"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/backend"
	"github.com/berth-engine/berth/volume"
)

// CheckReport is what Check found.
type CheckReport struct {
	Problems []Problem
}

// Problem is one thing that is not as it should be.
type Problem struct {
	// Object is what it is about, as in "container web" or "volume data".
	Object string
	// What is wrong.
	What string
	// Remedy is what was done about it, or what can be done.
	Remedy   string
	Repaired bool
}

// Check looks for what does not fit together: the database's own structure, directories that no record knows, records whose
// directories are gone, images without their layers, containers that a dead process left half-way. With repair it puts right
// what can be put right: it rebuilds a damaged database from what can be read of it and keeps the damaged one, finishes what
// was left half-way, and removes directories that nothing knows and in which nothing runs. It never removes a volume's contents. What somebody else is at
// work on is left alone.
//
// It takes Open's options and opens the engine itself, since a damaged database cannot be opened. A database that is damaged
// and not repaired is the only problem reported: nothing else can be looked at. ErrConflict if the database must be repaired
// while another process has it open, and for an engine in a namespace, which does not see all records.
func Check(ctx context.Context, repair bool, opts ...Option) (*CheckReport, error) {
	s := newSettings(opts)
	if s.namespace != "" {
		return nil, errdefs.Conflict("the check must see all records: run it without --namespace")
	}
	p, err := newPaths(s.root, s.runRoot)
	if err != nil {
		return nil, err
	}
	conf, err := config.Load(s.configFile)
	if err != nil {
		return nil, err
	}
	kind, err := databaseKind(s, conf)
	if err != nil {
		return nil, err
	}
	c := &check{repair: repair, kind: kind, report: &CheckReport{}}
	if readable, err := c.database(ctx, p.database()); err != nil || !readable {
		return c.report, err
	}
	if c.e, err = Open(ctx, opts...); err != nil {
		return nil, err
	}
	defer c.e.Close()
	for _, part := range []func(context.Context) error{c.unfinished, c.containers, c.containerFiles, c.images, c.volumes} {
		if err := part(ctx); err != nil {
			return nil, err
		}
	}
	return c.report, nil
}

// check is one run of Check.
type check struct {
	e      *Engine
	repair bool
	kind   backend.Kind // what the database is configured to be
	// rebuilt: the database was, so that a directory that no record knows may be one whose record was lost.
	rebuilt bool
	report  *CheckReport
}

// found notes a problem that nothing is done about here.
func (c *check) found(object, what, remedy string) {
	c.report.Problems = append(c.report.Problems, Problem{Object: object, What: what, Remedy: remedy})
}

// mend notes a problem and, when asked to, repairs it.
func (c *check) mend(object, what, remedy string, do func() error) {
	p := Problem{Object: object, What: what, Remedy: "berth system check --repair can put it right"}
	if c.repair {
		if err := do(); err != nil {
			p.Remedy = "not repaired: " + err.Error()
		} else {
			p.Remedy, p.Repaired = remedy, true
		}
	}
	c.report.Problems = append(c.report.Problems, p)
}

// database reads the whole database, and reports whether it can be opened.
func (c *check) database(ctx context.Context, path string) (readable bool, err error) {
	err = backend.Check(ctx, path)
	switch {
	case err == nil, errdefs.Class(err) == errdefs.ErrNotFound:
		return true, nil // a new one is made by Open
	case !errors.Is(err, store.ErrCorrupt):
		return false, err
	case !c.repair:
		c.found("database", err.Error(), "")
		return false, nil
	}
	done, rerr := backend.Repair(ctx, c.kind, path)
	if rerr != nil {
		return false, rerr
	}
	c.rebuilt = true
	remedy := fmt.Sprintf("rebuilt with %d containers, %d volumes and %d events; the damaged one is %s",
		done.Containers, done.Volumes, done.Events, done.Kept)
	if len(done.Lost) > 0 {
		remedy += "; lost: " + strings.Join(done.Lost, ", ")
	}
	c.report.Problems = append(c.report.Problems, Problem{Object: "database", What: "it was damaged", Remedy: remedy, Repaired: true})
	return true, nil
}

// unfinished looks for claims that nobody holds: what a process that died left half-way.
func (c *check) unfinished(ctx context.Context) error {
	entries, err := os.ReadDir(c.e.paths.claims())
	if err != nil {
		return errdefs.Internal("reading the claims: %w", err)
	}
	for _, entry := range entries {
		id, _, ok := strings.Cut(entry.Name(), ".")
		path := filepath.Join(c.e.paths.claims(), entry.Name())
		if !ok || claimHeld(path) {
			continue
		}
		c.mend("container "+short(id), "an operation on it was left half-way", "finished or undone", func() error {
			return c.e.sweepOne(ctx, id, path)
		})
	}
	return nil
}

// containers looks at each record: whether what it needs is there, and whether its state is true.
func (c *check) containers(ctx context.Context) error {
	all, err := c.e.all(ctx)
	if err != nil {
		return err
	}
	for _, record := range all {
		name, id := "container "+record.Config.Name, record.Config.ID
		started := record.State.Run > 0 && record.Config.RootfsPath == ""
		if started && record.State.Status != container.Removing && !isDirectory(c.e.paths.container(id)) {
			c.found(name, "its directory "+c.e.paths.container(id)+" is gone, and with it what it wrote", "remove it with berth rm")
		}
		for _, layer := range record.Config.Image.Layers {
			if !isDirectory(layer) {
				c.found(name, "a layer of its image is gone: "+layer, "pull the image again, or remove the container")
				break
			}
		}
		if record.State.Status.Alive() && !c.e.alive(record.State) && !c.e.monitorAlive(record.State) {
			c.mend(name, "it is recorded as "+string(record.State.Status)+" and does not run", "its end was recorded", func() error {
				return c.e.locked(ctx, id, func(*container.Container) error { return nil })
			})
		}
	}
	return nil
}

// containerFiles looks for directories of containers that no record knows.
func (c *check) containerFiles(ctx context.Context) error {
	for _, parent := range []string{filepath.Join(c.e.paths.root, "containers"), filepath.Join(c.e.paths.run, "containers")} {
		entries, err := os.ReadDir(parent)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errdefs.Internal("reading %s: %w", parent, err)
		}
		for _, entry := range entries {
			if err := c.containerFile(ctx, parent, entry.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *check) containerFile(ctx context.Context, parent, id string) error {
	if !isID(id) {
		c.found("directory "+filepath.Join(parent, id), "it is no container's", "remove it")
		return nil
	}
	unlock, ok, err := c.e.locks.TryLock(id)
	if err != nil || !ok {
		return err // somebody is at work on it
	}
	defer unlock()
	_, err = c.e.reread(ctx, id)
	if err == nil || errdefs.Class(err) != errdefs.ErrNotFound {
		return err
	}
	object, what := "directory "+filepath.Join(parent, id), "no container has it"
	if r, err := readRunRecord(c.e.paths.containerRun(id)); err == nil && (host.Alive(r.PID.Pid, r.PID.Start) || host.Alive(r.Monitor.Pid, r.Monitor.Start)) {
		c.found(object, fmt.Sprintf("no container has it, and one runs in it: its record was lost with the database (process %d, monitor %d)", r.PID.Pid, r.Monitor.Pid),
			"bring back the database that it was in, or save what is worth it from upper/ in it, end both processes, then repair once more")
		return nil
	}
	if c.rebuilt {
		c.found(object, what, "its record was lost with the database: save what is worth it from upper/ in it, then repair once more")
		return nil
	}
	c.mend(object, what, "removed", func() error {
		_, err := c.e.recover(ctx, id)
		return err
	})
	return nil
}

// images looks for images whose layers are gone.
func (c *check) images(ctx context.Context) error {
	all, err := c.e.images.List(ctx, image.ListOptions{All: true})
	if err != nil {
		return err
	}
	for _, img := range all {
		name := "image " + short(img.ID)
		if len(img.Names) > 0 {
			name = "image " + img.Names[0]
		}
		for _, layer := range img.Layers {
			if !isDirectory(layer) {
				c.found(name, "a layer is gone: "+layer, "remove the image with berth rmi --force and pull it again")
				break
			}
		}
	}
	return nil
}

// volumes looks for volumes without a directory and directories without a volume. Neither is repaired: it is people's data.
func (c *check) volumes(ctx context.Context) error {
	var all []*volume.Volume
	err := c.e.store.View(ctx, func(tx store.Tx) (err error) {
		all, err = tx.Volumes().All()
		return err
	})
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, v := range all {
		known[v.Name] = true
		if !isDirectory(v.Mountpoint) {
			c.found("volume "+v.Name, "its directory "+v.Mountpoint+" is gone", "remove the volume with berth volume rm, or restore the directory")
		}
	}
	entries, err := os.ReadDir(c.e.paths.volumes())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errdefs.Internal("reading %s: %w", c.e.paths.volumes(), err)
	}
	for _, entry := range entries {
		// What begins with a dot is the driver's own.
		if entry.IsDir() && !known[entry.Name()] && !strings.HasPrefix(entry.Name(), ".") {
			c.found("directory "+filepath.Join(c.e.paths.volumes(), entry.Name()), "no volume has it", "look at what is in it, then remove it")
		}
	}
	return nil
}

func isDirectory(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.IsDir()
}

// isID reports whether the text is a full ID.
func isID(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// claimHeld reports whether somebody answers for what the claim is about.
func claimHeld(path string) bool {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return true // gone: done by its holder
	}
	defer f.Close()
	return flock(f, syscall.LOCK_EX|syscall.LOCK_NB) != nil
}
