package keyed

import (
	"strings"

	"github.com/berth-engine/berth/store/internal/contract"
)

// objects implements contract.Objects.
type objects struct{ tables }

func (t objects) Object(id string) (o contract.Object, found bool, err error) {
	found, err = t.read(tableObject, id, &o)
	o.ID = id
	return o, found, err
}

func (t objects) Named(name string) (contract.Object, bool, error) {
	id, err := t.text(tableName, name)
	if err != nil || id == "" {
		return contract.Object{}, false, err
	}
	return t.Object(id)
}

func (t objects) WithPrefix(kind contract.Kind, prefix, namespace string) (ids []string, err error) {
	err = t.prefixed(tableObject, prefix, func(id string, value []byte) (bool, error) {
		var o contract.Object
		if err := t.decode(value, &o); err != nil {
			return false, err
		}
		if o.Kind == kind && (namespace == "" || o.Namespace == namespace) {
			ids = append(ids, id)
		}
		return len(ids) < 2, nil
	})
	return ids, err
}

func (t objects) Each(fn func(o contract.Object) error) error {
	return t.prefixed(tableObject, "", func(id string, value []byte) (bool, error) {
		o := contract.Object{ID: id}
		if err := t.decode(value, &o); err != nil {
			return false, err
		}
		return true, fn(o)
	})
}

func (t objects) Insert(o contract.Object) error {
	if err := t.write(tableObject, o.ID, o); err != nil {
		return err
	}
	return t.table(tableName).Put(o.Name, []byte(o.ID))
}

func (t objects) Rename(o contract.Object, name string) error {
	if err := t.table(tableName).Delete(o.Name); err != nil {
		return err
	}
	o.Name = name
	return t.Insert(o)
}

func (t objects) Delete(o contract.Object) error {
	if err := t.table(tableName).Delete(o.Name); err != nil {
		return err
	}
	return t.table(tableObject).Delete(o.ID)
}

// references implements contract.References.
type references struct{ tables }

func (t references) To(r contract.Relation, target string) (ids []string, err error) {
	prefix := joined(string(r), target, "")
	err = t.prefixed(tableReference, prefix, func(key string, _ []byte) (bool, error) {
		if id := key[len(prefix):]; !strings.Contains(id, "\x00") { // else it is another target's, with a zero in its name
			ids = append(ids, id)
		}
		return true, nil
	})
	return ids, err
}

func (t references) Insert(r contract.Relation, target, containerID string) error {
	return t.table(tableReference).Put(joined(string(r), target, containerID), nil)
}

func (t references) Delete(r contract.Relation, target, containerID string) error {
	return t.table(tableReference).Delete(joined(string(r), target, containerID))
}
