package sqlite

import (
	"math"
	"strconv"
	"time"

	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store/internal/rules"
)

// events implements store.EventReader.
type events struct{ *tx }

// eventBatch is how many events are read at a time, so that what is done with them may use the transaction.
const eventBatch = 256

func (t events) After(seq uint64, fn func(event.Event) bool) error {
	for {
		var batch []event.Event
		err := t.query("SELECT event FROM event WHERE seq > ? ORDER BY seq LIMIT ?", func(r row) error {
			var e event.Event
			err := t.decode(r, 0, &e)
			batch = append(batch, e)
			return err
		}, int64(seq), eventBatch)
		if err != nil {
			return err
		}
		for _, e := range batch {
			if !fn(e) {
				return nil
			}
			seq = e.Seq
		}
		if len(batch) < eventBatch {
			return nil
		}
	}
}

func (t events) Since(at time.Time) (uint64, error) {
	var first uint64
	// The clock may have been set back, so that times are not sorted: it is the first one that counts.
	found, err := t.one("SELECT seq FROM event WHERE time >= ? ORDER BY seq LIMIT 1", func(r row) error {
		first = uint64(r.ColumnInt64(0))
		return nil
	}, nanos(at))
	if err != nil {
		return 0, err
	}
	if !found {
		return t.Last()
	}
	return first - 1, nil
}

// nanos is t in nanoseconds since 1970, as near as they reach.
func nanos(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

func (t events) Last() (uint64, error) {
	last, found, err := t.text("SELECT seq FROM event ORDER BY seq DESC LIMIT 1")
	if err == nil && !found {
		last, found, err = t.text("SELECT value FROM meta WHERE key = ?", keyEvents)
	}
	if err != nil || !found {
		return 0, err
	}
	n, err := strconv.ParseUint(last, 10, 64)
	if err != nil {
		return 0, rules.Damaged(t.path, "its last event's number: "+err.Error())
	}
	return n, nil
}

func (w writer) Append(e event.Event) error {
	last, err := events{w.tx}.Last()
	if err != nil {
		return err
	}
	e = rules.Stamp(e, last+1, time.Now())
	b, err := encode(e)
	if err != nil {
		return err
	}
	return w.exec("INSERT INTO event (seq, time, event) VALUES (?, ?, ?)", int64(e.Seq), nanos(e.Time), b)
}

// pruneEvents keeps the newest events. Numbering goes on where it was when none is kept.
func (w writer) pruneEvents(keep int) error {
	last, err := events{w.tx}.Last()
	if err != nil || last == 0 {
		return err
	}
	if keep <= 0 {
		if err := w.setMeta(keyEvents, strconv.FormatUint(last, 10)); err != nil {
			return err
		}
	}
	return w.exec("DELETE FROM event WHERE seq <= ?", int64(last)-int64(max(keep, 0)))
}
