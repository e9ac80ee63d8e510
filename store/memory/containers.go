package memory

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/rules"
)

// containers implements store.ContainerReader.
type containers struct{ *tx }

// row returns the visible container with this full ID, which is not to be changed.
func (t containers) row(id string) (*containerRow, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	if r, ok := t.containerRows[id]; ok && t.sees(r.c.Config.Namespace) {
		return r, nil
	}
	return nil, store.NoContainer(id)
}

func (t containers) Container(id string) (*container.Container, error) {
	r, err := t.row(id)
	if err != nil {
		return nil, err
	}
	return copyOf(r.c), nil
}

func (t containers) Lookup(ref string) (*container.Container, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	if ref == "" {
		return nil, rules.EmptyReference("container")
	}
	if c, err := t.Container(ref); err == nil {
		return c, nil
	}
	if c, err := t.Container(t.names[ref]); err == nil {
		return c, nil
	}
	var found []string
	for id, r := range t.containerRows {
		if strings.HasPrefix(id, ref) && t.sees(r.c.Config.Namespace) {
			found = append(found, id)
		}
	}
	switch len(found) {
	case 0:
		return nil, store.NoContainer(ref)
	case 1:
		return t.Container(found[0])
	}
	return nil, rules.Ambiguous("container", ref)
}

func (t containers) Each(fn func(*container.Container) bool) error {
	if err := t.usable(); err != nil {
		return err
	}
	rows := slices.SortedFunc(maps.Values(t.containerRows), func(a, b *containerRow) int { return cmp.Compare(a.seq, b.seq) })
	for _, r := range rows {
		if t.sees(r.c.Config.Namespace) && !fn(copyOf(r.c)) {
			break
		}
	}
	return nil
}

// list returns the visible containers that match, oldest first.
func (t containers) list(match func(*container.Container) bool) (all []*container.Container, err error) {
	err = t.Each(func(c *container.Container) bool {
		if match(c) {
			all = append(all, c)
		}
		return true
	})
	rules.OldestFirst(all)
	return all, err
}

func (t containers) All() ([]*container.Container, error) {
	return t.list(func(*container.Container) bool { return true })
}

func (t containers) Alive() ([]*container.Container, error) {
	return t.list(func(c *container.Container) bool { return rules.MayRun(c.State.Status) })
}

func (t containers) ByImage(imageID string) ([]*container.Container, error) {
	return t.list(func(c *container.Container) bool { return imageID != "" && c.Config.Image.ID == imageID })
}

func (t containers) Dependents(id string) ([]string, error) {
	return t.ids(func(c *container.Config) bool {
		return t.sees(c.Namespace) && slices.Contains(c.Dependencies, id)
	})
}

