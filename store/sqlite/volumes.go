package sqlite

import (
	"github.com/berth-engine/berth/store/internal/rules"
	"github.com/berth-engine/berth/volume"
)

// volumes implements contract.Volumes.
type volumes struct{ *tx }

func (t volumes) Volume(name string) (*volume.Volume, error) {
	all, err := t.list("SELECT volume FROM volume WHERE name = ?", name)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

func (t volumes) WithPrefix(prefix string) ([]*volume.Volume, error) {
	return t.list("SELECT volume FROM volume WHERE name > ? AND name < ? LIMIT 2", prefix, afterPrefix(prefix))
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

func (t volumes) Put(v *volume.Volume) error {
	b, err := rules.Encode(v)
	if err != nil {
		return err
	}
	return t.exec("INSERT INTO volume (name, volume) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET volume = excluded.volume", v.Name, b)
}

func (t volumes) Delete(name string) error { return t.exec("DELETE FROM volume WHERE name = ?", name) }
