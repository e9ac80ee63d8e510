package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
)

// eventsFlags are the flags of events.
type eventsFlags struct {
	since, until, format string
	filters              []string
	stream, noTrunc      bool
}

// eventRow is one event as events prints it: podman's JSON, and in templates Docker's names too.
type eventRow struct{ event.Line }

// eventActor is Docker's name for the object.
type eventActor struct {
	ID         string
	Attributes map[string]string
}

// Docker's names.

func (e eventRow) Action() string  { return e.Status }
func (e eventRow) From() string    { return e.Image }
func (e eventRow) Scope() string   { return "local" }
func (e eventRow) TimeNano() int64 { return e.Time.UnixNano() }

// Actor is the object, with its name, its image and the exit code among the attributes.
func (e eventRow) Actor() eventActor {
	attributes := maps.Clone(e.Attributes)
	if attributes == nil {
		attributes = map[string]string{}
	}
	attributes["name"] = e.Name
	if e.Image != "" {
		attributes["image"] = e.Image
	}
	if e.ContainerExitCode != nil {
		attributes["exitCode"] = fmt.Sprint(*e.ContainerExitCode)
	}
	return eventActor{ID: e.ID, Attributes: attributes}
}

// text is the event in one line, as podman prints it.
func (e eventRow) text(noTrunc bool) string {
	head := fmt.Sprintf("%s %s %s", e.Time.Local().Format("2006-01-02 15:04:05.999999999 -0700 MST"), e.Type, e.Status)
	id := shortID(e.ID, noTrunc)
	switch event.Type(e.Type) {
	case event.Container:
		return head + " " + id + " (" + strings.Join(e.details(), ", ") + ")"
	case event.Image:
		return strings.TrimRight(head+" "+id+" "+e.Name, " ")
	case event.System:
		return strings.TrimRight(head+" "+e.Name, " ")
	}
	name := e.Name
	if name == "" {
		name = id
	}
	return strings.TrimRight(head+" "+name, " ")
}

// details are the parts in a container's brackets.
func (e eventRow) details() []string {
	parts := []string{"image=" + e.Image, "name=" + e.Name}
	if e.ContainerExitCode != nil {
		parts = append(parts, fmt.Sprintf("exitCode=%d", *e.ContainerExitCode))
	}
	for _, k := range slices.Sorted(maps.Keys(e.Attributes)) {
		parts = append(parts, k+"="+e.Attributes[k])
	}
	return parts
}

func newEventsCmd(a *app) *cobra.Command {
	var f eventsFlags
	cmd := &cobra.Command{
		Use:   "events [FLAGS]",
		Short: "Show what happens, or happened",
		Long: `Show events: what happened to containers, images and volumes, each change once and in order.

Without --since and --until it prints what happens from now on, until it is interrupted. With
--stream=false it prints what has happened and ends.

A --since or --until is a time (2006-01-02T15:04:05, with or without a zone, or a date), a number of
seconds since 1970, a duration before now (10m, 1h30m), or seq:N for the event with the number N, that
one included. Events are numbered without a gap: who has seen N and asks for seq:N+1 misses none, and
gets an error if old ones have been pruned meanwhile.

Filters are container, image, volume, network, pod, type, event, label, name, id, scope and daemon, as
--filter KEY=VALUE; values of one key are alternatives (of label, all must hold), keys must all hold.`,
		Example: `berth events --since 1h --stream=false
berth events --filter event=died --format '{{.Name}} {{.ContainerExitCode}}'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return showEvents(cmd.Context(), a, f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.since, "since", "", "Show events from this `time` on")
	fl.StringVar(&f.until, "until", "", "Show events up to this `time`, and end then")
	fl.StringArrayVarP(&f.filters, "filter", "f", nil, "Show only events that fit, `KEY=VALUE`")
	fl.StringVar(&f.format, "format", "", "Print each as json, or by a Go `template`")
	fl.BoolVar(&f.stream, "stream", true, "Go on with what happens from now on")
	fl.BoolVar(&f.noTrunc, "no-trunc", true, "Show whole IDs")
	completeFlag(cmd, "filter", "container=", "event=", "image=", "label=", "name=", "pod=", "type=", "volume=")
	completeFlag(cmd, "format", "json")
	return cmd
}

func showEvents(ctx context.Context, a *app, f eventsFlags) error {
	options, err := f.options(a.now())
	if err != nil {
		return err
	}
	show, err := eventPrinter(a.out, f)
	if err != nil {
		return err
	}
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	return s.System.Events(ctx, options, func(ev event.Event) error { return show(eventRow{ev.Line()}) })
}

// options turns the flags into the engine's.
func (f eventsFlags) options(now time.Time) (engine.EventsOptions, error) {
	o := engine.EventsOptions{Follow: f.stream}
	var err error
	if o.Filters, err = parseFilters(f.filters); err != nil {
		return o, err
	}
	if o.First, o.Since, err = parseMoment("--since", f.since, now); err != nil {
		return o, err
	}
	if o.Last, o.Until, err = parseMoment("--until", f.until, now); err != nil {
		return o, err
	}
	if !o.Until.IsZero() {
		// Nothing comes after a time that has passed.
		o.Follow = o.Follow && o.Until.After(now)
	}
	return o, nil
}

// parseMoment reads a time, or seq:N for the event with the number N. Nothing is neither.
func parseMoment(flag, text string, now time.Time) (seq uint64, t time.Time, err error) {
	if text == "" {
		return 0, t, nil
	}
	number, isSeq := strings.CutPrefix(text, "seq:")
	if !isSeq {
		if t, err = container.ParseTime(text, now); err != nil {
			err = errdefs.Invalid("%s: %w", flag, err)
		}
		return 0, t, err
	}
	if seq, err = strconv.ParseUint(number, 10, 63); err != nil || seq == 0 {
		return 0, t, errdefs.Invalid("%s %q: want seq:N, where N is the number of an event, from 1", flag, text)
	}
	return seq, t, nil
}

// eventPrinter returns the function that prints one event by --format.
func eventPrinter(w io.Writer, f eventsFlags) (func(eventRow) error, error) {
	switch {
	case f.format == "":
		return func(e eventRow) error {
			_, err := fmt.Fprintln(w, e.text(f.noTrunc))
			return err
		}, nil
	case isJSON(f.format):
		return func(e eventRow) error {
			text, err := jsonText(e)
			if err == nil {
				_, err = fmt.Fprintln(w, text)
			}
			return err
		}, nil
	}
	t, err := parseTemplate(f.format)
	if err != nil {
		return nil, err
	}
	return func(e eventRow) error {
		if err := executeOne(w, t, e); err != nil {
			return err
		}
		_, err := io.WriteString(w, "\n")
		return err
	}, nil
}
