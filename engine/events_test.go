package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/volume"
)

// appended adds n events to the store, as changes of their own.
func appended(t *testing.T, e *Engine, n int) {
	t.Helper()
	for range n {
		err := e.store.Update(t.Context(), store.Volatile, func(tx store.UpdateTx) error {
			return tx.Writer().Append(event.Event{Type: event.Volume, Action: event.Create, Name: "v"})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// numbers are those of the events that the options select.
func numbers(t *testing.T, e *Engine, o EventsOptions) ([]uint64, error) {
	t.Helper()
	var list []uint64
	err := e.System.Events(t.Context(), o, func(ev event.Event) error {
		list = append(list, ev.Seq)
		return nil
	})
	return list, err
}

func configured(t *testing.T, conf string) Option {
	t.Helper()
	path := filepath.Join(t.TempDir(), "containers.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	return WithConfigFile(path)
}

func TestEventsCanBeAskedForByNumber(t *testing.T) {
	e := testEngine(t)
	appended(t, e, 6)
	for _, c := range []struct {
		o    EventsOptions
		want []uint64
	}{
		{EventsOptions{}, []uint64{1, 2, 3, 4, 5, 6}},
		{EventsOptions{First: 5}, []uint64{5, 6}},
		{EventsOptions{First: 2, Last: 3}, []uint64{2, 3}},
		{EventsOptions{Last: 2}, []uint64{1, 2}},
		{EventsOptions{First: 7}, nil},
		{EventsOptions{First: 2, Last: 4, Follow: true}, []uint64{2, 3, 4}},
	} {
		got, err := numbers(t, e, c.o)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v: expected %v, got %v, %v", c.o, c.want, got, err)
		}
	}
}

// An exit is recorded some time after it has happened, so the events are not in the order of their times.
func TestAnEarlierTimeOfALaterEventIsNotCutOff(t *testing.T) {
	e := testEngine(t)
	start := time.Now()
	for _, at := range []int{1, 5, 2} {
		err := e.store.Update(t.Context(), store.Volatile, func(tx store.UpdateTx) error {
			return tx.Writer().Append(event.Event{Type: event.Volume, Action: event.Create, Name: "v", Time: start.Add(time.Duration(at) * time.Second)})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := numbers(t, e, EventsOptions{Until: start.Add(4 * time.Second)})
	if want := []uint64{1, 3}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("expected %v, got %v, %v", want, got, err)
	}
}

func TestOldEventsArePrunedByNumber(t *testing.T) {
	e := testEngine(t, configured(t, "[berth]\nevents_max_number = 10\n"))
	appended(t, e, pruneEvery+1)
	got, err := numbers(t, e, EventsOptions{})
	if err != nil || len(got) < 10 || len(got) > 10+pruneWithin || got[len(got)-1] != pruneEvery+1 {
		t.Errorf("expected about the newest 10 of %d, got %v, %v", pruneEvery+1, got, err)
	}
}

func TestOldEventsArePrunedByAge(t *testing.T) {
	e := testEngine(t, configured(t, "[berth]\nevents_max_age = \"1h\"\n"))
	for i := range pruneEvery {
		err := e.store.Update(t.Context(), store.Volatile, func(tx store.UpdateTx) error {
			ev := event.Event{Type: event.Volume, Action: event.Create, Name: "v"}
			if i < 100 {
				ev.Time = time.Now().Add(-2 * time.Hour)
			}
			return tx.Writer().Append(ev)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := numbers(t, e, EventsOptions{})
	if err != nil || len(got) != pruneEvery-100 || got[0] != 101 {
		t.Errorf("expected those from 101 on, got %d from %v on, %v", len(got), got[:1], err)
	}
}

func TestWhoAsksForPrunedEventsIsToldSo(t *testing.T) {
	e := testEngine(t, configured(t, "[berth]\nevents_max_number = 10\n"))
	appended(t, e, pruneEvery+1)
	got, err := numbers(t, e, EventsOptions{First: 3})
	if !errors.Is(err, errdefs.ErrNotFound) || len(got) != 0 || !strings.Contains(fmt.Sprint(err), "events 3 to ") {
		t.Errorf("expected an error that names the events, got %v, %v", got, err)
	}
}

func TestAFollowerThatIsTooSlowIsToldSo(t *testing.T) {
	e := testEngine(t, configured(t, "[berth]\nevents_max_number = 10\n"))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	appended(t, e, 1)
	err := e.System.Events(ctx, EventsOptions{First: 1, Follow: true}, func(event.Event) error {
		appended(t, e, pruneEvery+1)
		return nil
	})
	if !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("expected an error, got %v", err)
	}
}

func TestEventsAreMirroredInAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.log")
	e := testEngine(t, configured(t, fmt.Sprintf("[engine]\nevents_logger = \"file\"\nevents_logfile_path = %q\nevents_logfile_max_size = \"1m\"\n", path)))
	if err := e.Volumes.Remove(t.Context(), mustVolume(t, e, "data"), false); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		var l event.Line
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%d %s %s %s", l.Seq, l.Type, l.Status, l.Name))
	}
	if want := []string{"1 volume create data", "2 volume remove data"}; !reflect.DeepEqual(got, want) {
		t.Errorf("expected %q, got %q", want, got)
	}
}

func TestAMirrorThatCannotBeMadeStopsNobody(t *testing.T) {
	for _, path := range []string{"/proc/no/such/place", "/dev/null/events", t.TempDir()} {
		e := testEngine(t, configured(t, fmt.Sprintf("[engine]\nevents_logger = \"file\"\nevents_logfile_path = %q\n", path)))
		mustVolume(t, e, "data")
	}
}

func mustVolume(t *testing.T, e *Engine, name string) string {
	t.Helper()
	v, err := e.Volumes.Create(t.Context(), volume.Volume{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return v.Name
}

func TestAConfigurationOfEventsThatMeansNothingIsRefused(t *testing.T) {
	for conf, mention := range map[string]string{
		"[berth]\nevents_max_number = 0\n":                "events_max_number",
		"[berth]\nevents_max_age = \"yesterday\"\n":       "events_max_age",
		"[engine]\nevents_logger = \"syslog\"\n":          "events_logger",
		"[engine]\nevents_logfile_max_size = \"a lot\"\n": "events_logfile_max_size",
	} {
		_, err := Open(t.Context(), append(testOptions(t), configured(t, conf))...)
		if !errors.Is(err, errdefs.ErrInvalidArgument) || !strings.Contains(fmt.Sprint(err), mention) {
			t.Errorf("%q: expected an error that names %s, got %v", conf, mention, err)
		}
	}
}
