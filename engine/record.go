package engine

import (
	"context"
	"log/slog"
	"path/filepath"
	"strconv"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/event/mirror"
	"github.com/berth-engine/berth/store"
)

// recorder is the store with what follows from every change: old events go, and new ones are mirrored.
type recorder struct {
	store.Store
	kept   retention
	mirror *mirror.Mirror // nil for none
	log    *slog.Logger
}

// retention bounds the events that are kept.
type retention struct {
	number int
	age    time.Duration // 0 for no bound
}

// Defaults of the table [berth] in containers.conf and of events_logfile_max_size.
const (
	defaultEventsKept  = 100_000
	defaultLogFileSize = 1 << 20
)

// pruneEvery is after how many events the old ones are looked for; a transaction has rarely more than pruneWithin of them.
const (
	pruneEvery  = 256
	pruneWithin = 4
)

// record puts a recorder around a store.
func (e *Engine) record(ctx context.Context, s store.Store) (store.Store, error) {
	r := &recorder{Store: s, log: e.log}
	var err error
	if r.kept, err = e.retention(); err != nil {
		return nil, err
	}
	o, err := e.mirrorOptions()
	if err != nil {
		return nil, err
	}
	if r.mirror, err = openMirror(ctx, o, s); errdefs.Class(err) == errdefs.ErrInvalidArgument {
		return nil, err
	}
	if err != nil { // a mirror that cannot be written stops nobody
		e.log.Warn("events are in berth's own store only", "error", err)
	}
	return r, nil
}

// openMirror opens the mirror, if there is to be one, of the events that come from now on.
func openMirror(ctx context.Context, o mirror.Options, s store.Store) (*mirror.Mirror, error) {
	m, err := mirror.Open(o)
	if m == nil || err != nil {
		return nil, err
	}
	err = m.Begin(ctx, func() (last uint64, err error) {
		err = s.View(ctx, func(tx store.Tx) error {
			last, err = tx.Events().Last()
			return err
		})
		return last, err
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

// retention is what the configuration says of it.
func (e *Engine) retention() (retention, error) {
	r := retention{number: defaultEventsKept}
	if n := e.config.Berth.EventsMaxNumber; n != nil {
		if *n < 1 {
			return r, errdefs.Invalid("events_max_number %d in containers.conf: at least one event must be kept", *n)
		}
		r.number = int(*n)
	}
	if text := e.config.Berth.EventsMaxAge; text != "" {
		age, err := time.ParseDuration(text)
		if err != nil || age <= 0 {
			return r, errdefs.Invalid("events_max_age %q in containers.conf: want a duration like 720h", text)
		}
		r.age = age
	}
	return r, nil
}

func (e *Engine) mirrorOptions() (mirror.Options, error) {
	c := e.config.Engine
	o := mirror.Options{Kind: c.EventsLogger, Path: c.EventsLogFile, MaxSize: defaultLogFileSize}
	if o.Path == "" || o.Kind != mirror.File {
		o.Path = filepath.Join(e.paths.run, "events", "events.log")
	}
	if c.EventsLogFileMaxSize != "" {
		var err error
		if o.MaxSize, err = container.ParseSize(c.EventsLogFileMaxSize); err != nil {
			return o, errdefs.Invalid("events_logfile_max_size %s in containers.conf: %w", strconv.Quote(c.EventsLogFileMaxSize), err)
		}
	}
	return o, nil
}

// eventLogger is the kind of the mirror, or "store" for none.
func (e *Engine) eventLogger() string {
	if r, ok := e.store.(*recorder); ok && r.mirror != nil {
		return e.config.Engine.EventsLogger
	}
	return "store"
}

// Update is the store's, after which the mirror has the events of the change. That it cannot be written is no reason to fail: the change
// is made.
func (r *recorder) Update(ctx context.Context, d store.Durability, fn func(tx store.UpdateTx) error) error {
	err := r.Store.Update(ctx, d, func(tx store.UpdateTx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return r.prune(tx)
	})
	if err != nil || r.mirror == nil {
		return err
	}
	if err := r.catchUp(ctx); err != nil {
		r.log.Warn("mirroring events", "error", err)
	}
	return nil
}

// Checkpoint is the store's, if it has one.
func (r *recorder) Checkpoint(ctx context.Context) error {
	if s, ok := r.Store.(interface{ Checkpoint(context.Context) error }); ok {
		return s.Checkpoint(ctx)
	}
	return nil
}

// catchUp reads from a snapshot for as long as the mirror takes.
func (r *recorder) catchUp(ctx context.Context) error {
	return r.mirror.CatchUp(ctx, func(seq uint64, fn func(event.Event) bool) error {
		return r.Store.View(ctx, func(tx store.Tx) error { return tx.Events().After(seq, fn) })
	})
}

// prune removes, now and then, the events and exit codes that are too many or too old.
func (r *recorder) prune(tx store.UpdateTx) error {
	last, err := tx.Events().Last()
	if err != nil || last == 0 || last%pruneEvery >= pruneWithin {
		return err
	}
	now, keep := time.Now(), r.kept.number
	if r.kept.age > 0 {
		old, err := tx.Events().Since(now.Add(-r.kept.age))
		if err != nil {
			return err
		}
		keep = min(keep, int(last-old))
	}
	return tx.Writer().Prune(now, keep)
}
