package sqlite

import (
	"time"

	"github.com/berth-engine/berth/store/internal/contract"
)

// objects implements contract.Objects.
type objects struct{ *tx }

const objectColumns = "SELECT id, name, kind, namespace, pod FROM object"

func objectOf(r row) contract.Object {
	return contract.Object{ID: r.ColumnText(0), Name: r.ColumnText(1), Kind: contract.Kind(r.ColumnText(2)),
		Namespace: r.ColumnText(3), Pod: r.ColumnText(4)}
}

func (t objects) first(sql, arg string) (o contract.Object, found bool, err error) {
	found, err = t.one(sql, func(r row) error { o = objectOf(r); return nil }, arg)
	return o, found, err
}

func (t objects) Object(id string) (contract.Object, bool, error) {
	return t.first(objectColumns+" WHERE id = ?", id)
}

func (t objects) Named(name string) (contract.Object, bool, error) {
	return t.first(objectColumns+" WHERE name = ?", name)
}

func (t objects) WithPrefix(kind contract.Kind, prefix, namespace string) ([]string, error) {
	return t.texts("SELECT id FROM object WHERE id > ?1 AND id < ?2 AND kind = ?3 AND (?4 = '' OR namespace = ?4) LIMIT 2",
		prefix, afterPrefix(prefix), string(kind), namespace)
}

func (t objects) Each(fn func(o contract.Object) error) error {
	return t.query(objectColumns+" ORDER BY id", func(r row) error { return fn(objectOf(r)) })
}

func (t objects) Insert(o contract.Object) error {
	return t.exec("INSERT INTO object (id, name, kind, namespace, pod) VALUES (?, ?, ?, ?, ?)",
		o.ID, o.Name, string(o.Kind), o.Namespace, o.Pod)
}

func (t objects) Rename(o contract.Object, name string) error {
	return t.exec("UPDATE object SET name = ? WHERE id = ?", name, o.ID)
}

func (t objects) Delete(o contract.Object) error {
	return t.exec("DELETE FROM object WHERE id = ?", o.ID)
}

// references implements contract.References.
type references struct{ *tx }

// relation is the table of a relation, and its columns are target and id.
var relation = map[contract.Relation]struct{ to, insert, delete string }{
	contract.Needs:    relationSQL("dependency", "needed"),
	contract.Mounts:   relationSQL("volume_use", "volume"),
	contract.Connects: relationSQL("network_use", "network"),
}

func relationSQL(table, target string) struct{ to, insert, delete string } {
	return struct{ to, insert, delete string }{
		"SELECT id FROM " + table + " WHERE " + target + " = ? ORDER BY id",
		"INSERT INTO " + table + " (" + target + ", id) VALUES (?, ?)",
		"DELETE FROM " + table + " WHERE " + target + " = ? AND id = ?",
	}
}

func (t references) To(r contract.Relation, target string) ([]string, error) {
	return t.texts(relation[r].to, target)
}

func (t references) Insert(r contract.Relation, target, containerID string) error {
	return t.exec(relation[r].insert, target, containerID)
}

func (t references) Delete(r contract.Relation, target, containerID string) error {
	return t.exec(relation[r].delete, target, containerID)
}

// exitCodes implements contract.ExitCodes.
type exitCodes struct{ *tx }

const exitColumns = "SELECT id, namespace, code, recorded, removed FROM exit_code"

func exitOf(r row) (id string, e contract.ExitCode) {
	e = contract.ExitCode{Namespace: r.ColumnText(1), Code: r.ColumnInt(2), Recorded: time.Unix(0, r.ColumnInt64(3))}
	if removed := r.ColumnInt64(4); removed != 0 {
		e.Removed = time.Unix(0, removed)
	}
	return r.ColumnText(0), e
}

func (t exitCodes) ExitCode(id string) (e contract.ExitCode, found bool, err error) {
	found, err = t.one(exitColumns+" WHERE id = ?", func(r row) error {
		_, e = exitOf(r)
		return nil
	}, id)
	return e, found, err
}

func (t exitCodes) Each(fn func(id string, e contract.ExitCode) error) error {
	return t.query(exitColumns+" ORDER BY id", func(r row) error { return fn(exitOf(r)) })
}

func (t exitCodes) Put(id string, e contract.ExitCode) error {
	var removed int64
	if !e.Removed.IsZero() {
		removed = e.Removed.UnixNano()
	}
	return t.exec("INSERT OR REPLACE INTO exit_code (id, namespace, code, recorded, removed) VALUES (?, ?, ?, ?, ?)",
		id, e.Namespace, e.Code, e.Recorded.UnixNano(), removed)
}

func (t exitCodes) Delete(id string) error { return t.exec("DELETE FROM exit_code WHERE id = ?", id) }

func (t exitCodes) Prune(before time.Time) error {
	return t.exec("DELETE FROM exit_code WHERE removed != 0 AND removed < ?", before.UnixNano())
}

// reservations implements contract.Reservations.
type reservations struct{ *tx }

func reservationOf(r row) contract.Reservation {
	return contract.Reservation{Name: r.ColumnText(0), ID: r.ColumnText(1), At: time.Unix(0, r.ColumnInt64(2))}
}

func (t reservations) Reservation(name string) (v contract.Reservation, found bool, err error) {
	found, err = t.one("SELECT name, id, reserved FROM reservation WHERE name = ?", func(r row) error {
		v = reservationOf(r)
		return nil
	}, name)
	return v, found, err
}

func (t reservations) All() (all []contract.Reservation, err error) {
	err = t.query("SELECT name, id, reserved FROM reservation ORDER BY name", func(r row) error {
		all = append(all, reservationOf(r))
		return nil
	})
	return all, err
}

func (t reservations) Put(r contract.Reservation) error {
	return t.exec("INSERT OR REPLACE INTO reservation (name, id, reserved) VALUES (?, ?, ?)", r.Name, r.ID, r.At.UnixNano())
}

func (t reservations) Delete(name string) error {
	return t.exec("DELETE FROM reservation WHERE name = ?", name)
}
