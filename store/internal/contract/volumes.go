package contract

import (
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/rules"
	"github.com/berth-engine/berth/volume"
)

// volumes implements store.VolumeReader. Volumes are in no namespace.
type volumes struct{ *Tx }

func (t volumes) Volume(name string) (*volume.Volume, error) {
	v, err := t.rows.Volumes.Volume(name)
	if err == nil && v == nil {
		err = store.NoVolume(name)
	}
	return v, err
}

func (t volumes) Lookup(ref string) (*volume.Volume, error) {
	if ref == "" {
		return nil, rules.EmptyReference("volume")
	}
	if v, err := t.rows.Volumes.Volume(ref); v != nil || err != nil {
		return v, err
	}
	found, err := t.rows.Volumes.WithPrefix(ref)
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, store.NoVolume(ref)
	case len(found) > 1:
		return nil, rules.Ambiguous("volume", ref)
	}
	return found[0], nil
}

func (t volumes) All() ([]*volume.Volume, error) { return t.rows.Volumes.All() }

func (t volumes) Users(name string) ([]string, error) { return t.rows.References.To(Mounts, name) }

// volumeWriter implements store.VolumeWriter.
type volumeWriter struct{ volumes }

func (t volumeWriter) Add(v *volume.Volume) error {
	if v.Name == "" {
		return errdefs.Invalid("a volume has no name")
	}
	old, err := t.rows.Volumes.Volume(v.Name)
	if err == nil && old != nil {
		err = rules.VolumeExists(v)
	}
	if err != nil {
		return err
	}
	return t.rows.Volumes.Put(v)
}

func (t volumeWriter) Set(v *volume.Volume) error {
	if _, err := t.Volume(v.Name); err != nil {
		return err
	}
	return t.rows.Volumes.Put(v)
}

func (t volumeWriter) Remove(name string) error {
	if _, err := t.Volume(name); err != nil {
		return err
	}
	ids, err := t.Users(name)
	if err == nil && len(ids) > 0 {
		err = rules.VolumeInUse(name, ids)
	}
	if err != nil {
		return err
	}
	return t.rows.Volumes.Delete(name)
}
