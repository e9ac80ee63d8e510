package contract

import (
	"errors"
	"slices"
	"time"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/rules"
)

// names implements store.NameReader.
type names struct{ *Tx }

// owner returns the ID that has a name, as its own or reserved, empty if none has.
func (t *Tx) owner(name string) (string, error) {
	o, found, err := t.rows.Objects.Named(name)
	if err != nil || found {
		return o.ID, err
	}
	r, _, err := t.rows.Reservations.Reservation(name)
	return r.ID, err
}

func (t names) Owner(name string) (string, error) {
	id, err := t.owner(name)
	if err == nil && id == "" {
		err = rules.NoOwner(name)
	}
	return id, err
}

func (t names) Of(id string) (string, error) {
	o, found, err := t.rows.Objects.Object(id)
	if err == nil && !found {
		err = store.NoContainer(id)
	}
	return o.Name, err
}

func (t names) All() (map[string][]string, error) {
	all := map[string][]string{}
	err := t.rows.Objects.Each(func(o Object) error {
		all[o.ID] = append(all[o.ID], o.Name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	reserved, err := t.rows.Reservations.All()
	for _, r := range reserved {
		all[r.ID] = append(all[r.ID], r.Name)
	}
	return all, err
}

// nameWriter implements store.NameWriter.
type nameWriter struct{ names }

func (t nameWriter) Reserve(name, id string) error {
	switch {
	case id == "":
		return errdefs.Invalid("the name %q cannot be reserved: no ID was given", name)
	case name == "":
		return errdefs.Invalid("no name was given to be reserved for %s", id)
	}
	owner, err := t.owner(name)
	switch {
	case err != nil || owner == id:
		return err
	case owner != "":
		return store.NameTaken(name, owner)
	}
	return t.rows.Reservations.Put(Reservation{Name: name, ID: id, At: time.Now()})
}

func (t nameWriter) Release(name string) error {
	o, found, err := t.rows.Objects.Named(name)
	if err != nil {
		return err
	}
	if found {
		return rules.OwnName(string(o.Kind), name)
	}
	return t.rows.Reservations.Delete(name)
}

// claim makes a name an object's own: it must be free, or reserved for this ID.
func (t *Tx) claim(name, id string) error {
	owner, err := t.owner(name)
	switch {
	case err != nil || owner == "":
		return err
	case owner != id:
		return store.NameTaken(name, owner)
	}
	return t.rows.Reservations.Delete(name)
}

// drop gives up all names that are reserved for an ID.
func (t *Tx) drop(id string) error {
	return t.dropIf(func(r Reservation) (bool, error) { return r.ID == id, nil })
}

// prune gives up names that were reserved before a time for what has not come to be.
func (t nameWriter) prune(before time.Time) error {
	return t.dropIf(func(r Reservation) (bool, error) {
		if !r.At.Before(before) {
			return false, nil
		}
		_, found, err := t.rows.Objects.Object(r.ID)
		return !found, err
	})
}

func (t *Tx) dropIf(which func(r Reservation) (bool, error)) error {
	all, err := t.rows.Reservations.All()
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range slices.Clone(all) {
		ok, err := which(r)
		if err == nil && ok {
			err = t.rows.Reservations.Delete(r.Name)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
