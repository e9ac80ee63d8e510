package sqlite

import (
	"errors"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/rules"
)

// kindContainer is the kind of a container in the table object.
const kindContainer = "container"

// containers implements store.ContainerReader.
type containers struct{ *tx }

func (t containers) Container(id string) (*container.Container, error) {
	c, err := t.byID(id)
	if err == nil && c == nil {
		err = store.NoContainer(id)
	}
	return c, err
}

// byID returns nil if there is none.
func (t containers) byID(id string) (*container.Container, error) {
	c := new(container.Container)
	found, err := t.one(`SELECT c.config, s.state FROM container c JOIN state s ON s.seq = c.seq
		WHERE c.id = ?1 AND (?2 = '' OR c.namespace = ?2)`, func(r row) error {
		if err := t.decode(r, 0, &c.Config); err != nil {
			return err
		}
		return t.decode(r, 1, &c.State)
	}, id, t.namespace)
	if err != nil || !found {
		return nil, err
	}
	return c, nil
}

func (t containers) Lookup(ref string) (*container.Container, error) {
	if ref == "" {
		return nil, rules.EmptyReference("container")
	}
	if c, err := t.byID(ref); c != nil || err != nil {
		return c, err
	}
	id, found, err := t.text("SELECT id FROM object WHERE name = ?", ref)
	if err != nil {
		return nil, err
	}
	if found {
		if c, err := t.byID(id); c != nil || err != nil {
			return c, err
		}
	}
	ids, err := t.texts("SELECT id FROM container WHERE id > ?1 AND id < ?2 AND (?3 = '' OR namespace = ?3) LIMIT 2",
		ref, afterPrefix(ref), t.namespace)
	switch {
	case err != nil:
		return nil, err
	case len(ids) == 0:
		return nil, store.NoContainer(ref)
	case len(ids) > 1:
		return nil, rules.Ambiguous("container", ref)
	}
	return t.Container(ids[0])
}

// everyContainer selects what each reads: configuration and state.
const everyContainer = `SELECT c.config, s.state FROM container c JOIN state s ON s.seq = c.seq
	WHERE (?1 = '' OR c.namespace = ?1) ORDER BY c.seq`

func (t containers) All() ([]*container.Container, error) {
	return t.list(everyContainer, t.namespace)
}

func (t containers) Each(fn func(*container.Container) bool) error {
	return t.each(fn, everyContainer, t.namespace)
}

func (t containers) Alive() ([]*container.Container, error) {
	return t.list(`SELECT c.config, s.state FROM state s JOIN container c ON c.seq = s.seq
		WHERE s.status NOT IN ('created', 'exited') AND (?1 = '' OR c.namespace = ?1) ORDER BY s.seq`, t.namespace)
}

func (t containers) ByImage(imageID string) ([]*container.Container, error) {
	if imageID == "" {
		return nil, nil
	}
	return t.list(`SELECT c.config, s.state FROM container c JOIN state s ON s.seq = c.seq
		WHERE c.image = ?1 AND c.image != '' AND (?2 = '' OR c.namespace = ?2) ORDER BY c.seq`, imageID, t.namespace)
}

// list returns the containers that a query finds, oldest first.
func (t containers) list(sql string, args ...any) (all []*container.Container, err error) {
	err = t.each(func(c *container.Container) bool {
		all = append(all, c)
		return true
	}, sql, args...)
	if err != nil {
		return nil, err
	}
	rules.OldestFirst(all)
	return all, nil
}

// each calls fn for the containers that a query finds, in its order, until fn returns false.
func (t containers) each(fn func(*container.Container) bool, sql string, args ...any) error {
	l := &listing{fn: fn}
	defer l.close()
	err := t.query(sql, func(r row) error {
		if err := l.add(r); err != nil {
			return err
		}
		return t.ctx.Err()
	}, args...)
	if err == nil {
		err = l.finish()
	}
	var bad *undecodable
	switch {
	case errors.Is(err, errStopped):
		return nil
	case errors.As(err, &bad):
		return rules.Damaged(t.path, bad)
	}
	return err
}

