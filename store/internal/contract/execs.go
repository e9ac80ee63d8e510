package contract

import (
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/rules"
)

// execs implements store.ExecReader. A session is seen when its container is.
type execs struct{ *Tx }

// visible reports whether a session is to be seen.
func (t execs) visible(s *container.ExecSession) (bool, error) {
	if t.namespace == "" {
		return true, nil
	}
	_, found, err := t.object(Container, s.Container)
	return found, err
}

// exact returns the visible session with this full ID, nil if there is none.
func (t execs) exact(id string) (*container.ExecSession, error) {
	s, err := t.rows.Execs.Exec(id)
	if err != nil || s == nil {
		return nil, err
	}
	if ok, err := t.visible(s); !ok || err != nil {
		return nil, err
	}
	return s, nil
}

func (t execs) Exec(ref string) (*container.ExecSession, error) {
	if ref == "" {
		return nil, rules.EmptyReference("exec session")
	}
	if s, err := t.exact(ref); s != nil || err != nil {
		return s, err
	}
	found, err := t.rows.Execs.WithPrefix(ref, t.namespace)
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
	if _, found, err := t.object(Container, id); !found || err != nil {
		return nil, err
	}
	all, err := t.rows.Execs.Of(id)
	rules.OldestExecFirst(all)
	return all, err
}

// execWriter implements store.ExecWriter.
type execWriter struct{ execs }

func (t execWriter) Put(s *container.ExecSession) error {
	if s.ID == "" {
		return errdefs.Invalid("an exec session of container %s has no ID", s.Container)
	}
	if _, err := (containers{t.Tx}).exists(s.Container); err != nil {
		return err
	}
	old, err := t.rows.Execs.Exec(s.ID)
	if err == nil && old != nil && old.Container != s.Container {
		err = rules.OthersExec(s, old.Container)
	}
	if err != nil {
		return err
	}
	return t.rows.Execs.Put(s)
}

func (t execWriter) Remove(id string) error {
	s, err := t.exact(id)
	if err != nil || s == nil {
		return err
	}
	return t.rows.Execs.Delete(s)
}

func (t execWriter) RemoveOf(containerID string) error {
	all, err := t.OfContainer(containerID)
	if err != nil {
		return err
	}
	return t.removeIf(all, func(*container.ExecSession) bool { return true })
}

func (t execWriter) PruneExited(now time.Time) error {
	all, err := t.rows.Execs.Of("")
	if err != nil {
		return err
	}
	return t.removeIf(all, func(s *container.ExecSession) bool { return rules.ExecEnded(s, now) })
}

// removeIf removes those of the sessions that are visible and match.
func (t execWriter) removeIf(all []*container.ExecSession, match func(*container.ExecSession) bool) error {
	for _, s := range all {
		if !match(s) {
			continue
		}
		ok, err := t.visible(s)
		if err == nil && ok {
			err = t.rows.Execs.Delete(s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
