package contract

import (
	"errors"
	"fmt"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/rules"
)

// Problems says what does not fit together in a database whose records can all be found. A record that cannot be decoded is one.
func Problems(rows Rows) (found []string, err error) {
	p := &inspection{rows: rows, objects: map[string]Object{}}
	for _, part := range []func() error{p.readObjects, p.containers, p.pods, p.missing, p.execs, p.rest} {
		if err := part(); errors.Is(err, store.ErrCorrupt) {
			p.say("%v", err)
		} else if err != nil {
			return nil, err
		}
	}
	return p.found, nil
}

// inspection is one run of Problems.
type inspection struct {
	rows    Rows
	objects map[string]Object
	seen    []string // the objects that have a record
	found   []string
}

func (p *inspection) say(format string, args ...any) {
	p.found = append(p.found, fmt.Sprintf(format, args...))
}

func (p *inspection) readObjects() error {
	return p.rows.Objects.Each(func(o Object) error {
		p.objects[o.ID] = o
		return nil
	})
}

// record notes that an object has a record.
func (p *inspection) record(kind Kind, id, name string) {
	p.seen = append(p.seen, id)
	if o, ok := p.objects[id]; !ok || o.Kind != kind || o.Name != name {
		p.say("%s %s has no name", kind, id)
	}
}

func (p *inspection) containers() error {
	return p.rows.Containers.Each(Selection{}, func(c *container.Container) bool {
		p.record(Container, c.Config.ID, c.Config.Name)
		if c.Config.Pod != "" && p.objects[c.Config.Pod].Kind != Pod {
			p.say("container %s is of a pod that is not there", c.Config.ID)
		}
		for _, d := range rules.Dependencies(&c.Config) {
			if p.objects[d].Kind != Container {
				p.say("container %s depends on one that is not there", c.Config.ID)
			}
		}
		return true
	})
}

func (p *inspection) pods() error {
	return p.rows.Pods.Each("", func(pod *container.Pod) { p.record(Pod, pod.Config.ID, pod.Config.Name) })
}

// missing looks for objects without a record, and for names that do not lead to their object.
func (p *inspection) missing() error {
	has := map[string]bool{}
	for _, id := range p.seen {
		has[id] = true
	}
	for id, o := range p.objects {
		if !has[id] {
			p.say("a name belongs to %s %s, which is not there", o.Kind, id)
		}
		named, found, err := p.rows.Objects.Named(o.Name)
		if err != nil {
			return err
		}
		if !found || named.ID != id {
			p.say("%s %s is not found by its name", o.Kind, id)
		}
	}
	return nil
}

func (p *inspection) execs() error {
	all, err := p.rows.Execs.Of("")
	for _, s := range all {
		if p.objects[s.Container].Kind != Container {
			p.say("exec session %s belongs to no container", s.ID)
		}
	}
	return err
}

// rest reads what only has to be readable.
func (p *inspection) rest() error {
	if _, err := p.rows.Volumes.All(); err != nil {
		return err
	}
	if _, err := p.rows.Reservations.All(); err != nil {
		return err
	}
	if err := p.rows.ExitCodes.Each(func(string, ExitCode) error { return nil }); err != nil {
		return err
	}
	return p.rows.Events.After(0, func(event.Event) bool { return true })
}
