package engine

import (
	"context"
	"time"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
)

// eventBatch is how many events are read in one snapshot, so that a slow taker holds none for long.
const eventBatch = 256

// Events gives fn the events that the options select, in order, none twice and none left out. Without Follow it ends with those
// that exist; with it, at Until or Last, at the end of ctx or when fn returns an error. It does not poll.
//
// ErrNotFound if events that were asked for by number, or that came while following, have been pruned before they could be read: whoever keeps a
// picture of the containers has to draw it anew.
func (s *System) Events(ctx context.Context, o EventsOptions, fn EventFunc) error {
	filter, err := event.ParseFilters(o.Filters)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var changes <-chan struct{}
	if o.Follow {
		// Watched from before the first read on, so that nothing comes between.
		if changes, err = s.e.store.Watch(ctx); err != nil {
			return err
		}
	}
	r := &eventReader{e: s.e, filter: filter, until: o.Until, end: o.Last, fn: fn}
	if err := r.begin(ctx, o); err != nil {
		return err
	}
	var until <-chan time.Time
	if o.Follow && !o.Until.IsZero() {
		timer := time.NewTimer(time.Until(o.Until))
		defer timer.Stop()
		until = timer.C
	}
	for {
		over, err := r.send(ctx)
		if err != nil || over || !o.Follow {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-until:
			_, err := r.send(ctx)
			return err
		case <-changes:
		}
	}
}

// eventReader is one reading of the events.
type eventReader struct {
	e      *Engine
	filter event.Filter
	until  time.Time
	end    uint64 // 0 for none
	fn     EventFunc

	last     uint64 // the newest that has been read
	gapless  bool   // the one after last must be there
	newBatch []event.Event
}

// begin finds where to begin: at what is asked for, else after the newest event when following, else at the first.
func (r *eventReader) begin(ctx context.Context, o EventsOptions) error {
	if o.First > 0 {
		r.last, r.gapless = o.First-1, true
		return nil
	}
	return r.e.store.View(ctx, func(tx store.Tx) (err error) {
		switch {
		case !o.Since.IsZero():
			r.last, err = tx.Events().Since(o.Since)
		case o.Follow && o.Until.IsZero() && o.Last == 0:
			r.last, err = tx.Events().Last()
			r.gapless = true
		}
		return err
	})
}

// send gives fn what has come, and reports whether the end was reached. Times are not in order, since an exit is recorded after it has
// happened: only a number ends the reading early.
func (r *eventReader) send(ctx context.Context) (over bool, err error) {
	for {
		if err := r.read(ctx); err != nil {
			return false, err
		}
		for _, ev := range r.newBatch {
			if r.gapless && ev.Seq != r.last+1 {
				return false, errdefs.NotFound("events %d to %d have been pruned before they could be read", r.last+1, ev.Seq-1)
			}
			if r.end != 0 && ev.Seq > r.end {
				return true, nil
			}
			r.last, r.gapless = ev.Seq, true
			if (r.until.IsZero() || ev.Time.Before(r.until)) && r.filter.Match(ev) {
				if err := r.fn(ev); err != nil {
					return false, err
				}
			}
		}
		if r.end != 0 && r.last >= r.end {
			return true, nil
		}
		if len(r.newBatch) < eventBatch {
			return false, nil
		}
	}
}

// read takes the next events from a snapshot.
func (r *eventReader) read(ctx context.Context) error {
	return r.e.store.View(ctx, func(tx store.Tx) error {
		r.newBatch = r.newBatch[:0]
		return tx.Events().After(r.last, func(ev event.Event) bool {
			r.newBatch = append(r.newBatch, ev)
			return len(r.newBatch) < eventBatch
		})
	})
}
