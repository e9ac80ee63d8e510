package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store/internal/gate"
	"github.com/berth-engine/berth/store/internal/rules"
	"github.com/berth-engine/berth/volume"
)

// maxProblems is how many problems Check names.
const maxProblems = 5

// Check reads the whole database at path and says what is wrong with it: store.ErrCorrupt. It takes time in proportion to the
// size of the file, holds nobody up and changes nothing. ErrNotFound; store.ErrNewer; ErrConflict if it is another back end's.
func Check(ctx context.Context, path string) error {
	s, c, err := reach(ctx, path)
	if err != nil {
		return err
	}
	defer s.Close()
	defer s.give(c)
	version, err := c.known(ctx)
	if err != nil {
		return orOtherKind(path, err)
	}
	if err := c.beginRead(ctx); err != nil {
		return err
	}
	defer c.rollback(nil)
	found, err := c.problems(ctx, version)
	if err != nil || len(found) == 0 {
		return err
	}
	more := ""
	if n := len(found) - maxProblems; n > 0 {
		found, more = found[:maxProblems], fmt.Sprintf("; and %d more", n)
	}
	return rules.Damaged(path, strings.Join(found, "; ")+more)
}

// reach opens an existing database as far as it can be without reading it.
func reach(ctx context.Context, path string) (*Store, *conn, error) {
	if err := unfinishedRepair(path); err != nil {
		return nil, nil, err
	}
	there, err := exists(path)
	if err != nil {
		return nil, nil, err
	}
	if !there {
		return nil, nil, errdefs.NotFound("%s: there is no database", path)
	}
	g, err := gate.Open(path)
	if err != nil {
		return nil, nil, err
	}
	s := &Store{path: path, gate: g}
	if err := g.Use(ctx); err != nil {
		s.Close()
		return nil, nil, err
	}
	c, err := s.take()
	if err != nil {
		s.Close()
		return nil, nil, err
	}
	return s, c, nil
}

// known returns the database's version, if it is Berth's and this program can read it.
func (c *conn) known(ctx context.Context) (version int, err error) {
	version, err = c.version(ctx)
	if err != nil {
		return 0, err
	}
	if version > len(migrations) {
		return 0, rules.Newer(c.path, version, len(migrations))
	}
	id, err := c.number("PRAGMA application_id")
	if err == nil && (id != applicationID || version == 0) {
		err = rules.Damaged(c.path, "it is not a database of berth")
	}
	return version, err
}

// problem is a query for the IDs of what does not fit together, with what to say of each.
type problem struct{ sql, says string }

// misfits are those of a database of this version.
func misfits(version int) []problem {
	all := []problem{
		{"SELECT id FROM container WHERE id NOT IN (SELECT id FROM object WHERE kind = 'container')", "container %s has no name"},
		{"SELECT id FROM container WHERE seq NOT IN (SELECT seq FROM state)", "container %s has no state"},
		{"SELECT id FROM object WHERE kind = 'container' AND id NOT IN (SELECT id FROM container)", "a name belongs to container %s, which is not there"},
		{"SELECT id FROM dependency WHERE needed NOT IN (SELECT id FROM container)", "container %s depends on one that is not there"},
		{"SELECT seq FROM state WHERE seq NOT IN (SELECT seq FROM container)", "state %s belongs to no container"},
		{"SELECT id FROM exec WHERE container NOT IN (SELECT id FROM container)", "exec session %s belongs to no container"},
	}
	if version >= versionPods {
		all = append(all,
			problem{"SELECT id FROM pod WHERE id NOT IN (SELECT id FROM object WHERE kind = 'pod')", "pod %s has no name"},
			problem{"SELECT id FROM object WHERE kind = 'pod' AND id NOT IN (SELECT id FROM pod)", "a name belongs to pod %s, which is not there"},
			problem{"SELECT id FROM container WHERE pod != '' AND pod NOT IN (SELECT id FROM pod)", "container %s is of a pod that is not there"})
	}
	return all
}

// problems returns what is wrong with the file and with what is in it.
func (c *conn) problems(ctx context.Context, version int) (found []string, err error) {
	err = c.query("PRAGMA integrity_check", func(r row) error {
		if s := r.ColumnText(0); s != "ok" {
			found = append(found, s)
		}
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	for _, p := range misfits(version) {
		err := c.query(p.sql, func(r row) error {
			found = append(found, fmt.Sprintf(p.says, r.ColumnText(0)))
			return ctx.Err()
		})
		if err != nil {
			return nil, err
		}
	}
	unreadable, err := c.unreadable(ctx, version)
	return append(found, unreadable...), err
}

// unreadable returns which records cannot be decoded.
func (c *conn) unreadable(ctx context.Context, version int) (found []string, err error) {
	for _, table := range []struct {
		name, record string
		into         func() any
	}{
		{"container", "config", func() any { return new(container.Config) }},
		{"state", "state", func() any { return new(container.State) }},
		{"pod", "config", func() any { return new(container.PodConfig) }},
		{"pod", "state", func() any { return new(container.PodState) }},
		{"volume", "volume", func() any { return new(volume.Volume) }},
		{"exec", "session", func() any { return new(container.ExecSession) }},
		{"event", "event", func() any { return new(event.Event) }},
	} {
		if table.name == "pod" && version < versionPods {
			continue
		}
		err := c.query("SELECT seq, "+table.record+" FROM "+table.name, func(r row) error {
			if err := c.decode(r, 1, table.into()); err != nil {
				found = append(found, fmt.Sprintf("%s %d cannot be read", table.name, r.ColumnInt64(0)))
			}
			return ctx.Err()
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// unfinishedRepair is the error for a database that is being replaced by a repaired one, if nobody is at it any more.
func unfinishedRepair(path string) error {
	_, err := os.Stat(path + repaired)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return gate.ExplainFile(err)
	}
	return rules.Damaged(path, "its repair was interrupted, and is finished by another")
}
