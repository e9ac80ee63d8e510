package contract

import (
	"cmp"
	"errors"
	"slices"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/store/internal/rules"
	"github.com/berth-engine/berth/volume"
)

// Remains is what could be read of a damaged database: in order of insertion, and as far as it can be known.
type Remains struct {
	Paths, Boot  string // as in Meta
	Containers   []*container.Container
	Pods         []*container.Pod
	Execs        []*container.ExecSession
	Volumes      []*volume.Volume
	ExitCodes    map[string]ExitCode
	Reservations []Reservation
	Events       []event.Event
	LastEvent    uint64 // the highest number there was, if it is known
	// Lost says what could not be read.
	Lost []string
}

// LostState is the state of a container whose own cannot be read.
var LostState = container.State{Status: container.Exited, ExitCode: -1}

// Write puts a new, empty database together of what is left, and counts it in the report.
func (old *Remains) Write(w UpdateTx, report *store.RepairReport) error {
	report.Lost = append(report.Lost, old.Lost...)
	for _, part := range []func(UpdateTx, *store.RepairReport) error{
		old.writeContainers, old.writePods, old.writeVolumes, old.writeExecs, old.writeRest, old.writeEvents,
	} {
		if err := part(w, report); err != nil {
			return err
		}
	}
	return nil
}

// kept counts what was added. What was refused is about the record, not the new database, and is lost.
func kept(err error, count *int, report *store.RepairReport) error {
	switch {
	case err == nil:
		*count++
	case errors.Is(err, errdefs.ErrAlreadyExists), errors.Is(err, errdefs.ErrInvalidArgument), errors.Is(err, errdefs.ErrNotFound),
		errors.Is(err, errdefs.ErrConflict):
		report.Lost = append(report.Lost, err.Error())
	default:
		return err
	}
	return nil
}

// writeContainers adds containers with whatever they depend on, also if that is lost.
func (old *Remains) writeContainers(w UpdateTx, report *store.RepairReport) error {
	for _, c := range old.Containers {
		err := rules.CheckNew(c, "")
		if err == nil {
			err = w.Free(c.Config.ID, c.Config.Name)
		}
		if err == nil {
			err = Insert(w.rows, c)
		}
		if err := kept(err, &report.Containers, report); err != nil {
			return err
		}
	}
	return nil
}

func (old *Remains) writePods(w UpdateTx, report *store.RepairReport) error {
	for _, p := range old.Pods {
		if err := kept(w.PodWriter().Add(p), &report.Pods, report); err != nil {
			return err
		}
	}
	return nil
}

func (old *Remains) writeVolumes(w UpdateTx, report *store.RepairReport) error {
	for _, v := range old.Volumes {
		if err := kept(w.VolumeWriter().Add(v), &report.Volumes, report); err != nil {
			return err
		}
	}
	return nil
}

func (old *Remains) writeExecs(w UpdateTx, report *store.RepairReport) error {
	for _, s := range old.Execs {
		if err := kept(w.ExecWriter().Put(s), &report.Execs, report); err != nil {
			return err
		}
	}
	return nil
}

func (old *Remains) writeRest(w UpdateTx, _ *store.RepairReport) error {
	for id, e := range old.ExitCodes {
		if err := w.rows.ExitCodes.Put(id, e); err != nil {
			return err
		}
	}
	for _, r := range old.Reservations {
		if err := w.rows.Reservations.Put(r); err != nil {
			return err
		}
	}
	for key, value := range map[string]string{KeyPaths: old.Paths, KeyBoot: old.Boot} {
		if value == "" {
			continue
		}
		if err := w.rows.Meta.SetMeta(key, value); err != nil {
			return err
		}
	}
	return nil
}

func (old *Remains) writeEvents(w UpdateTx, report *store.RepairReport) error {
	slices.SortFunc(old.Events, func(a, b event.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	var last uint64
	for _, e := range old.Events {
		if e.Seq == last { // read from both sides of the damage
			continue
		}
		last = e.Seq
		if err := w.rows.Events.Insert(e); err != nil {
			return err
		}
		report.Events++
	}
	return w.rows.Events.Skip(max(last, old.LastEvent))
}
