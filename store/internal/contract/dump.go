package contract

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"hash"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/event"
)

// Sum is a checksum of everything that is in a database, the same for the same records in the same order, whatever keeps them.
func Sum(rows Rows) ([]byte, error) {
	s := &sum{hash: sha256.New()}
	for _, part := range []func(Rows, *sum) error{sumObjects, sumRecords, sumOthers} {
		if err := part(rows, s); err != nil {
			return nil, err
		}
	}
	return s.hash.Sum(nil), s.err
}

// Equal reports whether there is the same in two databases.
func Equal(a, b Rows) (bool, error) {
	one, err := Sum(a)
	two, otherErr := Sum(b)
	return bytes.Equal(one, two), errors.Join(err, otherErr)
}

// sum is one run of Sum.
type sum struct {
	hash hash.Hash
	err  error
}

// add takes a table's name and something of it.
func (s *sum) add(table string, vs ...any) {
	err := json.NewEncoder(s.hash).Encode(append([]any{table}, vs...))
	s.err = errors.Join(s.err, err)
}

func sumObjects(rows Rows, s *sum) error {
	err := rows.Objects.Each(func(o Object) error {
		s.add("object", o.ID, o)
		for _, r := range []Relation{Needs, Mounts, Connects} {
			ids, err := rows.References.To(r, o.ID)
			if err != nil {
				return err
			}
			s.add(string(r), o.ID, ids)
		}
		return nil
	})
	reserved, reservedErr := rows.Reservations.All()
	for _, r := range reserved {
		s.add("reservation", r.Name, r.ID, r.At.UnixNano())
	}
	return errors.Join(err, reservedErr)
}

func sumRecords(rows Rows, s *sum) error {
	err := rows.Containers.Each(Selection{}, func(c *container.Container) bool {
		s.add("container", c.Config, c.State)
		return true
	})
	podErr := rows.Pods.Each("", func(p *container.Pod) { s.add("pod", p.Config, p.State) })
	execs, execErr := rows.Execs.Of("")
	for _, e := range execs {
		s.add("exec", e)
	}
	return errors.Join(err, podErr, execErr)
}

func sumOthers(rows Rows, s *sum) error {
	volumes, err := rows.Volumes.All()
	for _, v := range volumes {
		users, userErr := rows.References.To(Mounts, v.Name)
		err = errors.Join(err, userErr)
		s.add("volume", v, users)
	}
	exitErr := rows.ExitCodes.Each(func(id string, e ExitCode) error {
		removed := int64(0)
		if !e.Removed.IsZero() {
			removed = e.Removed.UnixNano()
		}
		s.add("exit code", id, e.Namespace, e.Code, e.Recorded.UnixNano(), removed)
		return nil
	})
	eventErr := rows.Events.After(0, func(e event.Event) bool { s.add("event", e); return true })
	last, lastErr := rows.Events.Last()
	s.add("last event", last)
	for _, key := range []string{KeyPaths, KeyBoot} {
		value, metaErr := rows.Meta.Meta(key)
		err = errors.Join(err, metaErr)
		s.add("meta", key, value)
	}
	return errors.Join(err, exitErr, eventErr, lastErr)
}
