package sqlite

import (
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/rules"
	"github.com/berth-engine/berth/volume"
)

// volumes implements store.VolumeReader. Volumes are in no namespace.
type volumes struct{ *tx }

func (t volumes) Volume(name string) (*volume.Volume, error) {
	v, err := t.byName(name)
	if err == nil && v == nil {
		err = store.NoVolume(name)
	}
	return v, err
}

// byName returns nil if there is none.
func (t volumes) byName(name string) (*volume.Volume, error) {
	all, err := t.list("SELECT volume FROM volume WHERE name = ?", name)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

func (t volumes) Lookup(ref string) (*volume.Volume, error) {
	if ref == "" {
		return nil, rules.EmptyReference("volume")
	}
	if v, err := t.byName(ref); v != nil || err != nil {
		return v, err
	}
	found, err := t.list("SELECT volume FROM volume WHERE name > ? AND name < ? LIMIT 2", ref, afterPrefix(ref))
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

func (t volumes) All() ([]*volume.Volume, error) {
	return t.list("SELECT volume FROM volume ORDER BY name")
}

func (t volumes) list(sql string, args ...any) (all []*volume.Volume, err error) {
	err = t.query(sql, func(r row) error {
		v := new(volume.Volume)
		all = append(all, v)
		return t.decode(r, 0, v)
	}, args...)
	return all, err
}

func (t volumes) Users(name string) ([]string, error) {
	return t.texts("SELECT id FROM volume_use WHERE volume = ? ORDER BY id", name)
}

// volumeWriter implements store.VolumeWriter.
type volumeWriter struct{ volumes }

func (t volumeWriter) Add(v *volume.Volume) error {
	if v.Name == "" {
		return errdefs.Invalid("a volume has no name")
	}
	old, err := t.byName(v.Name)
	if err == nil && old != nil {
		err = rules.VolumeExists(v)
	}
	if err != nil {
		return err
	}
	b, err := encode(v)
	if err != nil {
		return err
	}
	return t.exec("INSERT INTO volume (name, volume) VALUES (?, ?)", v.Name, b)
}

func (t volumeWriter) Set(v *volume.Volume) error {
	if _, err := t.Volume(v.Name); err != nil {
		return err
	}
	b, err := encode(v)
	if err != nil {
		return err
	}
	return t.exec("UPDATE volume SET volume = ? WHERE name = ?", b, v.Name)
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
	return t.exec("DELETE FROM volume WHERE name = ?", name)
}
