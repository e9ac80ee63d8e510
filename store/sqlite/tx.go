package sqlite

import (
	"context"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store/internal/contract"
)

// tx is a transaction. Its rows are views of it under other method sets.
type tx struct {
	*conn // nil when the transaction has ended
	ctx   context.Context
	path  string // of the database, for messages
}

// rows are those of the transaction, for the contract.
func (t *tx) rows() contract.Rows {
	return contract.Rows{
		Objects: objects{t}, Containers: containers{t}, Pods: pods{t}, Execs: execs{t}, Volumes: volumes{t}, References: references{t},
		ExitCodes: exitCodes{t}, Reservations: reservations{t}, Events: events{t}, Meta: meta{t},
	}
}

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

// meta implements contract.Meta.
type meta struct{ *tx }

func (t meta) Meta(key string) (string, error) {
	value, _, err := t.text("SELECT value FROM meta WHERE key = ?", key)
	return value, err
}

func (t meta) SetMeta(key, value string) error {
	return t.exec("INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", key, value)
}
