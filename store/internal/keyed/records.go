package keyed

import (
	"math"
	"strconv"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store/internal/contract"
	"github.com/berth-engine/berth/store/internal/rules"
	"github.com/berth-engine/berth/volume"
)

// execs implements contract.Execs.
type execs struct{ tables }

func (t execs) Exec(id string) (*container.ExecSession, error) {
	n, err := t.text(tableExecID, id)
	if err != nil || n == "" {
		return nil, err
	}
	return t.numbered(n)
}

func (t execs) numbered(n string) (*container.ExecSession, error) {
	s := new(container.ExecSession)
	if found, err := t.read(tableExec, n, s); err != nil || !found {
		return nil, err
	}
	return s, nil
}

func (t execs) WithPrefix(prefix, namespace string) (found []*container.ExecSession, err error) {
	err = t.prefixed(tableExecID, prefix, func(_ string, n []byte) (bool, error) {
		s, err := t.numbered(string(n))
		if err != nil || s == nil {
			return true, err
		}
		o, _, err := objects{t.tables}.Object(s.Container)
		if namespace == "" || o.Namespace == namespace {
			found = append(found, s)
		}
		return len(found) < 2, err
	})
	return found, err
}

func (t execs) Of(containerID string) (all []*container.ExecSession, err error) {
	take := func(n string) (bool, error) {
		s, err := t.numbered(n)
		if s != nil {
			all = append(all, s)
		}
		return true, err
	}
	if containerID == "" {
		err = t.prefixed(tableExec, "", func(n string, _ []byte) (bool, error) { return take(n) })
		return all, err
	}
	index := joined(containerID, "")
	err = t.prefixed(tableExecOf, index, func(key string, _ []byte) (bool, error) { return take(key[len(index):]) })
	return all, err
}

func (t execs) Put(s *container.ExecSession) error {
	n, err := t.text(tableExecID, s.ID)
	if err == nil && n == "" {
		n, err = t.next(tableExec)
	}
	if err != nil {
		return err
	}
	if err := t.table(tableExecID).Put(s.ID, []byte(n)); err != nil {
		return err
	}
	if err := t.table(tableExecOf).Put(joined(s.Container, n), nil); err != nil {
		return err
	}
	return t.write(tableExec, n, s)
}

func (t execs) Delete(s *container.ExecSession) error {
	n, err := t.text(tableExecID, s.ID)
	if err != nil || n == "" {
		return err
	}
	for table, key := range map[string]string{tableExec: n, tableExecID: s.ID, tableExecOf: joined(s.Container, n)} {
		if err := t.table(table).Delete(key); err != nil {
			return err
		}
	}
	return nil
}

// volumes implements contract.Volumes.
type volumes struct{ tables }

func (t volumes) Volume(name string) (*volume.Volume, error) {
	v := new(volume.Volume)
	if found, err := t.read(tableVolume, name, v); err != nil || !found {
		return nil, err
	}
	return v, nil
}

func (t volumes) WithPrefix(prefix string) ([]*volume.Volume, error) { return t.list(prefix, 2) }

func (t volumes) All() ([]*volume.Volume, error) { return t.list("", math.MaxInt) }

func (t volumes) list(prefix string, limit int) (all []*volume.Volume, err error) {
	err = t.prefixed(tableVolume, prefix, func(_ string, value []byte) (bool, error) {
		v := new(volume.Volume)
		all = append(all, v)
		return len(all) < limit, t.decode(value, v)
	})
	return all, err
}

func (t volumes) Put(v *volume.Volume) error { return t.write(tableVolume, v.Name, v) }

func (t volumes) Delete(name string) error { return t.table(tableVolume).Delete(name) }

// exitCodes implements contract.ExitCodes.
type exitCodes struct{ tables }

func (t exitCodes) ExitCode(id string) (e contract.ExitCode, found bool, err error) {
	found, err = t.read(tableExitCode, id, &e)
	return e, found, err
}

func (t exitCodes) Each(fn func(id string, e contract.ExitCode) error) error {
	return t.prefixed(tableExitCode, "", func(id string, value []byte) (bool, error) {
		var e contract.ExitCode
		if err := t.decode(value, &e); err != nil {
			return false, err
		}
		return true, fn(id, e)
	})
}

