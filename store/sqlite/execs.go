package sqlite

import (
	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/store/internal/rules"
)

// execs implements contract.Execs.
type execs struct{ *tx }

func (t execs) Exec(id string) (*container.ExecSession, error) {
	all, err := t.list("SELECT session FROM exec WHERE id = ?", id)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

func (t execs) WithPrefix(prefix, namespace string) ([]*container.ExecSession, error) {
	return t.list(`SELECT session FROM exec WHERE id > ?1 AND id < ?2
		AND (?3 = '' OR container IN (SELECT id FROM object WHERE namespace = ?3)) LIMIT 2`, prefix, afterPrefix(prefix), namespace)
}

func (t execs) Of(containerID string) ([]*container.ExecSession, error) {
	if containerID == "" {
		return t.list("SELECT session FROM exec ORDER BY seq")
	}
	return t.list("SELECT session FROM exec WHERE container = ? ORDER BY seq", containerID)
}

func (t execs) list(sql string, args ...any) (all []*container.ExecSession, err error) {
	err = t.query(sql, func(r row) error {
		s := new(container.ExecSession)
		all = append(all, s)
		return t.decode(r, 0, s)
	}, args...)
	return all, err
}

func (t execs) Put(s *container.ExecSession) error {
	b, err := rules.Encode(s)
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO exec (id, container, session) VALUES (?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET container = excluded.container, session = excluded.session`, s.ID, s.Container, b)
}

func (t execs) Delete(s *container.ExecSession) error {
	return t.exec("DELETE FROM exec WHERE id = ?", s.ID)
}
