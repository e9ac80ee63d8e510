package contract

import (
	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/rules"
)

// pods implements store.PodReader.
type pods struct{ *Tx }

// visible returns the pod with this full ID, nil if there is none or it is not seen.
func (t pods) visible(id string) (*container.Pod, error) {
	p, err := t.rows.Pods.Pod(id)
	if err != nil || p == nil || !t.sees(p.Config.Namespace) {
		return nil, err
	}
	return p, nil
}

func (t pods) Pod(id string) (*container.Pod, error) {
	p, err := t.visible(id)
	if err == nil && p == nil {
		err = store.NoPod(id)
	}
	return p, err
}

func (t pods) Lookup(ref string) (*container.Pod, error) {
	if ref == "" {
		return nil, rules.EmptyReference("pod")
	}
	if p, err := t.visible(ref); p != nil || err != nil {
		return p, err
	}
	id, err := t.resolve(Pod, ref)
	if err != nil {
		return nil, err
	}
	if id == "" {
		return nil, store.NoPod(ref)
	}
	return t.Pod(id)
}

func (t pods) All() (all []*container.Pod, err error) {
	err = t.rows.Pods.Each(t.namespace, func(p *container.Pod) { all = append(all, p) })
	rules.OldestPodFirst(all)
	return all, err
}

func (t pods) Containers(id string) ([]*container.Container, error) {
	if _, err := t.Pod(id); err != nil {
		return nil, err
	}
	return containers{t.Tx}.list(Selection{Pod: id})
}

func (t pods) Has(id, containerID string) (bool, error) {
	if _, err := t.Pod(id); err != nil {
		return false, err
	}
	o, found, err := t.object(Container, containerID)
	return found && o.Pod == id, err
}

// podWriter implements store.PodWriter.
type podWriter struct{ pods }

func (t podWriter) Add(p *container.Pod) error {
	if err := rules.CheckNewPod(p, t.namespace); err != nil {
		return err
	}
	cfg := &p.Config
	if err := t.Free(cfg.ID, cfg.Name); err != nil {
		return err
	}
	if err := t.claim(cfg.Name, cfg.ID); err != nil {
		return err
	}
	return InsertPod(t.rows, p)
}

// InsertPod writes all rows of a new pod, whatever the rules say.
func InsertPod(rows Rows, p *container.Pod) error {
	if err := rows.Objects.Insert(podObject(&p.Config)); err != nil {
		return err
	}
	return rows.Pods.Insert(p)
}

func podObject(c *container.PodConfig) Object {
	return Object{ID: c.ID, Name: c.Name, Kind: Pod, Namespace: c.Namespace}
}

func (t podWriter) SetState(id string, s container.PodState) error {
	if _, err := t.Pod(id); err != nil {
		return err
	}
	return t.rows.Pods.SetState(id, s)
}

func (t podWriter) RewriteConfig(next container.PodConfig) error {
	p, err := t.Pod(next.ID)
	if err != nil {
		return err
	}
	if err := rules.CheckPodRewrite(&p.Config, &next); err != nil {
		return err
	}
	return t.rows.Pods.SetConfig(&next)
}

func (t podWriter) Remove(id string) error {
	p, err := t.Pod(id)
	if err != nil {
		return err
	}
	in, err := t.Containers(id)
	if err != nil {
		return err
	}
	if len(in) > 0 {
		return rules.PodNotEmpty(&p.Config, in)
	}
	if err := t.rows.Pods.Delete(&p.Config); err != nil {
		return err
	}
	if err := t.rows.Objects.Delete(podObject(&p.Config)); err != nil {
		return err
	}
	return t.drop(id)
}

func (t podWriter) containers() containerWriter { return containerWriter{containers{t.Tx}} }

func (t podWriter) AddContainer(id string, c *container.Container) error {
	p, err := t.Pod(id)
	if err != nil {
		return err
	}
	if err := rules.CheckNew(c, p.Config.Namespace); err != nil {
		return err
	}
	if err := rules.CheckMember(c, &p.Config); err != nil {
		return err
	}
	return t.containers().add(c)
}

func (t podWriter) RemoveContainer(id, containerID string) error {
	p, err := t.Pod(id)
	if err != nil {
		return err
	}
	c, err := t.containers().Container(containerID)
	if err != nil {
		return err
	}
	if c.Config.Pod != id {
		return rules.NotOfPod(&c.Config, &p.Config)
	}
	return t.containers().remove(&c.Config)
}

func (t podWriter) RemoveContainers(id string) error {
	in, err := t.Containers(id)
	if err != nil {
		return err
	}
	members := map[string]bool{}
	for _, c := range in {
		members[c.Config.ID] = true
	}
	for _, c := range in {
		ids, err := t.rows.References.To(Needs, c.Config.ID)
		if err != nil {
			return err
		}
		if outside := rules.Outside(ids, members); len(outside) > 0 {
			return rules.HasDependents(&c.Config, outside)
		}
	}
	for _, c := range in {
		if err := (execWriter{execs{t.Tx}}).RemoveOf(c.Config.ID); err != nil {
			return err
		}
		if err := t.containers().erase(&c.Config); err != nil {
			return err
		}
	}
	return nil
}
