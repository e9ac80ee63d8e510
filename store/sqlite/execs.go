package sqlite

import (
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/rules"
)

// execs implements store.ExecReader.
type execs struct{ *tx }

// visible narrows a query to the sessions of the namespace's containers; its parameter 1 is the namespace.
const visible = "(?1 = '' OR container IN (SELECT id FROM container WHERE namespace = ?1))"

func (t execs) Exec(ref string) (*container.ExecSession, error) {
	if ref == "" {
		return nil, rules.EmptyReference("exec session")
	}
	found, err := t.list("SELECT session FROM exec WHERE "+visible+" AND id = ?2", ref)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		found, err = t.list("SELECT session FROM exec WHERE "+visible+" AND id > ?2 AND id < ?3 LIMIT 2", ref, afterPrefix(ref))
	}
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, store.NoExec(ref)
	case len(found) > 1:
		return nil, rules.Ambiguous("exec session", ref)
	}
	return found[0], nil
}

func (t execs) OfContainer(id string) ([]*container.ExecSession, error) {
	all, err := t.list("SELECT session FROM exec WHERE "+visible+" AND container = ?2 ORDER BY seq", id)
	rules.OldestExecFirst(all)
	return all, err
}

// list returns the sessions that a query finds. Its first parameter is the namespace.
func (t execs) list(sql string, args ...any) (all []*container.ExecSession, err error) {
	err = t.query(sql, func(r row) error {
		s := new(container.ExecSession)
		all = append(all, s)
		return t.decode(r, 0, s)
	}, append([]any{t.namespace}, args...)...)
	return all, err
}

// execWriter implements store.ExecWriter.
type execWriter struct{ execs }

func (t execWriter) Put(s *container.ExecSession) error {
	if s.ID == "" {
		return errdefs.Invalid("an exec session of container %s has no ID", s.Container)
	}
	if _, err := (containerWriter{containers{t.tx}}).seq(s.Container); err != nil {
		return err
	}
	b, err := encode(s)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO exec (id, container, session) VALUES (?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET container = excluded.container, session = excluded.session`, s.ID, s.Container, b)
}

func (t execWriter) Remove(id string) error {
	return t.exec("DELETE FROM exec WHERE "+visible+" AND id = ?2", t.namespace, id)
}

func (t execWriter) RemoveOf(containerID string) error {
	return t.exec("DELETE FROM exec WHERE "+visible+" AND container = ?2", t.namespace, containerID)
}

func (t execWriter) PruneExited(now time.Time) error {
	all, err := t.list("SELECT session FROM exec WHERE " + visible)
	if err != nil {
		return err
	}
	for _, s := range all {
		if !rules.ExecEnded(s, now) {
			continue
		}
		if err := t.Remove(s.ID); err != nil {
			return err
		}
	}
	return nil
}
