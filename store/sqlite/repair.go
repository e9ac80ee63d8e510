package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/contract"
	"github.com/berth-engine/berth/store/internal/gate"
	"github.com/berth-engine/berth/volume"
)

// repaired is what the name of a new database ends in while it is put in the place of the old one. Once there is a file of
// this name the repair is decided: a later Repair finishes it, and until then nobody opens the database.
const repaired = "-repaired"

// Repair makes a new database of what can be read of the one at path, and puts it in its place; the old one is kept under
// another name. A container whose state cannot be read is Exited with exit code -1. A repair that is interrupted leaves either
// the old database or the new. ErrConflict while another process, or another Store, has the database open; store.ErrNewer;
// ErrNotFound.
func Repair(ctx context.Context, path string) (store.RepairReport, error) {
	var report store.RepairReport
	if err := somethingAt(path); err != nil {
		return report, err
	}
	g, err := gate.Open(path)
	if err != nil {
		return report, err
	}
	defer g.Close()
	alone, err := g.Alone()
	if err != nil {
		return report, err
	}
	if !alone {
		return report, errdefs.Conflict("%s is in use by another process: stop the service and whatever else uses it, then repair it", path)
	}
	if unfinishedRepair(path) == nil {
		if err := rebuild(ctx, path, &report); err != nil {
			return report, err
		}
	}
	report.Kept = path + ".damaged-" + time.Now().UTC().Format("20060102T150405.000000000Z")
	return report, exchange(path, report.Kept)
}

// somethingAt says whether there is anything to repair.
func somethingAt(path string) error {
	for _, suffix := range []string{"", "-wal", repaired} {
		if _, err := os.Stat(path + suffix); err == nil {
			return nil
		}
	}
	return errdefs.NotFound("%s: there is no database to repair", path)
}

// rebuild writes the new database.
func rebuild(ctx context.Context, path string, report *store.RepairReport) error {
	old, err := salvage(ctx, path)
	if err != nil {
		return err
	}
	fill := func(c *conn) error {
		return old.Write(contract.NewUpdateTx((&tx{conn: c, ctx: ctx, path: path}).rows(), ""), report)
	}
	if err := build(path+"-new", fill); err != nil {
		return err
	}
	return install(path+"-new", path+repaired)
}

// exchange keeps the old files and gives the new one its name. Doing it again finishes it.
func exchange(path, kept string) error {
	for _, suffix := range []string{"-wal", ""} {
		if err := os.Rename(path+suffix, kept+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return gate.ExplainFile(err)
		}
	}
	if err := os.Remove(path + "-shm"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return gate.ExplainFile(err)
	}
	if err := os.Rename(path+repaired, path); err != nil {
		return gate.ExplainFile(err)
	}
	return gate.SyncDir(filepath.Dir(path))
}

// salvage reads what can be read.
func salvage(ctx context.Context, path string) (*contract.Remains, error) {
	old := &contract.Remains{ExitCodes: map[string]contract.ExitCode{}}
	lose := func(format string, args ...any) { old.Lost = append(old.Lost, fmt.Sprintf(format, args...)) }
	c, err := connect(path, sqlite.OpenReadWrite)
	if err != nil {
		lose("everything: %v", err)
		return old, nil
	}
	defer c.Close()
	// A file that is shorter than its header says would be refused as a whole otherwise (lockBtree in SQLite's btree.c).
	if err := c.pragma("writable_schema", 1); err != nil {
		return nil, err
	}
	version, err := c.known(ctx)
	switch {
	case errors.Is(err, store.ErrNewer), ctx.Err() != nil:
		return nil, errors.Join(err, ctx.Err())
	case errors.Is(err, store.ErrCorrupt):
		lose("everything: the first page cannot be read")
		return old, nil
	case err != nil:
		return nil, err
	}
	t := &scan{conn: c, ctx: ctx, lose: lose}
	t.meta(old)
	t.containers(old)
	t.rows("exec", "session", func(r row, b []byte) error {
		s := new(container.ExecSession)
		err := json.Unmarshal(b, s)
		if err == nil {
			old.Execs = append(old.Execs, s)
		}
		return err
	})
	t.rows("volume", "volume", func(r row, b []byte) error {
		v := new(volume.Volume)
		err := json.Unmarshal(b, v)
		if err == nil {
			old.Volumes = append(old.Volumes, v)
		}
		return err
	})
	t.byKey("exit_code", "id", "id, namespace, code, recorded, removed", func(r row) {
		id, e := exitOf(r)
		old.ExitCodes[id] = e
	})
	if version >= versionPods {
		t.pods(old)
		t.reservations(old)
	}
	t.rows("event", "event", func(r row, b []byte) error {
		var e event.Event
		err := json.Unmarshal(b, &e)
		if err == nil {
			old.Events = append(old.Events, e)
		}
		return err
	})
	return old, ctx.Err()
}