func (t exitCodes) Put(id string, e contract.ExitCode) error { return t.write(tableExitCode, id, e) }

func (t exitCodes) Delete(id string) error { return t.table(tableExitCode).Delete(id) }

func (t exitCodes) Prune(before time.Time) error {
	var old []string
	err := t.Each(func(id string, e contract.ExitCode) error {
		if !e.Removed.IsZero() && e.Removed.Before(before) {
			old = append(old, id)
		}
		return nil
	})
	for _, id := range old {
		if err := t.Delete(id); err != nil {
			return err
		}
	}
	return err
}

// reservations implements contract.Reservations.
type reservations struct{ tables }

// reservation is the value of the table.
type reservation struct {
	ID string    `json:"id"`
	At time.Time `json:"at"`
}

func (t reservations) Reservation(name string) (contract.Reservation, bool, error) {
	var r reservation
	found, err := t.read(tableReservation, name, &r)
	return contract.Reservation{Name: name, ID: r.ID, At: r.At}, found, err
}

func (t reservations) All() (all []contract.Reservation, err error) {
	err = t.prefixed(tableReservation, "", func(name string, value []byte) (bool, error) {
		var r reservation
		err := t.decode(value, &r)
		all = append(all, contract.Reservation{Name: name, ID: r.ID, At: r.At})
		return true, err
	})
	return all, err
}

func (t reservations) Put(r contract.Reservation) error {
	return t.write(tableReservation, r.Name, reservation{r.ID, r.At})
}

func (t reservations) Delete(name string) error { return t.table(tableReservation).Delete(name) }

// events implements contract.Events.
type events struct{ tables }

const (
	// keyEvents is the key in meta of the highest number that an event ever had.
	keyEvents = "events"
	// eventBatch is how many events are read at a time, so that what is done with them may use the transaction.
	eventBatch = 256
	// timeLength is how many bytes of an event's value are its time.
	timeLength = 8
)

func (t events) After(seq uint64, fn func(event.Event) bool) error {
	for seq < math.MaxUint64 {
		var batch []event.Event
		err := t.table(tableEvent).Scan(number(seq+1), func(_ string, value []byte) (bool, error) {
			if len(value) < timeLength {
				return false, rules.Damaged(t.file, "an event is cut short")
			}
			var e event.Event
			err := t.decode(value[timeLength:], &e)
			batch = append(batch, e)
			return len(batch) < eventBatch, err
		})
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
	return nil
}

// Since looks at all: the clock may have been set back, so that times are not sorted, and it is the first one that counts.
func (t events) Since(at time.Time) (first uint64, err error) {
	if first, err = t.Last(); err != nil {
		return 0, err
	}
	least := timeKey(at)
	err = t.prefixed(tableEvent, "", func(key string, value []byte) (bool, error) {
		if string(value[:min(timeLength, len(value))]) < least {
			return true, nil
		}
		first = fromNumber(key) - 1
		return false, nil
	})
	return first, err
}

// timeKey is a time as 8 bytes in its order.
func timeKey(at time.Time) string { return number(uint64(rules.Nanos(at)) + 1<<63) }

func (t events) Last() (uint64, error) {
	s, err := t.text(tableMeta, keyEvents)
	if err != nil || s == "" {
		return 0, err
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, rules.Damaged(t.file, "its last event's number: "+err.Error())
	}
	return n, nil
}

func (t events) Insert(e event.Event) error {
	b, err := rules.Encode(e)
	if err != nil {
		return err
	}
	if err := t.table(tableEvent).Put(number(e.Seq), append([]byte(timeKey(e.Time)), b...)); err != nil {
		return err
	}
	return t.Skip(e.Seq)
}

func (t events) Skip(seq uint64) error {
	last, err := t.Last()
	if err != nil || last >= seq {
		return err
	}
	return t.table(tableMeta).Put(keyEvents, []byte(strconv.FormatUint(seq, 10)))
}

func (t events) DeleteThrough(seq uint64) error {
	var old []string
	err := t.prefixed(tableEvent, "", func(key string, _ []byte) (bool, error) {
		if fromNumber(key) > seq {
			return false, nil
		}
		old = append(old, key)
		return true, nil
	})
	for _, key := range old {
		if err := t.table(tableEvent).Delete(key); err != nil {
			return err
		}
	}
	return err
}
