package contract

import (
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/rules"
)

// containers implements store.ContainerReader.
type containers struct{ *Tx }

// visible returns the container with this full ID, nil if there is none or it is not seen.
func (t containers) visible(id string) (*container.Container, error) {
	c, err := t.rows.Containers.Container(id)
	if err != nil || c == nil || !t.sees(c.Config.Namespace) {
		return nil, err
	}
	return c, nil
}

func (t containers) Container(id string) (*container.Container, error) {
	c, err := t.visible(id)
	if err == nil && c == nil {
		err = store.NoContainer(id)
	}
	return c, err
}

func (t containers) Lookup(ref string) (*container.Container, error) {
	if ref == "" {
		return nil, rules.EmptyReference("container")
	}
	if c, err := t.visible(ref); c != nil || err != nil {
		return c, err
	}
	id, err := t.resolve(Container, ref)
	if err != nil {
		return nil, err
	}
	if id == "" {
		return nil, store.NoContainer(ref)
	}
	return t.Container(id)
}

// list returns the visible containers that are selected, oldest first.
func (t containers) list(s Selection) (all []*container.Container, err error) {
	s.Namespace = t.namespace
	err = t.rows.Containers.Each(s, func(c *container.Container) bool {
		all = append(all, c)
		return true
	})
	if err != nil {
		return nil, err
	}
	rules.OldestFirst(all)
	return all, nil
}

func (t containers) All() ([]*container.Container, error) { return t.list(Selection{}) }

func (t containers) Each(fn func(*container.Container) bool) error {
	return t.rows.Containers.Each(Selection{Namespace: t.namespace}, fn)
}

func (t containers) Alive() ([]*container.Container, error) { return t.list(Selection{Alive: true}) }

func (t containers) ByImage(imageID string) ([]*container.Container, error) {
	if imageID == "" {
		return nil, nil
	}
	return t.list(Selection{Image: imageID})
}

// exists says whether a container is there to be seen: ErrNotFound.
func (t containers) exists(id string) (Object, error) {
	o, found, err := t.object(Container, id)
	if err == nil && !found {
		err = store.NoContainer(id)
	}
	return o, err
}

func (t containers) Dependents(id string) ([]string, error) {
	if _, err := t.exists(id); err != nil {
		return nil, err
	}
	return t.rows.References.To(Needs, id)
}

func (t containers) Connected(network string) ([]string, error) {
	return t.rows.References.To(Connects, network)
}

// containerWriter implements store.ContainerWriter.
type containerWriter struct{ containers }

func (t containerWriter) Add(c *container.Container) error {
	if err := rules.CheckNew(c, t.namespace); err != nil {
		return err
	}
	if c.Config.Pod != "" {
		return rules.OfPod(&c.Config)
	}
	return t.add(c)
}

// add adds a container that may be in a pod.
func (t containerWriter) add(c *container.Container) error {
	cfg := &c.Config
	if err := t.Free(cfg.ID, cfg.Name); err != nil {
		return err
	}
	if err := t.checkDependencies(cfg); err != nil {
		return err
	}
	if err := t.claim(cfg.Name, cfg.ID); err != nil {
		return err
	}
	return Insert(t.rows, c)
}

// Free says whether something new may have this ID and name. ErrAlreadyExists.
func (t *Tx) Free(id, name string) error {
	_, found, err := t.rows.Objects.Object(id)
	if err != nil {
		return err
	}
	if found {
		return rules.IDTaken(id)
	}
	owner, err := t.owner(name)
	if err == nil && owner != "" && owner != id {
		err = store.NameTaken(name, owner)
	}
	return err
}

// checkDependencies says whether a container may depend on what it says.
func (t *Tx) checkDependencies(c *container.Config) error {
	for _, id := range rules.Dependencies(c) {
		o, found, err := t.rows.Objects.Object(id)
		switch {
		case err != nil:
			return err
		case !found || o.Kind != Container:
			return rules.NoDependency(c, id)
		case o.Namespace != c.Namespace:
			return rules.ForeignDependency(c, id, o.Namespace)
		case o.Pod != c.Pod:
			return rules.DependencyInPod(c, id, o.Pod)
		}
	}
	return nil
}

// Insert writes all rows of a new container, whatever the rules say. It is for back ends that put a database together again.
func Insert(rows Rows, c *container.Container) error {
	cfg := &c.Config
	err := rows.Objects.Insert(Object{ID: cfg.ID, Name: cfg.Name, Kind: Container, Namespace: cfg.Namespace, Pod: cfg.Pod})
	if err != nil {
		return err
	}
	if err := rows.Containers.Insert(c); err != nil {
		return err
	}
	// The exit code of an earlier container of the same ID is not this one's.
	if err := rows.ExitCodes.Delete(cfg.ID); err != nil {
		return err
	}
	return changeReferences(rows, cfg.ID, &container.Config{}, cfg)
}

