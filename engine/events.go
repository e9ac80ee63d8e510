package engine

import (
	"context"
	"time"

	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
)

// eventBatch is how many events are read in one snapshot, so that a slow taker holds none for long.
const eventBatch = 256

// Events gives fn the events that the options select, in order, none twice and none left out. Without Follow it ends with those
// that exist; with it, at Until, at the end of ctx or when fn returns an error. It does not poll.
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
	last, err := s.e.firstEvent(ctx, o)
	if err != nil {
		return err
	}
	var until <-chan time.Time
	if o.Follow && !o.Until.IsZero() {
		timer := time.NewTimer(time.Until(o.Until))
		defer timer.Stop()
		until = timer.C
	}
	for {
		over, err := s.e.sendEvents(ctx, &last, filter, o.Until, fn)
		if err != nil || over || !o.Follow {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-until:
			_, err := s.e.sendEvents(ctx, &last, filter, o.Until, fn)
			return err
		case <-changes:
		}
	}
}

// firstEvent is the sequence number after which to begin: what is asked for, else the newest when following, else none.
func (e *Engine) firstEvent(ctx context.Context, o EventsOptions) (seq uint64, err error) {
	switch {
	case o.After > 0:
		return o.After, nil
	case !o.Since.IsZero():
		err = e.store.View(ctx, func(tx store.Tx) error {
			seq, err = tx.Events().Since(o.Since)
			return err
		})
		return seq, err
	case o.Follow && o.Until.IsZero():
		return e.lastEvent(ctx)
	}
	return 0, nil
}

// sendEvents gives fn what there is after *last, and reports whether an event at or after until was reached.
func (e *Engine) sendEvents(ctx context.Context, last *uint64, filter event.Filter, until time.Time, fn EventFunc) (over bool, err error) {
	for {
		var batch []event.Event
		err := e.store.View(ctx, func(tx store.Tx) error {
			batch = batch[:0]
			return tx.Events().After(*last, func(ev event.Event) bool {
				batch = append(batch, ev)
				return len(batch) < eventBatch
			})
		})
		if err != nil {
			return false, err
		}
		for _, ev := range batch {
			*last = ev.Seq
			if !until.IsZero() && !ev.Time.Before(until) {
				return true, nil
			}
			if filter.Match(ev) {
				if err := fn(ev); err != nil {
					return false, err
				}
			}
		}
		if len(batch) < eventBatch {
			return false, nil
		}
	}
}
