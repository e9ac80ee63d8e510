package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/api/libpod"
	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
)

// psFlags are the flags of berth ps.
type psFlags struct {
	all, latest, quiet, size, noTrunc, noHeading, pod, ns bool

	last    int
	watch   uint
	filters []string
	sort    string
	format  string
}

// newPsCmd is berth ps.
func newPsCmd(a *app) *cobra.Command {
	var o psFlags
	cmd := &cobra.Command{
		Use:     "ps [FLAGS]",
		Aliases: []string{"ls", "list"},
		Short:   "List containers",
		Long: `List the containers that run, or with --all all of them.

Filters (KEY=VALUE, repeatable; values of one key are alternatives, different keys must all match): id, name, label, label!,
status, exited, ancestor, before, since, until, volume, network, health, restart-policy, command.

--format is json, or a Go template, with "table" before it for titles. Fields: .ID .Image .ImageID .Command .CreatedAt
.RunningFor .Status .State .Ports .Names .Labels .Label "name" .Mounts .Networks .Size .Pid .ExitCode .Exited .ExitedAt
.StartedAt .AutoRemove .Restarts .Pod .PodName.`,
		Example: `berth ps -a
berth ps --filter status=exited --filter label=app=web -q
berth ps --format 'table {{.Names}}\t{{.Status}}'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			return a.ps(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&o.all, "all", "a", false, "Containers that do not run too")
	f.StringArrayVarP(&o.filters, "filter", "f", nil, "Only containers that match (KEY=VALUE, repeatable)")
	f.StringVar(&o.format, "format", "", "json, or a Go `template`")
	f.IntVarP(&o.last, "last", "n", -1, "The `n` containers made last, running or not")
	f.BoolVarP(&o.latest, "latest", "l", false, "The container made last, running or not")
	f.BoolVar(&o.noTrunc, "no-trunc", false, "Show everything in full")
	f.BoolVar(&o.noHeading, "noheading", false, "Leave the titles out")
	f.BoolVar(&o.ns, "ns", false, "Show the numbers of each container's namespaces, as lsns does")
	f.BoolVarP(&o.pod, "pod", "p", false, "Show the pod of each container")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "Only IDs")
	f.BoolVarP(&o.size, "size", "s", false, "Show how much each container wrote, and with its image takes")
	f.StringVar(&o.sort, "sort", "created", "Sort by `column`: command, created, id, image, names, runningfor, size, status")
	f.UintVarP(&o.watch, "watch", "w", 0, "Print again every so many `seconds`")
	f.Bool("external", false, "Accepted for podman's sake: other programs' containers are never listed")
	f.Bool("sync", false, "Accepted for podman's sake: what is listed is always what is so")
	f.Lookup("external").Hidden, f.Lookup("sync").Hidden = true, true
	return cmd
}

func (o *psFlags) check(cmd *cobra.Command) error {
	switch {
	case o.quiet && (o.size || o.noHeading && o.format != ""):
		return usageFault(cmd, errdefs.Invalid("--quiet and --size exclude each other"))
	case o.ns && (o.size || o.pod || o.format != ""):
		return usageFault(cmd, errdefs.Invalid("--ns has columns of its own: leave out --size, --pod and --format"))
	case o.latest && o.last >= 0:
		return usageFault(cmd, errdefs.Invalid("--latest and --last exclude each other"))
	case psOrders[o.sort] == nil:
		return usageFault(cmd, errdefs.Invalid("--sort %q: choose command, created, id, image, names, runningfor, size or status", o.sort))
	}
	if o.latest {
		o.last = 1
	}
	return nil
}

// ps lists, once or again and again.
func (a *app) ps(ctx context.Context, o psFlags) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	for {
		if o.watch > 0 {
			fmt.Fprint(a.out, "\x1b[H\x1b[2J")
		}
		if err := a.psOnce(ctx, s.Containers, o); err != nil || o.watch == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(o.watch) * time.Second):
		}
	}
}

func (a *app) psOnce(ctx context.Context, l lister, o psFlags) error {
	filters, err := parseFilters(o.filters)
	if err != nil {
		return err
	}
	found, err := l.List(ctx, engine.ListOptions{
		All:     o.all || o.last >= 0 || filters["status"] != nil || filters["exited"] != nil,
		Last:    max(o.last, 0),
		Filters: filters, Namespaces: o.ns,
		Size: o.size || o.sort == "size" || usesField(o.format, "Size"),
	})
	if err != nil {
		return err
	}
	if o.last == 0 {
		found = nil
	}
	now := a.now()
	slices.SortStableFunc(found, func(x, y engine.Summary) int { return psOrders[o.sort](&x, &y) })
	rows := make([]psRow, len(found))
	wire := make([]libpod.ListContainer, len(found))
	for i := range found {
		wire[i] = libpod.NewListContainer(&found[i], now)
		rows[i] = psRow{ListContainer: &wire[i], s: &found[i], now: now, noTrunc: o.noTrunc}
	}
	return psListing(o).print(a.out, rows, wire)
}

// psListing chooses the columns.
func psListing(o psFlags) listing {
	l := listing{Format: o.format, NoHeading: o.noHeading, Heads: psHeads}
	l.Default = `{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.Created}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}`
	if o.ns {
		l.Default = `{{.ID}}\t{{.Names}}\t{{.Pid}}\t{{.CGROUPNS}}\t{{.IPC}}\t{{.MNT}}\t{{.NET}}\t{{.PIDNS}}\t{{.USERNS}}\t{{.UTS}}`
	}
	if o.pod {
		l.Default += `\t{{.Pod}}\t{{.PodName}}`
	}
	if o.size {
		l.Default += `\t{{.Size}}`
	}
	if o.quiet && !isJSON(o.format) {
		l.Format = "{{.ID}}"
	}
	return l
}

var psHeads = map[string]string{
	"ID": "CONTAINER ID", "Created": "CREATED", "CreatedHuman": "CREATED", "RunningFor": "CREATED", "ImageID": "IMAGE ID",
	"Pod": "POD ID", "PodName": "PODNAME", "Pid": "PID", "CIDFile": "CIDFILE",
}

// psOrders are the orders of --sort.
var psOrders = map[string]func(x, y *engine.Summary) int{
	"command": func(x, y *engine.Summary) int {
		return slices.Compare(x.Config.Process.Args(), y.Config.Process.Args())
	},
	"created":    func(x, y *engine.Summary) int { return x.Config.Created.Compare(y.Config.Created) },
	"id":         func(x, y *engine.Summary) int { return strings.Compare(x.Config.ID, y.Config.ID) },
	"image":      func(x, y *engine.Summary) int { return strings.Compare(x.Config.Image.Name, y.Config.Image.Name) },
	"names":      func(x, y *engine.Summary) int { return strings.Compare(x.Config.Name, y.Config.Name) },
	"runningfor": func(x, y *engine.Summary) int { return x.State.Started.Compare(y.State.Started) },
	"size":       func(x, y *engine.Summary) int { return int(min(max(rootSize(x)-rootSize(y), -1), 1)) },
	"status":     func(x, y *engine.Summary) int { return strings.Compare(string(x.Status), string(y.Status)) },
}

func rootSize(s *engine.Summary) int64 {
	if s.Size == nil {
		return 0
	}
	return s.Size.RootFS
}