func (t containers) Dependents(id string) ([]string, error) {
	return t.texts(`SELECT id FROM dependency WHERE needed = ?1
		AND (?2 = '' OR id IN (SELECT id FROM container WHERE namespace = ?2)) ORDER BY id`, id, t.namespace)
}

func (t containers) NameOwner(name string) (string, error) {
	id, found, err := t.text("SELECT id FROM object WHERE name = ?", name)
	if err == nil && !found {
		err = rules.NoOwner(name)
	}
	return id, err
}

// containerWriter implements store.ContainerWriter.
type containerWriter struct{ containers }

func (t containerWriter) Add(c *container.Container) error {
	if err := rules.CheckNew(c, t.namespace); err != nil {
		return err
	}
	if err := t.free(c.Config.ID, c.Config.Name); err != nil {
		return err
	}
	if err := t.checkDependencies(&c.Config); err != nil {
		return err
	}
	return t.insert(c)
}

// free says whether a new container or pod may have this ID and name.
func (t containerWriter) free(id, name string) error {
	_, found, err := t.text("SELECT id FROM object WHERE id = ?", id)
	if err == nil && found {
		err = rules.IDTaken(id)
	}
	if err != nil {
		return err
	}
	return t.nameFree(name, id)
}

// nameFree says whether id may have this name.
func (t containerWriter) nameFree(name, id string) error {
	owner, found, err := t.text("SELECT id FROM object WHERE name = ?", name)
	if err == nil && found && owner != id {
		err = store.NameTaken(name, owner)
	}
	return err
}

func (t containerWriter) checkDependencies(c *container.Config) error {
	for _, id := range rules.Dependencies(c) {
		namespace, found, err := t.text("SELECT namespace FROM container WHERE id = ?", id)
		switch {
		case err != nil:
			return err
		case !found:
			return rules.NoDependency(c, id)
		case namespace != c.Namespace:
			return rules.ForeignDependency(c, id, namespace)
		}
	}
	return nil
}

// insert writes all rows of a new container.
func (t containerWriter) insert(c *container.Container) error {
	cfg := &c.Config
	config, err := encode(cfg)
	if err != nil {
		return err
	}
	state, err := encodeState(c.State)
	if err != nil {
		return err
	}
	if err := t.exec("INSERT INTO object (id, name, kind) VALUES (?, ?, ?)", cfg.ID, cfg.Name, kindContainer); err != nil {
		return err
	}
	if err := t.exec("INSERT INTO container (id, namespace, pod, image, config) VALUES (?, ?, ?, ?, ?)",
		cfg.ID, cfg.Namespace, cfg.Pod, cfg.Image.ID, config); err != nil {
		return err
	}
	if err := t.exec("INSERT INTO state (seq, status, state) VALUES (last_insert_rowid(), ?, ?)", state.status, state.json); err != nil {
		return err
	}
	for _, needed := range rules.Dependencies(cfg) {
		if err := t.exec("INSERT INTO dependency (needed, id) VALUES (?, ?)", needed, cfg.ID); err != nil {
			return err
		}
	}
	// The exit code of an earlier container of the same ID is not this one's.
	if err := t.exec("DELETE FROM exit_code WHERE id = ?", cfg.ID); err != nil {
		return err
	}
	return t.use(cfg)
}

// use records which volumes a container mounts.
func (t containerWriter) use(cfg *container.Config) error {
	for _, name := range rules.VolumesOf(cfg) {
		if err := t.exec("INSERT INTO volume_use (volume, id) VALUES (?, ?)", name, cfg.ID); err != nil {
			return err
		}
	}
	return nil
}

// seq returns the number of a container's rows.
func (t containerWriter) seq(id string) (seq int64, err error) {
	found, err := t.one("SELECT seq FROM container WHERE id = ?1 AND (?2 = '' OR namespace = ?2)", func(r row) error {
		seq = r.ColumnInt64(0)
		return nil
	}, id, t.namespace)
	if err == nil && !found {
		err = store.NoContainer(id)
	}
	return seq, err
}

