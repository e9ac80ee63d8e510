package sqlite

import (
	"context"
	"time"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/rules"
)

// tx is a transaction. Its readers are views of it under other method sets.
type tx struct {
	*conn // nil when the transaction has ended
	ctx   context.Context
	path  string // of the database, for messages
	// namespace is the one that the Store was opened in, empty for none.
	namespace string
}

func (t *tx) Containers() store.ContainerReader { return containers{t} }
func (t *tx) Execs() store.ExecReader           { return execs{t} }
func (t *tx) Volumes() store.VolumeReader       { return volumes{t} }
func (t *tx) Events() store.EventReader         { return events{t} }

// updateTx is a transaction that may write.
type updateTx struct{ *tx }

func (t updateTx) Writer() store.Writer                   { return writer{t.tx} }
func (t updateTx) ContainerWriter() store.ContainerWriter { return containerWriter{containers{t.tx}} }
func (t updateTx) ExecWriter() store.ExecWriter           { return execWriter{execs{t.tx}} }
func (t updateTx) VolumeWriter() store.VolumeWriter       { return volumeWriter{volumes{t.tx}} }

// query is conn.query, for as long as the transaction and its context last.
func (t *tx) query(sql string, fn func(row) error, args ...any) error {
	if t.conn == nil {
		return errdefs.Internal("a transaction of the store was used after its end")
	}
	if err := t.ctx.Err(); err != nil {
		return err
	}
	return t.conn.query(sql, fn, args...)
}

func (t *tx) exec(sql string, args ...any) error { return t.query(sql, nil, args...) }

// one runs fn for the first row and reports whether there was one.
func (t *tx) one(sql string, fn func(row) error, args ...any) (found bool, err error) {
	err = t.query(sql, func(r row) error {
		if found {
			return nil
		}
		found = true
		return fn(r)
	}, args...)
	return found, err
}

// text returns the first column of the first row.
func (t *tx) text(sql string, args ...any) (s string, found bool, err error) {
	found, err = t.one(sql, func(r row) error {
		s = r.ColumnText(0)
		return nil
	}, args...)
	return s, found, err
}

// texts returns the first column of all rows.
func (t *tx) texts(sql string, args ...any) (all []string, err error) {
	err = t.query(sql, func(r row) error {
		all = append(all, r.ColumnText(0))
		return nil
	}, args...)
	return all, err
}

// afterPrefix is above every text that begins with prefix and below every other that is above it.
func afterPrefix(prefix string) string { return prefix + "\U0010FFFF" }

// ExitCode implements store.Tx.
func (t *tx) ExitCode(id string) (code int, err error) {
	found, err := t.one("SELECT code FROM exit_code WHERE id = ?1 AND (?2 = '' OR namespace = ?2)", func(r row) error {
		code = r.ColumnInt(0)
		return nil
	}, id, t.namespace)
	if err == nil && !found {
		err = rules.NoExitCode(id)
	}
	return code, err
}

// BootID implements store.Tx.
func (t *tx) BootID() (string, error) {
	id, _, err := t.text("SELECT value FROM meta WHERE key = ?", keyBoot)
	return id, err
}

// writer implements store.Writer.
type writer struct{ *tx }

func (w writer) Refresh(bootID string) error {
	now := time.Now()
	type change struct {
		seq int64
		rec stateRecord
	}
	var changes []change
	// All namespaces: a reboot spares none.
	err := w.query(`SELECT c.seq, s.state, e.code, e.recorded FROM container c JOIN state s ON s.seq = c.seq
		LEFT JOIN exit_code e ON e.id = c.id`, func(r row) error {
		s, err := w.decodeState(r, 1)
		if err != nil {
			return err
		}
		var code *int
		if !r.ColumnIsNull(2) {
			n := r.ColumnInt(2)
			code = &n
		}
		rec, err := encodeState(rules.AfterReboot(s, code, time.Unix(0, r.ColumnInt64(3)), now))
		changes = append(changes, change{r.ColumnInt64(0), rec})
		return err
	})
	if err != nil {
		return err
	}
	for _, c := range changes {
		if err := w.exec("UPDATE state SET status = ?, state = ? WHERE seq = ?", c.rec.status, c.rec.json, c.seq); err != nil {
			return err
		}
	}
	if err := w.exec("DELETE FROM exec"); err != nil {
		return err
	}
	return w.setMeta(keyBoot, bootID)
}

func (w writer) Prune(now time.Time, keep int) error {
	err := w.exec("DELETE FROM exit_code WHERE removed != 0 AND removed < ?", now.Add(-store.ExitCodeAge).UnixNano())
	if err != nil {
		return err
	}
	return w.pruneEvents(keep)
}
