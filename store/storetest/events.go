package storetest

import (
	"reflect"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
)

var eventRules = group{
	{"an event is read as it was written, every field of it", func(e *env) {
		var want event.Event
		filler{3}.fill(reflect.ValueOf(&want).Elem())
		e.append(want)
		want.Seq = 1
		e.equal("events", e.events(0), []event.Event{want})
	}},
	{"events are numbered from 1 without gaps", func(e *env) {
		e.equal("last", e.last(), uint64(0))
		e.append(happened(1, event.Create), happened(1, event.Start))
		err := e.Update(e.Context(), store.Synced, func(tx store.UpdateTx) error {
			if err := tx.Writer().Append(happened(9, event.Died)); err != nil {
				return err
			}
			return errSome
		})
		e.is(err, errSome)
		e.in(e.reopen("")).append(happened(1, event.Died))
		var got []uint64
		for _, ev := range e.events(0) {
			got = append(got, ev.Seq)
		}
		e.equal("numbers", got, []uint64{1, 2, 3})
		e.equal("actions", actions(e.events(0)), []event.Action{event.Create, event.Start, event.Died})
		e.equal("last", e.last(), uint64(3))
	}},
	{"an event gets the time of its change", func(e *env) {
		before := time.Now()
		e.append(happened(1, event.Create))
		got := e.events(0)[0].Time
		if got.Before(before) || got.After(time.Now()) {
			e.Errorf("expected a time from %v to now, got %v", before, got)
		}
	}},
	{"events can be read from any number on", func(e *env) {
		const n = 600 // more than a back end reads at a time
		e.update(func(tx store.UpdateTx) error {
			for i := range n {
				if err := tx.Writer().Append(happened(i, event.Create)); err != nil {
					return err
				}
			}
			return nil
		})
		for _, after := range []uint64{0, 1, 255, 256, n - 1, n, n + 1} {
			want := after
			for _, ev := range e.events(after) {
				want++
				if ev.Seq != want || ev.ID != id(int(want)-1) {
					e.Fatalf("after %d: expected event %d, got %+v", after, want, ev)
				}
			}
			e.equal("last one read", want, max(after, n))
		}
		read := 0
		e.view(func(tx store.Tx) error {
			return tx.Events().After(0, func(event.Event) bool { read++; return read < 10 })
		})
		e.equal("read until told to stop", read, 10)
	}},
	{"what is done with an event may read", func(e *env) {
		e.add(named(1, "a"))
		e.append(happened(1, event.Create), happened(1, event.Start))
		n := 0
		e.view(func(tx store.Tx) error {
			return tx.Events().After(0, func(ev event.Event) bool {
				if _, err := tx.Containers().Container(ev.ID); err != nil {
					e.Errorf("inside After: %v", err)
				}
				tx.Events().After(0, func(event.Event) bool { n++; return true })
				return true
			})
		})
		e.equal("events read inside After", n, 4)
	}},
	{"events are found by time, also when the clock was set back", func(e *env) {
		for _, second := range []int{10, 20, 15, 30} {
			ev := happened(1, event.Create)
			ev.Time = at(second)
			e.append(ev)
		}
		for _, c := range []struct {
			t    time.Time
			want uint64
		}{
			{time.Time{}, 0}, {at(0), 0}, {at(10), 0}, {at(10).Add(1), 1}, {at(16), 1}, {at(20), 1}, {at(21), 3}, {at(31), 4},
			{time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), 4},
		} {
			e.view(func(tx store.Tx) error {
				got, err := tx.Events().Since(c.t)
				e.equal("Since "+c.t.String(), got, c.want)
				return err
			})
		}
	}},
	{"pruning keeps the newest events and the numbering", func(e *env) {
		prune := func(keep int) {
			e.Helper()
			e.update(func(tx store.UpdateTx) error { return tx.Writer().Prune(time.Now(), keep) })
		}
		prune(0)
		for i := range 5 {
			e.append(happened(i, event.Create))
		}
		prune(5)
		e.equal("events", len(e.events(0)), 5)
		prune(2)
		e.equal("first kept", e.events(0)[0].Seq, uint64(4))
		prune(0)
		e.equal("events", len(e.events(0)), 0)
		e.equal("last", e.last(), uint64(5))
		e.in(e.reopen("")).append(happened(1, event.Start))
		e.equal("next", e.events(0)[0].Seq, uint64(6))
		prune(0)
		e.append(happened(1, event.Start))
		e.equal("next", e.last(), uint64(7))
	}},
	{"a refresh clears what a reboot voids", func(e *env) {
		run := container.State{
			PID: 10, PIDStart: 11, MonitorPID: 12, MonitorStart: 13, BootID: "old", Runtime: "/crun", Run: 4, Started: at(5),
			ExitCode: 7, Mounted: "/m", CgroupPath: "/c", Restarts: 3, Health: &container.HealthResult{Status: "healthy"},
		}
		for i, s := range statuses {
			e.add(change(named(i, string(s)), func(c *container.Container) { c.State = run; c.State.Status = s }))
		}
		e.put(session(50, 1))
		e.update(func(tx store.UpdateTx) error { return tx.Writer().Refresh("new") })
		for i, s := range statuses {
			got := e.container(id(i)).State
			want := container.State{Status: container.Exited, Run: 4, Started: at(5), ExitCode: 7, Restarts: 3}
			if s.Alive() {
				want.ExitCode, want.Finished = -1, got.Finished
				if got.Finished.IsZero() {
					e.Errorf("%s: expected a time of end, got none", s)
				}
			}
			if s == container.Created || s == container.Removing {
				want.Status = s
			}
			e.equal(string(s), got, want)
		}
		e.equal("sessions", e.sessions(1), []string{})
		e.names("Alive", store.ContainerReader.Alive, string(container.Removing))
		e.view(func(tx store.Tx) error {
			boot, err := tx.BootID()
			e.equal("boot ID", boot, "new")
			return err
		})
	}},
	{"a refresh keeps the exit code that was recorded of the last run", func(e *env) {
		e.view(func(tx store.Tx) error {
			boot, err := tx.BootID()
			e.equal("boot ID of a new database", boot, "")
			return err
		})
		e.add(change(named(1, "this run's"), func(c *container.Container) {
			c.State = container.State{Status: container.Running, Started: time.Now().Add(-time.Hour)}
		}), change(named(2, "an earlier run's"), func(c *container.Container) {
			c.State = container.State{Status: container.Running, Started: time.Now().Add(time.Hour)}
		}))
		e.update(func(tx store.UpdateTx) error {
			for n := 1; n <= 2; n++ {
				if err := tx.ContainerWriter().SetExitCode(id(n), 42); err != nil {
					return err
				}
			}
			return tx.Writer().Refresh("boot")
		})
		e.equal("this run's", e.container(id(1)).State.ExitCode, 42)
		e.equal("an earlier run's", e.container(id(2)).State.ExitCode, -1)
	}},
}

func (e *env) append(evs ...event.Event) {
	e.Helper()
	e.update(func(tx store.UpdateTx) error {
		for _, ev := range evs {
			if err := tx.Writer().Append(ev); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *env) events(after uint64) (all []event.Event) {
	e.Helper()
	e.view(func(tx store.Tx) error {
		return tx.Events().After(after, func(ev event.Event) bool { all = append(all, ev); return true })
	})
	return all
}

func (e *env) last() (n uint64) {
	e.Helper()
	e.view(func(tx store.Tx) (err error) {
		n, err = tx.Events().Last()
		return err
	})
	return n
}

func actions(evs []event.Event) (as []event.Action) {
	for _, ev := range evs {
		as = append(as, ev.Action)
	}
	return as
}
