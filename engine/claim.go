package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
)

// A claim is a file in the run directory that says that somebody answers for a container, an exec session or the removal of a volume:
// its holder has a shared flock(2) on it, which the kernel drops when the holder dies, however it dies. A claim that nobody holds is
// something that somebody left half-way; sweep finds it and finishes it.
//
//	ID.verb   held by the process of a verb until the container is whole again
//	ID.life   held by the monitor of a container that removes itself or is restarted by its policy, then by the clean-up that the monitor becomes
//	ID.exec   held by the process that starts an exec session, then by its monitor and the clean-up that the monitor becomes
//	ID.commit held by the process that commits a container and has paused it for that
//	ID.volume held by the process that removes a volume, and noting its name; the ID is no container's
type claim struct {
	path string
	file *os.File
}

const (
	verbClaim   = ".verb"
	lifeClaim   = ".life"
	execClaim   = ".exec"
	commitClaim = ".commit"
	volumeClaim = ".volume"
)

// claim makes the claim, or joins in one that others hold.
func (e *Engine) claim(id, kind string) (*claim, error) {
	path := filepath.Join(e.paths.claims(), id+kind)
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, errdefs.Internal("claiming %s: %w", short(id), err)
		}
		if err := flock(f, syscall.LOCK_SH); err != nil {
			f.Close()
			return nil, errdefs.Internal("claiming %s: %w", short(id), err)
		}
		// A sweep may have removed the file between the two calls.
		var st syscall.Stat_t
		if err := syscall.Fstat(int(f.Fd()), &st); err == nil && st.Nlink > 0 {
			return &claim{path: path, file: f}, nil
		}
		f.Close()
	}
}

// done ends the claim: nothing is left to be finished. A nil claim is none.
func (c *claim) done() {
	if c == nil {
		return
	}
	os.Remove(c.path)
	c.file.Close()
}

// leave gives up this process's part; the claim stands as long as others hold it, and calls for a sweep after that. The lock
// is not released but closed: it is shared with those who inherited the file.
func (c *claim) leave() {
	if c != nil {
		c.file.Close()
	}
}

// claimed reports whether somebody holds the claim.
func (e *Engine) claimed(id, kind string) bool {
	f, err := os.OpenFile(filepath.Join(e.paths.claims(), id+kind), os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return flock(f, syscall.LOCK_EX|syscall.LOCK_NB) != nil
}

// flock retries after signals.
func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if err != syscall.EINTR {
			return err
		}
	}
}

// sweep recovers every container and exec session whose claim nobody holds. It waits for nobody: what is locked is in somebody's hands.
func (e *Engine) sweep(ctx context.Context) {
	entries, err := os.ReadDir(e.paths.claims())
	if err != nil {
		e.log.Warn("looking for unfinished work", "error", err)
		return
	}
	for _, entry := range entries {
		id, _, ok := strings.Cut(entry.Name(), ".")
		if !ok || ctx.Err() != nil {
			continue
		}
		if err := e.sweepOne(ctx, id, filepath.Join(e.paths.claims(), entry.Name())); err != nil {
			e.log.Warn("recovering what somebody left half-way", "id", id, "error", err)
		}
	}
}

func (e *Engine) sweepOne(ctx context.Context, id, path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil // gone: done by its holder
	}
	defer f.Close()
	if flock(f, syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return nil
	}
	if filepath.Ext(path) == execClaim {
		_, err := e.recoverExec(ctx, id)
		return err
	}
	unlock, ok, err := e.locks.TryLock(id)
	if err != nil || !ok {
		return err
	}
	defer unlock()
	if filepath.Ext(path) == commitClaim {
		return e.sweepCommit(ctx, id, path)
	}
	settled, err := e.recover(ctx, id)
	if err != nil {
		return err
	}
	if !settled {
		f.Close() // the start claims the container for itself
		return e.restartAbandoned(ctx, id)
	}
	if err := e.removeNotedVolumes(ctx, path); err != nil {
		return err
	}
	return os.Remove(path)
}

// sweepCommit lets a container go on whose commit died. The caller holds the container's lock and the claim's.
func (e *Engine) sweepCommit(ctx context.Context, id, path string) error {
	c, err := e.reread(ctx, id)
	if err == nil {
		err = e.thawCommitted(ctx, c)
	}
	if err != nil && errdefs.Class(err) != errdefs.ErrNotFound {
		return err
	}
	return os.Remove(path)
}

// noteVolumes writes into the container's claims which volumes it has, before its record, which says so too, is removed: whoever comes
// upon the claim then removes the contents of those that have no record any more.
func (e *Engine) noteVolumes(c *container.Container) error {
	names := strings.Join(volumeNames(c), "\n")
	if names == "" {
		return nil
	}
	for _, kind := range []string{verbClaim, lifeClaim} {
		f, err := os.OpenFile(filepath.Join(e.paths.claims(), c.Config.ID+kind), os.O_WRONLY, 0)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			_, err = f.WriteString(names)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			return errdefs.Internal("claiming container %s: %w", c.Config.Name, err)
		}
	}
	return nil
}

// removeNotedVolumes removes the contents of volumes that a claim names and that have no record.
func (e *Engine) removeNotedVolumes(ctx context.Context, path string) error {
	names, err := os.ReadFile(path)
	if err != nil || len(names) == 0 {
		return nil // a claim without a note
	}
	return e.removeUnrecorded(ctx, strings.Split(string(names), "\n"))
}
