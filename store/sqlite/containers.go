package sqlite

import (
	"errors"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/store/internal/contract"
	"github.com/berth-engine/berth/store/internal/rules"
)

// containers implements contract.Containers.
type containers struct{ *tx }

func (t containers) Container(id string) (*container.Container, error) {
	c := new(container.Container)
	found, err := t.one("SELECT c.config, s.state FROM container c JOIN state s ON s.seq = c.seq WHERE c.id = ?", func(r row) error {
		if err := t.decode(r, 0, &c.Config); err != nil {
			return err
		}
		return t.decode(r, 1, &c.State)
	}, id)
	if err != nil || !found {
		return nil, err
	}
	return c, nil
}

// The queries of each: configuration and state, in order of insertion, of those of namespace ?1 unless that is empty.
const (
	everyContainer = `SELECT c.config, s.state FROM container c JOIN state s ON s.seq = c.seq
		WHERE (?1 = '' OR c.namespace = ?1) ORDER BY c.seq`
	aliveContainers = `SELECT c.config, s.state FROM state s JOIN container c ON c.seq = s.seq
		WHERE s.status NOT IN ('created', 'exited') AND (?1 = '' OR c.namespace = ?1) ORDER BY s.seq`
	containersOfImage = `SELECT c.config, s.state FROM container c JOIN state s ON s.seq = c.seq
		WHERE c.image = ?2 AND c.image != '' AND (?1 = '' OR c.namespace = ?1) ORDER BY c.seq`
	containersOfPod = `SELECT c.config, s.state FROM container c JOIN state s ON s.seq = c.seq
		WHERE c.pod = ?2 AND c.pod != '' AND (?1 = '' OR c.namespace = ?1) ORDER BY c.seq`
)

func (t containers) Each(s contract.Selection, fn func(*container.Container) bool) error {
	switch {
	case s.Pod != "":
		return t.each(fn, containersOfPod, s.Namespace, s.Pod)
	case s.Image != "":
		return t.each(fn, containersOfImage, s.Namespace, s.Image)
	case s.Alive:
		return t.each(fn, aliveContainers, s.Namespace)
	}
	return t.each(fn, everyContainer, s.Namespace)
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

func (t containers) Insert(c *container.Container) error {
	cfg := &c.Config
	config, err := rules.Encode(cfg)
	if err != nil {
		return err
	}
	state, err := rules.Encode(&c.State)
	if err != nil {
		return err
	}
	if err := t.exec("INSERT INTO container (id, namespace, pod, image, config) VALUES (?, ?, ?, ?, ?)",
		cfg.ID, cfg.Namespace, cfg.Pod, cfg.Image.ID, config); err != nil {
		return err
	}
	return t.exec("INSERT INTO state (seq, status, state) VALUES (last_insert_rowid(), ?, ?)", string(c.State.Status), state)
}

func (t containers) SetConfig(c *container.Config) error {
	b, err := rules.Encode(c)
	if err != nil {
		return err
	}
	return t.exec("UPDATE container SET image = ?, config = ? WHERE id = ?", c.Image.ID, b, c.ID)
}

func (t containers) SetState(id string, s container.State) error {
	b, err := rules.Encode(s)
	if err != nil {
		return err
	}
	return t.exec("UPDATE state SET status = ?, state = ? WHERE seq = (SELECT seq FROM container WHERE id = ?)", string(s.Status), b, id)
}

func (t containers) Delete(c *container.Config) error {
	if err := t.exec("DELETE FROM state WHERE seq = (SELECT seq FROM container WHERE id = ?)", c.ID); err != nil {
		return err
	}
	return t.exec("DELETE FROM container WHERE id = ?", c.ID)
}

// pods implements contract.Pods.
type pods struct{ *tx }

func (t pods) Pod(id string) (p *container.Pod, err error) {
	err = t.list(func(one *container.Pod) { p = one }, "SELECT config, state FROM pod WHERE id = ?", id)
	return p, err
}

func (t pods) Each(namespace string, fn func(*container.Pod)) error {
	return t.list(fn, "SELECT config, state FROM pod WHERE (?1 = '' OR namespace = ?1) ORDER BY seq", namespace)
}

func (t pods) list(fn func(*container.Pod), sql string, args ...any) error {
	return t.query(sql, func(r row) error {
		p := new(container.Pod)
		if err := t.decode(r, 0, &p.Config); err != nil {
			return err
		}
		if err := t.decode(r, 1, &p.State); err != nil {
			return err
		}
		fn(p)
		return nil
	}, args...)
}

func (t pods) Insert(p *container.Pod) error {
	config, err := rules.Encode(&p.Config)
	if err != nil {
		return err
	}
	state, err := rules.Encode(&p.State)
	if err != nil {
		return err
	}
	return t.exec("INSERT INTO pod (id, namespace, config, state) VALUES (?, ?, ?, ?)", p.Config.ID, p.Config.Namespace, config, state)
}

func (t pods) SetConfig(c *container.PodConfig) error {
	b, err := rules.Encode(c)
	if err != nil {
		return err
	}
	return t.exec("UPDATE pod SET config = ? WHERE id = ?", b, c.ID)
}

func (t pods) SetState(id string, s container.PodState) error {
	b, err := rules.Encode(s)
	if err != nil {
		return err
	}
	return t.exec("UPDATE pod SET state = ? WHERE id = ?", b, id)
}

func (t pods) Delete(c *container.PodConfig) error {
	return t.exec("DELETE FROM pod WHERE id = ?", c.ID)
}
