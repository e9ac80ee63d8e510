package contract

import (
	"encoding/json"
	"time"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/rules"
)

// Tx is a transaction that reads. Its readers are views of it under other method sets.
type Tx struct {
	rows Rows
	// namespace is the one that the Store was opened in, empty for none.
	namespace string
}

var _ store.Tx = (*Tx)(nil)

// NewTx wraps the rows of a transaction of a Store that was opened in a namespace.
func NewTx(rows Rows, namespace string) *Tx { return &Tx{rows, namespace} }

// Containers implements store.Tx.
func (t *Tx) Containers() store.ContainerReader { return containers{t} }

// Pods implements store.Tx.
func (t *Tx) Pods() store.PodReader { return pods{t} }

// Execs implements store.Tx.
func (t *Tx) Execs() store.ExecReader { return execs{t} }

// Volumes implements store.Tx.
func (t *Tx) Volumes() store.VolumeReader { return volumes{t} }

// Names implements store.Tx.
func (t *Tx) Names() store.NameReader { return names{t} }

// Events implements store.Tx.
func (t *Tx) Events() store.EventReader { return t.rows.Events }

// UpdateTx is a transaction that may write.
type UpdateTx struct{ *Tx }

var _ store.UpdateTx = UpdateTx{}

// NewUpdateTx wraps the rows of a transaction of a Store that was opened in a namespace.
func NewUpdateTx(rows Rows, namespace string) UpdateTx { return UpdateTx{NewTx(rows, namespace)} }

// Writer implements store.UpdateTx.
func (t UpdateTx) Writer() store.Writer { return writer{t.Tx} }

// ContainerWriter implements store.UpdateTx.
func (t UpdateTx) ContainerWriter() store.ContainerWriter { return containerWriter{containers{t.Tx}} }

// PodWriter implements store.UpdateTx.
func (t UpdateTx) PodWriter() store.PodWriter { return podWriter{pods{t.Tx}} }

// ExecWriter implements store.UpdateTx.
func (t UpdateTx) ExecWriter() store.ExecWriter { return execWriter{execs{t.Tx}} }

// VolumeWriter implements store.UpdateTx.
func (t UpdateTx) VolumeWriter() store.VolumeWriter { return volumeWriter{volumes{t.Tx}} }

// NameWriter implements store.UpdateTx.
func (t UpdateTx) NameWriter() store.NameWriter { return nameWriter{names{t.Tx}} }

// sees reports whether what is of this namespace is visible.
func (t *Tx) sees(namespace string) bool { return t.namespace == "" || t.namespace == namespace }

// object returns the visible object of this ID and kind.
func (t *Tx) object(kind Kind, id string) (o Object, found bool, err error) {
	o, found, err = t.rows.Objects.Object(id)
	return o, found && o.Kind == kind && t.sees(o.Namespace), err
}

// resolve returns the ID of the visible object of this kind that ref means, when ref is not a full ID. Empty if there is none.
func (t *Tx) resolve(kind Kind, ref string) (string, error) {
	owner, err := t.owner(ref)
	if err != nil {
		return "", err
	}
	if o, found, err := t.object(kind, owner); found || err != nil {
		return o.ID, err
	}
	ids, err := t.rows.Objects.WithPrefix(kind, ref, t.namespace)
	switch {
	case err != nil || len(ids) == 0:
		return "", err
	case len(ids) > 1:
		return "", rules.Ambiguous(string(kind), ref)
	}
	return ids[0], nil
}

// ExitCode implements store.Tx.
func (t *Tx) ExitCode(id string) (int, error) {
	e, found, err := t.rows.ExitCodes.ExitCode(id)
	if err == nil && (!found || !t.sees(e.Namespace)) {
		err = rules.NoExitCode(id)
	}
	return e.Code, err
}

// BootID implements store.Tx.
func (t *Tx) BootID() (string, error) { return t.rows.Meta.Meta(KeyBoot) }

// Paths implements store.Tx.
func (t *Tx) Paths() (p store.Paths, err error) {
	text, err := t.rows.Meta.Meta(KeyPaths)
	if err != nil || text == "" {
		return p, err
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return p, errdefs.New(errdefs.ErrInternal, "%w (its record of paths: %v)", store.ErrCorrupt, err)
	}
	return p, nil
}

// SetPaths records the paths that the database was created with. It is for back ends.
func (t UpdateTx) SetPaths(p store.Paths) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return t.rows.Meta.SetMeta(KeyPaths, string(b))
}

// writer implements store.Writer.
type writer struct{ *Tx }

func (w writer) Append(e event.Event) error {
	last, err := w.rows.Events.Last()
	if err != nil {
		return err
	}
	return w.rows.Events.Insert(rules.Stamp(e, last+1, time.Now()))
}

func (w writer) Prune(now time.Time, keep int) error {
	if err := w.rows.ExitCodes.Prune(now.Add(-store.ExitCodeAge)); err != nil {
		return err
	}
	if err := (nameWriter{names{w.Tx}}).prune(now.Add(-store.ReservationAge)); err != nil {
		return err
	}
	last, err := w.rows.Events.Last()
	if err != nil {
		return err
	}
	if keep = max(keep, 0); last <= uint64(keep) {
		return nil
	}
	return w.rows.Events.DeleteThrough(last - uint64(keep))
}