func (t containerWriter) SetState(id string, s container.State) error {
	seq, err := t.seq(id)
	if err != nil {
		return err
	}
	rec, err := encodeState(s)
	if err != nil {
		return err
	}
	return t.exec("UPDATE state SET status = ?, state = ? WHERE seq = ?", rec.status, rec.json, seq)
}

func (t containerWriter) Rename(id, name string) error {
	c, err := t.Container(id)
	if err != nil {
		return err
	}
	if name == "" {
		return rules.EmptyName(&c.Config)
	}
	if err := t.nameFree(name, id); err != nil {
		return err
	}
	c.Config.Name = name
	if err := t.exec("UPDATE object SET name = ? WHERE id = ?", name, id); err != nil {
		return err
	}
	return t.setConfig(&c.Config)
}

func (t containerWriter) RewriteConfig(next container.Config) error {
	c, err := t.Container(next.ID)
	if err != nil {
		return err
	}
	if err := rules.CheckRewrite(&c.Config, &next); err != nil {
		return err
	}
	if err := t.release(next.ID, rules.VolumesOf(&c.Config)); err != nil {
		return err
	}
	if err := t.use(&next); err != nil {
		return err
	}
	return t.setConfig(&next)
}

func (t containerWriter) setConfig(c *container.Config) error {
	b, err := encode(c)
	if err != nil {
		return err
	}
	return t.exec("UPDATE container SET image = ?, config = ? WHERE id = ?", c.Image.ID, b, c.ID)
}

// release undoes use.
func (t containerWriter) release(id string, volumes []string) error {
	for _, name := range volumes {
		if err := t.exec("DELETE FROM volume_use WHERE volume = ? AND id = ?", name, id); err != nil {
			return err
		}
	}
	return nil
}

func (t containerWriter) Remove(id string) error {
	c, err := t.Container(id)
	if err != nil {
		return err
	}
	if err := t.unneeded(&c.Config); err != nil {
		return err
	}
	if err := t.release(id, rules.VolumesOf(&c.Config)); err != nil {
		return err
	}
	for _, needed := range rules.Dependencies(&c.Config) {
		if err := t.exec("DELETE FROM dependency WHERE needed = ? AND id = ?", needed, id); err != nil {
			return err
		}
	}
	for _, sql := range []string{
		"DELETE FROM state WHERE seq = (SELECT seq FROM container WHERE id = ?)",
		"DELETE FROM container WHERE id = ?",
		"DELETE FROM object WHERE id = ?",
	} {
		if err := t.exec(sql, id); err != nil {
			return err
		}
	}
	return t.exec("UPDATE exit_code SET removed = ? WHERE id = ?", time.Now().UnixNano(), id)
}

// unneeded says whether a container may be removed.
func (t containerWriter) unneeded(c *container.Config) error {
	ids, err := t.Dependents(c.ID)
	if err == nil && len(ids) > 0 {
		err = rules.HasDependents(c, ids)
	}
	if err != nil {
		return err
	}
	ids, err = t.texts("SELECT id FROM exec WHERE container = ? ORDER BY seq", c.ID)
	if err == nil && len(ids) > 0 {
		err = rules.HasExecs(c, ids)
	}
	return err
}

func (t containerWriter) SetExitCode(id string, code int) error {
	var namespace string
	found, err := t.one("SELECT namespace FROM container WHERE id = ?1 AND (?2 = '' OR namespace = ?2)", func(r row) error {
		namespace = r.ColumnText(0)
		return nil
	}, id, t.namespace)
	if err == nil && !found {
		err = store.NoContainer(id)
	}
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO exit_code (id, namespace, code, recorded, removed) VALUES (?, ?, ?, ?, 0)
		ON CONFLICT DO UPDATE SET code = excluded.code, recorded = excluded.recorded, removed = 0`,
		id, namespace, code, time.Now().UnixNano())
}