// changeReferences makes what a container refers to findable from the other side.
func changeReferences(rows Rows, id string, old, next *container.Config) error {
	for _, r := range []struct {
		relation Relation
		targets  func(*container.Config) []string
	}{{Needs, rules.Dependencies}, {Mounts, rules.VolumesOf}, {Connects, rules.NetworksOf}} {
		before, after := r.targets(old), r.targets(next)
		for _, target := range rules.Without(before, after) {
			if err := rows.References.Delete(r.relation, target, id); err != nil {
				return err
			}
		}
		for _, target := range rules.Without(after, before) {
			if err := rows.References.Insert(r.relation, target, id); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t containerWriter) SetState(id string, s container.State) error {
	if _, err := t.exists(id); err != nil {
		return err
	}
	return t.rows.Containers.SetState(id, s)
}

func (t containerWriter) Rename(id, name string) error {
	c, err := t.Container(id)
	if err != nil {
		return err
	}
	next := c.Config
	next.Name = name
	return t.rewrite(&c.Config, &next)
}

func (t containerWriter) RewriteConfig(next container.Config) error {
	c, err := t.Container(next.ID)
	if err != nil {
		return err
	}
	if err := rules.CheckRewrite(&c.Config, &next); err != nil {
		return err
	}
	if err := t.checkDependencies(&next); err != nil {
		return err
	}
	if err := t.checkCircle(&next, rules.Dependencies(&next), map[string]bool{}); err != nil {
		return err
	}
	return t.rewrite(&c.Config, &next)
}

// checkCircle says whether any of the IDs depends on the container, or on what depends on it.
func (t containerWriter) checkCircle(c *container.Config, ids []string, seen map[string]bool) error {
	for _, id := range ids {
		if id == c.ID {
			return rules.DependsOnItself(c)
		}
		if seen[id] {
			continue
		}
		seen[id] = true
		needed, err := t.rows.Containers.Container(id)
		if err != nil || needed == nil {
			return err
		}
		if err := t.checkCircle(c, rules.Dependencies(&needed.Config), seen); err != nil {
			return err
		}
	}
	return nil
}

func (t containerWriter) SafeRewriteConfig(next container.Config) error {
	c, err := t.Container(next.ID)
	if err != nil {
		return err
	}
	if err := rules.CheckSafeRewrite(&c.Config, &next); err != nil {
		return err
	}
	return t.rewrite(&c.Config, &next)
}

// rewrite replaces a configuration, and the name with it.
func (t containerWriter) rewrite(old, next *container.Config) error {
	if next.Name == "" {
		return rules.EmptyName(old)
	}
	if next.Name != old.Name {
		if err := t.claim(next.Name, old.ID); err != nil {
			return err
		}
		o := Object{ID: old.ID, Name: old.Name, Kind: Container, Namespace: old.Namespace, Pod: old.Pod}
		if err := t.rows.Objects.Rename(o, next.Name); err != nil {
			return err
		}
	}
	if err := changeReferences(t.rows, old.ID, old, next); err != nil {
		return err
	}
	return t.rows.Containers.SetConfig(next)
}

func (t containerWriter) Remove(id string) error {
	c, err := t.Container(id)
	if err != nil {
		return err
	}
	if c.Config.Pod != "" {
		return rules.OfPod(&c.Config)
	}
	return t.remove(&c.Config)
}

// remove removes a container that nothing refers to.
func (t containerWriter) remove(c *container.Config) error {
	ids, err := t.rows.References.To(Needs, c.ID)
	if err != nil {
		return err
	}
	if len(ids) > 0 {
		return rules.HasDependents(c, ids)
	}
	sessions, err := t.rows.Execs.Of(c.ID)
	if err != nil {
		return err
	}
	if len(sessions) > 0 {
		return rules.HasExecs(c, rules.ExecIDs(sessions))
	}
	return t.erase(c)
}

// erase deletes all rows of a container.
func (t containerWriter) erase(c *container.Config) error {
	if err := changeReferences(t.rows, c.ID, c, &container.Config{}); err != nil {
		return err
	}
	if err := t.rows.Containers.Delete(c); err != nil {
		return err
	}
	if err := t.rows.Objects.Delete(Object{ID: c.ID, Name: c.Name, Kind: Container, Namespace: c.Namespace, Pod: c.Pod}); err != nil {
		return err
	}
	if err := t.drop(c.ID); err != nil {
		return err
	}
	e, found, err := t.rows.ExitCodes.ExitCode(c.ID)
	if err != nil || !found {
		return err
	}
	e.Removed = time.Now()
	return t.rows.ExitCodes.Put(c.ID, e)
}

func (t containerWriter) SetExitCode(id string, code int) error {
	o, err := t.exists(id)
	if err != nil {
		return err
	}
	return t.rows.ExitCodes.Put(id, ExitCode{Namespace: o.Namespace, Code: code, Recorded: time.Now()})
}
