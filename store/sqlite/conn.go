package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"time"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
	"zombiezen.com/go/sqlite"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/gate"
	"github.com/berth-engine/berth/store/internal/rules"
)

// row is one row of a result.
type row = *sqlite.Stmt

// conn is one connection to the database at path, used by one goroutine at a time. Its statements are prepared once.
type conn struct {
	*sqlite.Conn
	path string
	// synced is whether PRAGMA synchronous is FULL, which is what a new connection has.
	synced bool
}

// connect opens the database with SQLite's flags. Nothing of the file is read yet.
func connect(path string, flags sqlite.OpenFlags) (*conn, error) {
	sc, err := sqlite.OpenConn(path, flags)
	if err != nil {
		return nil, explain(path, err)
	}
	c := &conn{Conn: sc, path: path, synced: true}
	sc.SetBusyTimeout(0) // begin waits, and can be cancelled
	if err := c.ownCheckpoints(); err != nil {
		sc.Close()
		return nil, err
	}
	return c, nil
}

// ownCheckpoints keeps SQLite from making checkpoints of its own: neither in a commit, nor when the last connection is closed,
// which would cost each short-lived process several syncs. The handle is not exported by zombiezen.com/go/sqlite, whose
// version is pinned; a test fails if it cannot be had any more.
func (c *conn) ownCheckpoints() error {
	handle := reflect.ValueOf(c.Conn).Elem().FieldByName("conn")
	if handle.Kind() != reflect.Uintptr {
		return errdefs.Internal("zombiezen.com/go/sqlite: Conn has no field conn of type uintptr")
	}
	db := uintptr(handle.Uint())
	tls := libc.NewTLS()
	defer tls.Close()
	args := libc.NewVaList(int32(1), uintptr(0))
	defer libc.Xfree(tls, args)
	if rc := lib.Xsqlite3_db_config(tls, db, lib.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, args); rc != lib.SQLITE_OK {
		return explain(c.path, sqlite.ResultCode(rc).ToError())
	}
	lib.Xsqlite3_wal_autocheckpoint(tls, db, 0)
	return nil
}

// query runs fn for each row of a statement that is prepared once for each connection. fn must not run the same one.
func (c *conn) query(sql string, fn func(row) error, args ...any) error {
	stmt, err := c.Prepare(sql)
	if err != nil {
		return explain(c.path, err)
	}
	for i, a := range args {
		bind(stmt, i+1, a)
	}
	for {
		more, err := stmt.Step()
		if err != nil {
			return explain(c.path, err)
		}
		if !more {
			return nil
		}
		if fn == nil {
			continue
		}
		if err := fn(stmt); err != nil {
			stmt.Reset()
			return err
		}
	}
}

// exec runs a statement without a result.
func (c *conn) exec(sql string, args ...any) error { return c.query(sql, nil, args...) }

func bind(stmt *sqlite.Stmt, i int, a any) {
	switch a := a.(type) {
	case string:
		stmt.BindText(i, a)
	case []byte:
		stmt.BindText(i, string(a))
	case int:
		stmt.BindInt64(i, int64(a))
	case int64:
		stmt.BindInt64(i, a)
	default:
		panic(fmt.Sprintf("sqlite: cannot bind a %T", a))
	}
}

// script runs statements that are used once.
func (c *conn) script(sql string) error {
	for sql != "" {
		stmt, rest, err := c.PrepareTransient(sql)
		if err != nil {
			return explain(c.path, err)
		}
		if stmt == nil {
			return nil
		}
		_, err = stmt.Step()
		stmt.Finalize()
		if err != nil {
			return explain(c.path, err)
		}
		sql = sql[len(sql)-rest:]
	}
	return nil
}

// pragma sets a number.
func (c *conn) pragma(name string, value int64) error {
	return c.script(fmt.Sprintf("PRAGMA %s = %d", name, value))
}

// number is the result of a statement that yields one number.
func (c *conn) number(sql string) (n int64, err error) {
	err = c.query(sql, func(r row) error {
		n = r.ColumnInt64(0)
		return nil
	})
	return n, err
}

// beginRead starts a read transaction and fixes its snapshot.
func (c *conn) beginRead(ctx context.Context) error {
	return patiently(ctx, func() error {
		if err := c.exec("BEGIN"); err != nil {
			return err
		}
		if err := c.exec("SELECT 1 FROM meta WHERE key = ''"); err != nil {
			return c.rollback(err)
		}
		return nil
	})
}

// beginWrite starts a write transaction of the given durability.
func (c *conn) beginWrite(ctx context.Context, d store.Durability) error {
	if synced := d == store.Synced; synced != c.synced {
		sql := "PRAGMA synchronous = NORMAL"
		if synced {
			sql = "PRAGMA synchronous = FULL"
		}
		if err := c.exec(sql); err != nil {
			return err
		}
		c.synced = synced
	}
	return patiently(ctx, func() error { return c.exec("BEGIN IMMEDIATE") })
}

// rollback ends a transaction without effect and returns err.
func (c *conn) rollback(err error) error {
	if c.AutocommitEnabled() { // SQLite did it itself
		return err
	}
	return errors.Join(err, c.exec("ROLLBACK"))
}

// errBusy is SQLite's busy: someone who does not know FILE-lock writes, or another process reads the log for the first time.
var errBusy = errors.New("busy")

// patiently calls begin until it is not errBusy, with growing pauses of random length, for at most gate.Patience.
func patiently(ctx context.Context, begin func() error) error {
	var err error
	give := time.Now().Add(gate.Patience)
	for pause := 200 * time.Microsecond; ; pause = min(2*pause, 20*time.Millisecond) {
		if err = begin(); !errors.Is(err, errBusy) {
			return err
		}
		if time.Now().After(give) {
			return err
		}
		t := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
}

// explain gives an error of SQLite's its class and says which file it is about.
func explain(path string, err error) error {
	code := sqlite.ErrCode(err)
	switch code.ToPrimary() {
	case sqlite.ResultBusy, sqlite.ResultLocked:
		return errdefs.Unavailable("%s: held by another program for %v (%w)", path, gate.Patience, errBusy)
	case sqlite.ResultCorrupt, sqlite.ResultNotADB:
		return rules.Damaged(path, code.Message())
	case sqlite.ResultFull:
		return errdefs.Unavailable("%s: no space left to write: free some on its file system", path)
	case sqlite.ResultReadOnly, sqlite.ResultPerm, sqlite.ResultAuth:
		return errdefs.Denied("%s: cannot be written: %w", path, err)
	}
	return errdefs.Internal("%s: %w", path, err)
}
