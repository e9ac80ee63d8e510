package keyed

import (
	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/store/internal/contract"
	"github.com/berth-engine/berth/store/internal/rules"
)

// containers implements contract.Containers.
type containers struct{ tables }

// The first parts of the keys of container_of.
const (
	ofImage = "image"
	ofPod   = "pod"
	ofAlive = "alive"
)

func (t containers) Container(id string) (*container.Container, error) {
	n, err := t.text(tableContainerID, id)
	if err != nil || n == "" {
		return nil, err
	}
	return t.numbered(n)
}

// numbered returns the container of a number, nil if there is none.
func (t containers) numbered(n string) (*container.Container, error) {
	c := new(container.Container)
	if found, err := t.read(tableContainer, n, &c.Config); err != nil || !found {
		return nil, err
	}
	if found, err := t.read(tableState, n, &c.State); err != nil || !found {
		return nil, orDamaged(t.file, err, "container "+c.Config.ID+" has no state")
	}
	return c, nil
}

// orDamaged is the error, or that of damage when there is none.
func orDamaged(file string, err error, what string) error {
	if err == nil {
		err = rules.Damaged(file, what)
	}
	return err
}

func (t containers) Each(s contract.Selection, fn func(c *container.Container) bool) error {
	take := func(n string) (bool, error) {
		c, err := t.numbered(n)
		if err != nil || c == nil {
			return true, err
		}
		if s.Namespace != "" && c.Config.Namespace != s.Namespace || s.Alive && !rules.MayRun(c.State.Status) ||
			s.Image != "" && c.Config.Image.ID != s.Image || s.Pod != "" && c.Config.Pod != s.Pod {
			return true, nil
		}
		return fn(c), nil
	}
	index := ""
	switch {
	case s.Pod != "":
		index = joined(ofPod, s.Pod, "")
	case s.Image != "":
		index = joined(ofImage, s.Image, "")
	case s.Alive:
		index = joined(ofAlive, "")
	default:
		return t.prefixed(tableContainer, "", func(n string, _ []byte) (bool, error) { return take(n) })
	}
	return t.prefixed(tableContainerOf, index, func(key string, _ []byte) (bool, error) { return take(key[len(index):]) })
}

func (t containers) Insert(c *container.Container) error {
	n, err := t.next(tableContainer)
	if err != nil {
		return err
	}
	if err := t.table(tableContainerID).Put(c.Config.ID, []byte(n)); err != nil {
		return err
	}
	if err := t.write(tableContainer, n, &c.Config); err != nil {
		return err
	}
	if err := t.write(tableState, n, &c.State); err != nil {
		return err
	}
	return t.eachIndex(n, c, func(key string) error { return t.table(tableContainerOf).Put(key, nil) })
}

// eachIndex calls fn for the keys in container_of that a container has.
func (t containers) eachIndex(n string, c *container.Container, fn func(key string) error) error {
	if c.Config.Image.ID != "" {
		if err := fn(joined(ofImage, c.Config.Image.ID, n)); err != nil {
			return err
		}
	}
	if c.Config.Pod != "" {
		if err := fn(joined(ofPod, c.Config.Pod, n)); err != nil {
			return err
		}
	}
	if rules.MayRun(c.State.Status) {
		return fn(joined(ofAlive, n))
	}
	return nil
}

// change has fn change a container, and writes what differs.
func (t containers) change(id string, fn func(c *container.Container)) error {
	n, err := t.text(tableContainerID, id)
	if err != nil {
		return err
	}
	c, err := t.numbered(n)
	if err != nil || c == nil {
		return err
	}
	if err := t.eachIndex(n, c, t.table(tableContainerOf).Delete); err != nil {
		return err
	}
	fn(c)
	if err := t.eachIndex(n, c, func(key string) error { return t.table(tableContainerOf).Put(key, nil) }); err != nil {
		return err
	}
	if err := t.write(tableContainer, n, &c.Config); err != nil {
		return err
	}
	return t.write(tableState, n, &c.State)
}

func (t containers) SetConfig(next *container.Config) error {
	return t.change(next.ID, func(c *container.Container) { c.Config = *next })
}

func (t containers) SetState(id string, s container.State) error {
	return t.change(id, func(c *container.Container) { c.State = s })
}

func (t containers) Delete(cfg *container.Config) error {
	n, err := t.text(tableContainerID, cfg.ID)
	if err != nil {
		return err
	}
	c, err := t.numbered(n)
	if err != nil || c == nil {
		return err
	}
	if err := t.eachIndex(n, c, t.table(tableContainerOf).Delete); err != nil {
		return err
	}
	for table, key := range map[string]string{tableContainer: n, tableState: n, tableContainerID: cfg.ID} {
		if err := t.table(table).Delete(key); err != nil {
			return err
		}
	}
	return nil
}

// pods implements contract.Pods.
type pods struct{ tables }

func (t pods) Pod(id string) (*container.Pod, error) {
	n, err := t.text(tablePodID, id)
	if err != nil || n == "" {
		return nil, err
	}
	return t.numbered(n)
}

func (t pods) numbered(n string) (*container.Pod, error) {
	p := new(container.Pod)
	if found, err := t.read(tablePod, n, &p.Config); err != nil || !found {
		return nil, err
	}
	if found, err := t.read(tablePodState, n, &p.State); err != nil || !found {
		return nil, orDamaged(t.file, err, "pod "+p.Config.ID+" has no state")
	}
	return p, nil
}

func (t pods) Each(namespace string, fn func(p *container.Pod)) error {
	return t.prefixed(tablePod, "", func(n string, _ []byte) (bool, error) {
		p, err := t.numbered(n)
		if err == nil && p != nil && (namespace == "" || p.Config.Namespace == namespace) {
			fn(p)
		}
		return true, err
	})
}

func (t pods) Insert(p *container.Pod) error {
	n, err := t.next(tablePod)
	if err != nil {
		return err
	}
	if err := t.table(tablePodID).Put(p.Config.ID, []byte(n)); err != nil {
		return err
	}
	if err := t.write(tablePod, n, &p.Config); err != nil {
		return err
	}
	return t.write(tablePodState, n, &p.State)
}

func (t pods) SetConfig(c *container.PodConfig) error {
	n, err := t.text(tablePodID, c.ID)
	if err != nil || n == "" {
		return err
	}
	return t.write(tablePod, n, c)
}

func (t pods) SetState(id string, s container.PodState) error {
	n, err := t.text(tablePodID, id)
	if err != nil || n == "" {
		return err
	}
	return t.write(tablePodState, n, s)
}

func (t pods) Delete(c *container.PodConfig) error {
	n, err := t.text(tablePodID, c.ID)
	if err != nil || n == "" {
		return err
	}
	for table, key := range map[string]string{tablePod: n, tablePodState: n, tablePodID: c.ID} {
		if err := t.table(table).Delete(key); err != nil {
			return err
		}
	}
	return nil
}
