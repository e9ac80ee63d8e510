package memory

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/rules"
	"github.com/berth-engine/berth/volume"
)

// volumes implements store.VolumeReader. Volumes are in no namespace.
type volumes struct{ *tx }

func (t volumes) Volume(name string) (*volume.Volume, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	v, ok := t.volumeRows[name]
	if !ok {
		return nil, store.NoVolume(name)
	}
	return copyOf(v), nil
}

func (t volumes) Lookup(ref string) (*volume.Volume, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	if ref == "" {
		return nil, rules.EmptyReference("volume")
	}
	if v, ok := t.volumeRows[ref]; ok {
		return copyOf(v), nil
	}
	var found []*volume.Volume
	for name, v := range t.volumeRows {
		if strings.HasPrefix(name, ref) {
			found = append(found, v)
		}
	}
	switch len(found) {
	case 0:
		return nil, store.NoVolume(ref)
	case 1:
		return copyOf(found[0]), nil
	}
	return nil, rules.Ambiguous("volume", ref)
}

func (t volumes) All() (all []*volume.Volume, err error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(t.volumeRows)) {
		all = append(all, copyOf(t.volumeRows[name]))
	}
	return all, nil
}

func (t volumes) Users(name string) ([]string, error) {
	return (containers{t.tx}).ids(func(c *container.Config) bool { return slices.Contains(rules.VolumesOf(c), name) })
}

// volumeWriter implements store.VolumeWriter.
type volumeWriter struct{ volumes }

func (t volumeWriter) Add(v *volume.Volume) error {
	if err := t.usable(); err != nil {
		return err
	}
	if v.Name == "" {
		return errdefs.Invalid("a volume has no name")
	}
	if _, ok := t.volumeRows[v.Name]; ok {
		return rules.VolumeExists(v)
	}
	t.volumeRows[v.Name] = copyOf(v)
	return nil
}

func (t volumeWriter) Set(v *volume.Volume) error {
	if _, err := t.Volume(v.Name); err != nil {
		return err
	}
	t.volumeRows[v.Name] = copyOf(v)
	return nil
}

func (t volumeWriter) Remove(name string) error {
	if _, err := t.Volume(name); err != nil {
		return err
	}
	ids, err := t.Users(name)
	if err != nil {
		return err
	}
	if len(ids) > 0 {
		return rules.VolumeInUse(name, ids)
	}
	delete(t.volumeRows, name)
	return nil
}

// events implements store.EventReader.
type events struct{ *tx }

func (t events) After(seq uint64, fn func(event.Event) bool) error {
	if err := t.usable(); err != nil {
		return err
	}
	for _, e := range t.eventRows {
		if e.Seq > seq && !fn(*copyOf(&e)) {
			return nil
		}
	}
	return nil
}

func (t events) Since(at time.Time) (uint64, error) {
	if err := t.usable(); err != nil {
		return 0, err
	}
	for _, e := range t.eventRows {
		if !e.Time.Before(at) {
			return e.Seq - 1, nil
		}
	}
	return t.lastEvent, nil
}

func (t events) Last() (uint64, error) {
	if err := t.usable(); err != nil {
		return 0, err
	}
	return t.lastEvent, nil
}
