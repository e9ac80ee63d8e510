package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/logs"
)

// logsFlags are the flags of berth logs.
type logsFlags struct {
	sel                       selection
	follow                    bool
	since, until, tail        string
	timestamps, names, colour bool
}

// newLogsCmd is berth logs.
func newLogsCmd(a *app) *cobra.Command {
	var o logsFlags
	cmd := &cobra.Command{
		Use:   "logs [FLAGS] CONTAINER...",
		Short: "Show what containers have printed",
		Long: `Show what containers have printed: standard output on standard output, standard error on standard error.

--since and --until take a time (2006-01-02T15:04:05, with or without zone), seconds since 1970, or a duration before now (10m).`,
		Example: "berth logs web\nberth logs -f --tail 20 web\nberth logs --since 10m -t web db",
		Args:    o.sel.checkOne(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.logs(cmd.Context(), o, args)
		},
	}
	f := cmd.Flags()
	o.sel.latestFlag(f)
	f.BoolVarP(&o.follow, "follow", "f", false, "Go on until the container ends")
	f.StringVar(&o.since, "since", "", "Only lines printed at or after this `time`")
	f.StringVar(&o.until, "until", "", "Only lines printed before this `time`")
	f.StringVar(&o.tail, "tail", "all", "Only the last `n` lines")
	f.BoolVarP(&o.timestamps, "timestamps", "t", false, "Put its time before each line")
	f.BoolVarP(&o.names, "names", "n", false, "Put the container's name before each line")
	f.BoolVar(&o.colour, "color", false, "Print each container's lines in a colour of its own")
	return cmd
}

// options reads the flags' values.
func (o *logsFlags) options(now time.Time) (engine.LogsOptions, error) {
	lo := engine.LogsOptions{Follow: o.follow, Tail: -1}
	var err error
	if o.since != "" {
		if lo.Since, err = container.ParseTime(o.since, now); err != nil {
			return lo, fmt.Errorf("--since: %w", err)
		}
	}
	if o.until != "" {
		if lo.Until, err = container.ParseTime(o.until, now); err != nil {
			return lo, fmt.Errorf("--until: %w", err)
		}
	}
	if o.tail != "" && o.tail != "all" {
		if lo.Tail, err = strconv.Atoi(o.tail); err != nil {
			return lo, errdefs.Invalid("--tail %q: write a number or all", o.tail)
		}
		lo.Tail = max(lo.Tail, -1)
	}
	return lo, nil
}

// logs prints the logs of all containers: one after the other, or at once when they are followed.
func (a *app) logs(ctx context.Context, o logsFlags, refs []string) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	lo, err := o.options(a.now())
	if err != nil {
		return err
	}
	if o.sel.latest {
		id, err := latest(ctx, s.Containers)
		if err != nil {
			return err
		}
		refs = append(refs, id)
	}
	ctx, stop := signal.NotifyContext(ctx, unix.SIGINT, unix.SIGTERM)
	defer stop()
	printers, err := a.linePrinters(ctx, s.Containers, o, refs)
	if err != nil {
		return err
	}
	if !o.follow {
		for i, ref := range refs {
			err := s.Containers.Logs(ctx, ref, lo, printers[i].line)
			if err := errors.Join(err, printers[i].flush()); err != nil {
				return err
			}
		}
		return nil
	}
	errs := make([]error, len(refs))
	var all sync.WaitGroup
	for i, ref := range refs {
		all.Go(func() {
			errs[i] = s.Containers.Logs(ctx, ref, lo, printers[i].line)
			errs[i] = errors.Join(errs[i], printers[i].flush())
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return said(exitSignal + int(unix.SIGINT))
	}
	return errors.Join(errs...)
}

// linePrinters makes a printer for each container, which share one sink and the width of the names.
func (a *app) linePrinters(ctx context.Context, v viewer, o logsFlags, refs []string) ([]*linePrinter, error) {
	sink := new(lineSink)
	printers := make([]*linePrinter, len(refs))
	for i, ref := range refs {
		id, name, err := v.Resolve(ctx, ref)
		if err != nil {
			return nil, err
		}
		p := &linePrinter{sink: sink, out: a.out, err: a.err, times: o.timestamps}
		switch {
		case o.names:
			p.prefix = name + " "
		case len(refs) > 1:
			p.prefix = shortID(id, false) + " "
		}
		if o.colour {
			p.colour = fmt.Sprintf("\x1b[3%dm", 1+i%6)
		}
		printers[i] = p
	}
	return printers, nil
}

// linePrinter prints a container's log. A line that the log has in parts gets its prefix and its newline once.
type linePrinter struct {
	sink     *lineSink
	out, err io.Writer
	prefix   string
	colour   string
	times    bool
	// open are the streams whose last part was not the end of its line.
	open map[string]bool
	buf  bytes.Buffer
}

// line prints one record of the log.
func (p *linePrinter) line(l logs.Line) error {
	p.sink.Lock()
	defer p.sink.Unlock()
	p.buf.Reset()
	if !p.open[l.Stream] {
		p.buf.WriteString(p.colour + p.prefix)
		if p.times {
			p.buf.WriteString(l.Time.Format(time.RFC3339Nano) + " ")
		}
	}
	p.buf.Write(l.Text)
	if !l.Partial {
		if p.colour != "" {
			p.buf.WriteString("\x1b[0m")
		}
		p.buf.WriteByte('\n')
	}
	if l.Partial != p.open[l.Stream] {
		if p.open == nil {
			p.open = map[string]bool{}
		}
		p.open[l.Stream] = l.Partial
	}
	return p.sink.write(p.stream(l.Stream), p.buf.Bytes())
}

// flush takes colours back if the log ends within a line, and writes what is gathered.
func (p *linePrinter) flush() error {
	p.sink.Lock()
	defer p.sink.Unlock()
	for stream, open := range p.open {
		if open && p.colour != "" {
			if err := p.sink.write(p.stream(stream), []byte("\x1b[0m")); err != nil {
				return err
			}
		}
	}
	return p.sink.flush()
}

func (p *linePrinter) stream(name string) io.Writer {
	if strings.EqualFold(name, "stderr") {
		return p.err
	}
	return p.out
}
