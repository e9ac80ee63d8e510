package contract

import (
	"errors"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/event"
)

// Rows returns what the transaction works on: for what copies or puts together a database, which is bound by no rule.
func (t *Tx) Rows() Rows { return t.rows }

// Copy writes everything that is in one database into another, which is empty: every record, in the order it was added in, with
// its times and numbers.
func Copy(from, to Rows) error {
	for _, part := range []func(from, to Rows) error{copyMeta, copyContainers, copyPods, copyExecs, copyVolumes, copyExitCodes, copyReservations, copyEvents} {
		if err := part(from, to); err != nil {
			return err
		}
	}
	return nil
}

func copyMeta(from, to Rows) error {
	for _, key := range []string{KeyPaths, KeyBoot} {
		value, err := from.Meta.Meta(key)
		if err == nil && value != "" {
			err = to.Meta.SetMeta(key, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func copyContainers(from, to Rows) error {
	var failed error
	err := from.Containers.Each(Selection{}, func(c *container.Container) bool {
		failed = Insert(to, c)
		return failed == nil
	})
	return errors.Join(err, failed)
}

func copyPods(from, to Rows) error {
	var failed []error
	err := from.Pods.Each("", func(p *container.Pod) { failed = append(failed, InsertPod(to, p)) })
	return errors.Join(err, errors.Join(failed...))
}

func copyExecs(from, to Rows) error {
	all, err := from.Execs.Of("")
	for _, s := range all {
		if err := to.Execs.Put(s); err != nil {
			return err
		}
	}
	return err
}

func copyVolumes(from, to Rows) error {
	all, err := from.Volumes.All()
	for _, v := range all {
		if err := to.Volumes.Put(v); err != nil {
			return err
		}
	}
	return err
}

func copyExitCodes(from, to Rows) error { return from.ExitCodes.Each(to.ExitCodes.Put) }

func copyReservations(from, to Rows) error {
	all, err := from.Reservations.All()
	for _, r := range all {
		if err := to.Reservations.Put(r); err != nil {
			return err
		}
	}
	return err
}

func copyEvents(from, to Rows) error {
	var failed error
	err := from.Events.After(0, func(e event.Event) bool {
		failed = to.Events.Insert(e)
		return failed == nil
	})
	last, lastErr := from.Events.Last()
	if err := errors.Join(err, failed, lastErr); err != nil {
		return err
	}
	return to.Events.Skip(last)
}
