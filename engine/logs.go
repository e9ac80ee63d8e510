package engine

import (
	"context"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/logs"
)

// Logs gives fn the lines of the container's log that the options select. With Follow it goes on until the container has exited
// and all it wrote has been given, or until ctx ends. It takes no lock.
//
// ErrConflict if the container's output was not logged.
func (s *Containers) Logs(ctx context.Context, ref string, o LogsOptions, fn func(logs.Line) error) error {
	e := s.e
	c, err := e.lookup(ctx, ref)
	if err != nil {
		return err
	}
	l := e.logConfig(c)
	if l.Driver == "none" {
		return errdefs.Conflict("container %s does not keep its output: it was created with --log-driver none", c.Config.Name)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	if o.Follow {
		go func() {
			e.untilLogEnds(ctx, c)
			close(done)
		}()
	} else if !e.alive(c.State) && !e.monitorAlive(c.State) {
		close(done) // only then is a record without its end all there will be of it
	}
	return logs.Read(ctx, logs.Options{
		Driver: l.Driver, Path: l.Path, Since: o.Since, Until: o.Until, Tail: o.Tail, Follow: o.Follow, Done: done,
	}, fn)
}

// untilLogEnds returns when no more will be written: the monitor tells of the exit after the last byte.
func (e *Engine) untilLogEnds(ctx context.Context, c *container.Container) {
	if _, err := e.waitNotRunning(ctx, c); err != nil && ctx.Err() == nil {
		e.log.Debug("following a log", "id", c.Config.ID, "error", err)
	}
}

// Port returns the container's published ports.
func (s *Containers) Port(ctx context.Context, ref string) ([]container.Port, error) {
	c, err := s.e.lookup(ctx, ref)
	if err != nil {
		return nil, err
	}
	return c.Config.Network.Ports, nil
}