// meta reads what the database knew of itself.
func (t *scan) meta(old *contract.Remains) {
	t.byKey("meta", "key", "key, value", func(r row) {
		switch value := r.ColumnText(1); r.ColumnText(0) {
		case contract.KeyPaths:
			old.Paths = value
		case contract.KeyBoot:
			old.Boot = value
		case keyEvents:
			old.LastEvent, _ = strconv.ParseUint(value, 10, 64)
		}
	})
}

// containers reads configurations and states, and joins them.
func (t *scan) containers(old *contract.Remains) {
	states := map[int64]container.State{}
	t.rows("state", "state", func(r row, b []byte) error {
		var s container.State
		err := json.Unmarshal(b, &s)
		if err == nil {
			states[r.ColumnInt64(0)] = s
		}
		return err
	})
	t.rows("container", "config", func(r row, b []byte) error {
		c := new(container.Container)
		if err := json.Unmarshal(b, &c.Config); err != nil {
			return err
		}
		s, ok := states[r.ColumnInt64(0)]
		if !ok {
			t.lose("the state of container %s", c.Config.Name)
			s = contract.LostState
		}
		c.State = s
		old.Containers = append(old.Containers, c)
		return nil
	})
}

// pods reads configurations and states. A state that cannot be read is empty.
func (t *scan) pods(old *contract.Remains) {
	states := map[int64]container.PodState{}
	t.rows("pod", "state", func(r row, b []byte) error {
		var s container.PodState
		err := json.Unmarshal(b, &s)
		states[r.ColumnInt64(0)] = s
		return err
	})
	t.rows("pod", "config", func(r row, b []byte) error {
		p := &container.Pod{State: states[r.ColumnInt64(0)]}
		err := json.Unmarshal(b, &p.Config)
		if err == nil {
			old.Pods = append(old.Pods, p)
		}
		return err
	})
}

func (t *scan) reservations(old *contract.Remains) {
	t.byKey("reservation", "name", "name, id, reserved", func(r row) { old.Reservations = append(old.Reservations, reservationOf(r)) })
}

// scan reads tables around what is damaged.
type scan struct {
	*conn
	ctx  context.Context
	lose func(format string, args ...any)
}

// rows calls take for each row of a table with a seq: from the front until something is damaged, from the back until
// something is, and one by one between. take's first column is seq, its bytes are the record.
func (t *scan) rows(table, record string, take func(r row, record []byte) error) {
	unreadable := 0
	each := func(r row) error {
		if err := take(r, columnBytes(r, 1)); err != nil {
			unreadable++
		}
		return t.ctx.Err()
	}
	var first, last int64 = 0, 0
	columns := "SELECT seq, " + record + " FROM " + table
	forward := t.query(columns+" ORDER BY seq", func(r row) error { first = r.ColumnInt64(0); return each(r) })
	if forward != nil && t.ctx.Err() == nil {
		back := t.query(columns+" WHERE seq > ? ORDER BY seq DESC", func(r row) error { last = r.ColumnInt64(0); return each(r) }, first)
		lost := 0
		for seq := first + 1; back != nil && seq < last && t.ctx.Err() == nil; seq++ {
			if err := t.query(columns+" WHERE seq = ?", each, seq); err != nil {
				lost++
			}
		}
		t.lose("a part of the table %s (%v), up to %d of its rows", table, forward, lost)
	}
	if unreadable > 0 {
		t.lose("%d rows of the table %s, which cannot be decoded", unreadable, table)
	}
}

// byKey calls take for each row of a table without a seq, from the front and from the back until something is damaged.
func (t *scan) byKey(table, key, columns string, take func(r row)) {
	seen := map[string]bool{}
	each := func(r row) error {
		if k := r.ColumnText(0); !seen[k] {
			seen[k] = true
			take(r)
		}
		return t.ctx.Err()
	}
	sql := "SELECT " + columns + " FROM " + table + " ORDER BY " + key
	if err := t.query(sql, each); err != nil && t.ctx.Err() == nil {
		t.query(sql+" DESC", each)
		t.lose("a part of the table %s (%v)", table, err)
	}
}
