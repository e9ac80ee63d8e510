package sqlite

import (
	"math"
	"strconv"
	"time"

	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store/internal/rules"
)

// events implements contract.Events.
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
	}, rules.Nanos(at))
	if err != nil {
		return 0, err
	}
	if !found {
		return t.Last()
	}
	return first - 1, nil
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

func (t events) Insert(e event.Event) error {
	b, err := rules.Encode(e)
	if err != nil {
		return err
	}
	return t.exec("INSERT INTO event (seq, time, event) VALUES (?, ?, ?)", int64(e.Seq), rules.Nanos(e.Time), b)
}

func (t events) Skip(seq uint64) error {
	last, err := t.Last()
	if err != nil || last >= seq {
		return err
	}
	return t.setMeta(keyEvents, strconv.FormatUint(seq, 10))
}

// DeleteThrough remembers the last number, which is to be seen nowhere else when no event is left.
func (t events) DeleteThrough(seq uint64) error {
	last, err := t.Last()
	if err != nil {
		return err
	}
	if seq >= last {
		if err := t.setMeta(keyEvents, strconv.FormatUint(last, 10)); err != nil {
			return err
		}
	}
	return t.exec("DELETE FROM event WHERE seq <= ?", int64(min(seq, math.MaxInt64)))
}