// ids returns the IDs of the containers that match, whatever their namespace, sorted.
func (t containers) ids(match func(*container.Config) bool) ([]string, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	var ids []string
	for id, r := range t.containerRows {
		if match(&r.c.Config) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

func (t containers) NameOwner(name string) (string, error) {
	if err := t.usable(); err != nil {
		return "", err
	}
	id, ok := t.names[name]
	if !ok {
		return "", rules.NoOwner(name)
	}
	return id, nil
}

// containerWriter implements store.ContainerWriter.
type containerWriter struct{ containers }

func (t containerWriter) Add(c *container.Container) error {
	if err := t.usable(); err != nil {
		return err
	}
	cfg := &c.Config
	if err := rules.CheckNew(c, t.namespace); err != nil {
		return err
	}
	if _, ok := t.containerRows[cfg.ID]; ok {
		return rules.IDTaken(cfg.ID)
	}
	if owner, ok := t.names[cfg.Name]; ok {
		return store.NameTaken(cfg.Name, owner)
	}
	for _, id := range rules.Dependencies(cfg) {
		r, ok := t.containerRows[id]
		if !ok {
			return rules.NoDependency(cfg, id)
		}
		if r.c.Config.Namespace != cfg.Namespace {
			return rules.ForeignDependency(cfg, id, r.c.Config.Namespace)
		}
	}
	t.lastRow++
	t.names[cfg.Name] = cfg.ID
	t.containerRows[cfg.ID] = &containerRow{t.lastRow, copyOf(c)}
	delete(t.exitRows, cfg.ID)
	return nil
}

// change replaces a container by a changed copy.
func (t containerWriter) change(id string, fn func(*container.Container) error) error {
	r, err := t.row(id)
	if err != nil {
		return err
	}
	c := copyOf(r.c)
	if err := fn(c); err != nil {
		return err
	}
	t.containerRows[id] = &containerRow{r.seq, copyOf(c)}
	return nil
}

func (t containerWriter) SetState(id string, s container.State) error {
	return t.change(id, func(c *container.Container) error {
		c.State = s
		return nil
	})
}

func (t containerWriter) Rename(id, name string) error {
	return t.change(id, func(c *container.Container) error {
		if name == "" {
			return rules.EmptyName(&c.Config)
		}
		if owner, ok := t.names[name]; ok && owner != id {
			return store.NameTaken(name, owner)
		}
		delete(t.names, c.Config.Name)
		t.names[name] = id
		c.Config.Name = name
		return nil
	})
}

func (t containerWriter) RewriteConfig(next container.Config) error {
	return t.change(next.ID, func(c *container.Container) error {
		if err := rules.CheckRewrite(&c.Config, &next); err != nil {
			return err
		}
		c.Config = next
		return nil
	})
}

func (t containerWriter) Remove(id string) error {
	r, err := t.row(id)
	if err != nil {
		return err
	}
	ids, err := t.Dependents(id)
	if err != nil {
		return err
	}
	if len(ids) > 0 {
		return rules.HasDependents(&r.c.Config, ids)
	}
	if ids := (execs{t.tx}).ids(id); len(ids) > 0 {
		return rules.HasExecs(&r.c.Config, ids)
	}
	delete(t.names, r.c.Config.Name)
	delete(t.containerRows, id)
	if e, ok := t.exitRows[id]; ok {
		e.removed = time.Now()
		t.exitRows[id] = e
	}
	return nil
}

func (t containerWriter) SetExitCode(id string, code int) error {
	r, err := t.row(id)
	if err != nil {
		return err
	}
	t.exitRows[id] = exitRow{namespace: r.c.Config.Namespace, code: code, recorded: time.Now()}
	return nil
}

// execs implements store.ExecReader.
type execs struct{ *tx }

// visible reports whether a session's container is.
func (t execs) visible(s *container.ExecSession) bool {
	r, ok := t.containerRows[s.Container]
	return t.namespace == "" || ok && t.sees(r.c.Config.Namespace)
}

// list returns the visible sessions that match, in the order they were added in.
func (t execs) list(match func(*container.ExecSession) bool) (all []*container.ExecSession) {
	var rows []*execRow
	for _, r := range t.execRows {
		if t.visible(r.s) && match(r.s) {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b *execRow) int { return cmp.Compare(a.seq, b.seq) })
	for _, r := range rows {
		all = append(all, copyOf(r.s))
	}
	return all
}

// ids returns the IDs of all sessions of a container.
func (t execs) ids(containerID string) (ids []string) {
	for _, s := range t.list(func(s *container.ExecSession) bool { return s.Container == containerID }) {
		ids = append(ids, s.ID)
	}
	return ids
}

func (t execs) Exec(ref string) (*container.ExecSession, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	if ref == "" {
		return nil, rules.EmptyReference("exec session")
	}
	if r, ok := t.execRows[ref]; ok && t.visible(r.s) {
		return copyOf(r.s), nil
	}
	found := t.list(func(s *container.ExecSession) bool { return strings.HasPrefix(s.ID, ref) })
	switch len(found) {
	case 0:
		return nil, store.NoExec(ref)
	case 1:
		return found[0], nil
	}
	return nil, rules.Ambiguous("exec session", ref)
}

func (t execs) OfContainer(id string) ([]*container.ExecSession, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	all := t.list(func(s *container.ExecSession) bool { return s.Container == id })
	rules.OldestExecFirst(all)
	return all, nil
}

// execWriter implements store.ExecWriter.
type execWriter struct{ execs }

func (t execWriter) Put(s *container.ExecSession) error {
	if s.ID == "" {
		return errdefs.Invalid("an exec session of container %s has no ID", s.Container)
	}
	if _, err := (containers{t.tx}).row(s.Container); err != nil {
		return err
	}
	r, ok := t.execRows[s.ID]
	if !ok {
		t.lastRow++
		r = &execRow{seq: t.lastRow}
	}
	t.execRows[s.ID] = &execRow{r.seq, copyOf(s)}
	return nil
}

// remove removes the visible sessions that match.
func (t execWriter) remove(match func(*container.ExecSession) bool) error {
	if err := t.usable(); err != nil {
		return err
	}
	for id, r := range t.execRows {
		if t.visible(r.s) && match(r.s) {
			delete(t.execRows, id)
		}
	}
	return nil
}

func (t execWriter) Remove(id string) error {
	return t.remove(func(s *container.ExecSession) bool { return s.ID == id })
}

func (t execWriter) RemoveOf(containerID string) error {
	return t.remove(func(s *container.ExecSession) bool { return s.Container == containerID })
}

func (t execWriter) PruneExited(now time.Time) error {
	return t.remove(func(s *container.ExecSession) bool { return rules.ExecEnded(s, now) })
}
