package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/contract"
	"github.com/berth-engine/berth/store/internal/gate"
	"github.com/berth-engine/berth/store/internal/rules"
	"github.com/berth-engine/berth/volume"
)

// Report says what Repair did.
type Report struct {
	// Kept is where the damaged database is now; its log lies beside it.
	Kept string
	// Containers, Pods, Execs, Volumes and Events count what is in the new database.
	Containers, Pods, Execs, Volumes, Events int
	// Lost says what could not be read, as far as that is known.
	Lost []string
}

// repaired is what the name of a new database ends in while it is put in the place of the old one. Once there is a file of
// this name the repair is decided: a later Repair finishes it, and until then nobody opens the database.
const repaired = "-repaired"

// Repair makes a new database of what can be read of the one at path, and puts it in its place; the old one is kept under
// another name. A container whose state cannot be read is Exited with exit code -1. A repair that is interrupted leaves either
// the old database or the new. ErrConflict while another process, or another Store, has the database open; store.ErrNewer;
// ErrNotFound.
func Repair(ctx context.Context, path string) (Report, error) {
	var report Report
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
func rebuild(ctx context.Context, path string, report *Report) error {
	old, err := salvage(ctx, path, report)
	if err != nil {
		return err
	}
	if err := build(path+"-new", func(c *conn) error { return old.write(ctx, c, report) }); err != nil {
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
	return syncDir(filepath.Dir(path))
}

// remains is what could be read of a damaged database.
type remains struct {
	meta       map[string]string
	containers []*container.Container
	pods       []*container.Pod
	execs      []*container.ExecSession
	volumes    []*volume.Volume
	exits      map[string]contract.ExitCode
	reserved   []contract.Reservation
	events     []eventRow
}

type eventRow struct {
	seq, time int64
	json      []byte
}

// salvage reads what can be read.
func salvage(ctx context.Context, path string, report *Report) (*remains, error) {
	old := &remains{meta: map[string]string{}, exits: map[string]contract.ExitCode{}}
	lose := func(format string, args ...any) { report.Lost = append(report.Lost, fmt.Sprintf(format, args...)) }
	c, err := connect(path, sqlite.OpenReadWrite)
	if err != nil {
		lose("everything: %v", err)
		return old, nil
	}
	defer c.Close()
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
	t.byKey("meta", "key", "key, value", func(r row) { old.meta[r.ColumnText(0)] = r.ColumnText(1) })
	t.containers(old)
	t.rows("exec", "session", func(r row, b []byte) error {
		s := new(container.ExecSession)
		err := json.Unmarshal(b, s)
		if err == nil {
			old.execs = append(old.execs, s)
		}
		return err
	})
	t.rows("volume", "volume", func(r row, b []byte) error {
		v := new(volume.Volume)
		err := json.Unmarshal(b, v)
		if err == nil {
			old.volumes = append(old.volumes, v)
		}
		return err
	})
	t.byKey("exit_code", "id", "id, namespace, code, recorded, removed", func(r row) {
		id, e := exitOf(r)
		old.exits[id] = e
	})
	if version >= versionPods {
		t.pods(old)
		t.reservations(old)
	}
	t.rows("event", "event", func(r row, b []byte) error {
		var e struct{ Time time.Time }
		err := json.Unmarshal(b, &e)
		if err == nil {
			old.events = append(old.events, eventRow{r.ColumnInt64(0), rules.Nanos(e.Time), b})
		}
		return err
	})
	return old, ctx.Err()
}

// containers reads configurations and states, and joins them.
func (t *scan) containers(old *remains) {
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
			s = container.State{Status: container.Exited, ExitCode: -1}
		}
		c.State = s
		old.containers = append(old.containers, c)
		return nil
	})
}

// pods reads configurations and states. A state that cannot be read is empty.
func (t *scan) pods(old *remains) {
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
			old.pods = append(old.pods, p)
		}
		return err
	})
}

func (t *scan) reservations(old *remains) {
	t.byKey("reservation", "name", "name, id, reserved", func(r row) { old.reserved = append(old.reserved, reservationOf(r)) })
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

// write fills a new database.
func (old *remains) write(ctx context.Context, c *conn, report *Report) error {
	w := contract.NewUpdateTx((&tx{conn: c, ctx: ctx, path: c.path}).rows(), "")
	for key, value := range old.meta {
		if err := c.setMeta(key, value); err != nil {
			return err
		}
	}
	for _, part := range []func(contract.UpdateTx, *Report) error{old.writeContainers, old.writePods, old.writeOthers} {
		if err := part(w, report); err != nil {
			return err
		}
	}
	for _, e := range old.events {
		if err := c.exec("INSERT OR IGNORE INTO event (seq, time, event) VALUES (?, ?, ?)", e.seq, e.time, e.json); err != nil {
			return err
		}
		report.Events++
	}
	return nil
}

// writeContainers adds containers with whatever they depend on, also if that is lost.
func (old *remains) writeContainers(w contract.UpdateTx, report *Report) error {
	for _, c := range old.containers {
		err := rules.CheckNew(c, "")
		if err == nil {
			err = w.Free(c.Config.ID, c.Config.Name)
		}
		if refused(err) {
			report.Lost = append(report.Lost, err.Error())
			continue
		}
		if err == nil {
			err = contract.Insert(w.Rows(), c)
		}
		if err != nil {
			return err
		}
		report.Containers++
	}
	return nil
}

func (old *remains) writePods(w contract.UpdateTx, report *Report) error {
	for _, p := range old.pods {
		err := w.PodWriter().Add(p)
		if refused(err) {
			report.Lost = append(report.Lost, err.Error())
			continue
		}
		if err != nil {
			return err
		}
		report.Pods++
	}
	return nil
}

// writeOthers adds what belongs to containers, and volumes.
func (old *remains) writeOthers(w contract.UpdateTx, report *Report) error {
	for _, v := range old.volumes {
		if err := w.VolumeWriter().Add(v); err == nil {
			report.Volumes++
		} else if !refused(err) {
			return err
		}
	}
	for _, s := range old.execs {
		if err := w.ExecWriter().Put(s); err == nil {
			report.Execs++
		} else if !refused(err) {
			return err
		}
	}
	for id, e := range old.exits {
		if err := w.Rows().ExitCodes.Put(id, e); err != nil {
			return err
		}
	}
	for _, r := range old.reserved {
		if err := w.Rows().Reservations.Put(r); err != nil {
			return err
		}
	}
	return nil
}

// refused reports whether an error is about the record, not about the new database.
func refused(err error) bool {
	return errors.Is(err, errdefs.ErrAlreadyExists) || errors.Is(err, errdefs.ErrInvalidArgument) || errors.Is(err, errdefs.ErrNotFound)
}
