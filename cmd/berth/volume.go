package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/volume"
)

// volumes is what the volume commands need of the engine; *engine.Volumes has it.
type volumes interface {
	Create(ctx context.Context, v volume.Volume) (*volume.Volume, error)
	List(ctx context.Context, filters map[string][]string) ([]volume.Volume, error)
	Inspect(ctx context.Context, name string) (*volume.Volume, error)
	Remove(ctx context.Context, name string, force bool) error
	Prune(ctx context.Context, filters map[string][]string) ([]string, error)
}

// newVolumeCmd is the parent of the volume commands.
func newVolumeCmd(a *app) *cobra.Command {
	cmd := parentCmd("volume", "Commands of volumes")
	cmd.AddCommand(newVolumeCreateCmd(a), newVolumeExistsCmd(a), newVolumeInspectCmd(a), newVolumeLsCmd(a),
		newVolumePruneCmd(a), newVolumeRmCmd(a))
	return cmd
}

// volumeRow is a volume as ls and inspect print it, by podman's names.
type volumeRow struct {
	Name        string            `json:"Name"`
	Driver      string            `json:"Driver"`
	Mountpoint  string            `json:"Mountpoint"`
	CreatedAt   time.Time         `json:"CreatedAt"`
	Labels      map[string]string `json:"Labels"`
	Scope       string            `json:"Scope"`
	Options     map[string]string `json:"Options"`
	UID         int               `json:"UID,omitempty"`
	GID         int               `json:"GID,omitempty"`
	Anonymous   bool              `json:"Anonymous,omitempty"`
	NeedsCopyUp bool              `json:"NeedsCopyUp,omitempty"`
	NeedsChown  bool              `json:"NeedsChown,omitempty"`
}

// VolumeName is podman's second name for the name in templates.
func (r volumeRow) VolumeName() string { return r.Name }

// Label is one label's value.
func (r volumeRow) Label(name string) string { return r.Labels[name] }

func newVolumeRow(v volume.Volume) volumeRow {
	r := volumeRow{
		Name: v.Name, Driver: v.Driver, Mountpoint: v.Mountpoint, CreatedAt: v.Created, Labels: v.Labels, Scope: "local",
		Options: v.Options, UID: v.UID, GID: v.GID, Anonymous: v.Anonymous, NeedsCopyUp: v.NeedsCopyUp, NeedsChown: v.NeedsChown,
	}
	if r.Labels == nil {
		r.Labels = map[string]string{}
	}
	if r.Options == nil {
		r.Options = map[string]string{}
	}
	return r
}

func newVolumeCreateCmd(a *app) *cobra.Command {
	var name, driver string
	var labels, options []string
	var ignore bool
	cmd := &cobra.Command{
		Use:     "create [FLAGS] [NAME]",
		Short:   "Make a volume",
		Long:    "Make a volume and print its name, which is chosen at random when none is given.",
		Example: "berth volume create --label tier=db data",
		Args:    rangeArgs(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && name != "" {
				return usageFault(cmd, errdefs.Invalid("give the name once: %s or --name %s", args[0], name))
			}
			if len(args) == 1 {
				name = args[0]
			}
			v := volume.Volume{Name: name, Driver: driver}
			var err error
			if v.Labels, err = pairs("--label", labels, false); err != nil {
				return err
			}
			if v.Options, err = pairs("--opt", options, true); err != nil {
				return err
			}
			return createVolume(cmd.Context(), a, v, ignore)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&driver, "driver", "d", "local", "Driver that keeps the contents")
	f.StringArrayVarP(&labels, "label", "l", nil, "Set a label, `KEY[=VALUE]`")
	f.StringArrayVarP(&options, "opt", "o", nil, "Set an option of the driver, `KEY=VALUE`")
	f.BoolVar(&ignore, "ignore", false, "Do nothing if the volume is there already")
	f.StringVar(&name, "name", "", "The name, as an argument")
	f.Lookup("name").Hidden = true
	completeFlag(cmd, "driver", "local")
	return cmd
}

func createVolume(ctx context.Context, a *app, v volume.Volume, ignore bool) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	name := v.Name
	made, err := s.Volumes.Create(ctx, v)
	switch {
	case err == nil:
		name = made.Name
	case !ignore || errdefs.Class(err) != errdefs.ErrAlreadyExists:
		return err
	}
	_, err = fmt.Fprintln(a.out, name)
	return err
}

// pairs turns KEY=VALUE flags into a map. A missing "=" is an empty value, or an error where needValue is set.
func pairs(flag string, items []string, needValue bool) (map[string]string, error) {
	m := make(map[string]string, len(items))
	for _, item := range items {
		k, v, ok := strings.Cut(item, "=")
		if k == "" || needValue && !ok {
			return nil, errdefs.Invalid("%s %q: it must be KEY=VALUE", flag, item)
		}
		m[k] = v
	}
	return m, nil
}

func newVolumeLsCmd(a *app) *cobra.Command {
	var format string
	var filters []string
	var quiet, noHeading bool
	cmd := &cobra.Command{
		Use:     "ls [FLAGS]",
		Aliases: []string{"list"},
		Short:   "List volumes",
		Long: `List volumes.

Filters are name, label, label!, driver, dangling, until, opt and scope, as --filter KEY=VALUE.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l := listing{
				Format: format, Default: `{{.Driver}}\t{{.Name}}`, NoHeading: noHeading,
				Heads: map[string]string{"Name": "VOLUME NAME"},
			}
			return listVolumes(cmd.Context(), a, filters, quiet, l)
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&filters, "filter", "f", nil, "List only volumes that fit, `KEY=VALUE`")
	f.StringVar(&format, "format", "", "Print as json, or by a Go `template`")
	f.BoolVarP(&quiet, "quiet", "q", false, "Print names only")
	f.BoolVarP(&noHeading, "noheading", "n", false, "Leave the line of titles out")
	completeFlag(cmd, "filter", "dangling=", "driver=", "label=", "name=", "opt=", "scope=", "until=")
	completeFlag(cmd, "format", "json", "table")
	return cmd
}

func listVolumes(ctx context.Context, a *app, filters []string, quiet bool, l listing) error {
	fm, err := parseFilters(filters)
	if err != nil {
		return err
	}
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	found, err := s.Volumes.List(ctx, fm)
	if err != nil {
		return err
	}
	rows := make([]volumeRow, 0, len(found))
	for _, v := range found {
		rows = append(rows, newVolumeRow(v))
	}
	if quiet {
		for _, r := range rows {
			fmt.Fprintln(a.out, r.Name)
		}
		return nil
	}
	return l.print(a.out, rows, nil)
}

func newVolumeInspectCmd(a *app) *cobra.Command {
	o := inspectFlags{kind: "volume"}
	var all bool
	cmd := &cobra.Command{
		Use:   "inspect [FLAGS] VOLUME...",
		Short: "Show all that is known of volumes",
		Args:  namedOrAll("volumes", &all),
		RunE: func(cmd *cobra.Command, args []string) error {
			if all {
				names, err := volumeNames(cmd.Context(), a)
				if err != nil {
					return err
				}
				args = names
			}
			return a.inspect(cmd.Context(), o, args)
		},
		ValidArgsFunction: completeVolumes(a),
	}
	cmd.Flags().StringVarP(&o.format, "format", "f", "", "json, or a Go `template` executed for each volume")
	cmd.Flags().BoolVarP(&all, "all", "a", false, "All volumes")
	return cmd
}

// namedOrAll is a cobra.PositionalArgs: names, or --all.
func namedOrAll(what string, all *bool) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if *all == (len(args) > 0) {
			return usageFault(cmd, errdefs.Invalid("name %s or give --all, one of the two", what))
		}
		return nil
	}
}

// volumeDocument is the document of inspect for a volume.
func volumeDocument(ctx context.Context, s *services, name string) (any, error) {
	v, err := s.Volumes.Inspect(ctx, name)
	if err != nil {
		return nil, err
	}
	return newVolumeRow(*v), nil
}

func newVolumeExistsCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "exists VOLUME",
		Short: "Tell by the exit code whether a volume is there",
		Long:  "Tell by the exit code whether a volume is there: 0 if it is, 1 if not, 125 if that cannot be found out.",
		Args:  exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.services(cmd.Context())
			if err != nil {
				return err
			}
			_, err = s.Volumes.Inspect(cmd.Context(), args[0])
			if errdefs.Class(err) == errdefs.ErrNotFound {
				return said(exitFalse)
			}
			return err
		},
		ValidArgsFunction: completeVolumes(a),
	}
}

func newVolumeRmCmd(a *app) *cobra.Command {
	var all, force bool
	cmd := &cobra.Command{
		Use:     "rm [FLAGS] VOLUME...",
		Aliases: []string{"remove"},
		Short:   "Remove volumes and what is in them",
		Long: `Remove volumes and what is in them. A volume that containers use is not removed; with --force they
are removed first.

The exit code is 1 if a volume was not there and 2 if one is in use.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return removeVolumes(cmd.Context(), a, args, force)
		},
		ValidArgsFunction: completeVolumes(a),
	}
	cmd.Args = namedOrAll("volumes", &all)
	cmd.Flags().BoolVarP(&all, "all", "a", false, "All volumes")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "Remove containers that use a volume too, and accept volumes that are not there")
	return cmd
}

// removeVolumes removes the volumes named, all without names, and goes on after a failure.
func removeVolumes(ctx context.Context, a *app, names []string, force bool) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		if names, err = volumeNames(ctx, a); err != nil {
			return err
		}
	}
	return a.eachLine(ctx, names, func(ctx context.Context, name string) (string, error) {
		err := s.Volumes.Remove(ctx, name, force)
		if force && errdefs.Class(err) == errdefs.ErrNotFound {
			return "", nil
		}
		return name, err
	}, removeCode)
}

func newVolumePruneCmd(a *app) *cobra.Command {
	var force bool
	var filters []string
	cmd := &cobra.Command{
		Use:   "prune [FLAGS]",
		Short: "Remove volumes that no container uses",
		Long: `Remove volumes that no container uses, and what is in them. It asks first, unless --force is given.

Filters are label, label!, until and all, as --filter KEY=VALUE.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fm, err := parseFilters(filters)
			if err != nil {
				return err
			}
			const warning = "This removes all volumes that no container uses, and what is in them."
			if ok, err := confirm(a, warning, force); err != nil || !ok {
				return err
			}
			s, err := a.services(cmd.Context())
			if err != nil {
				return err
			}
			removed, err := s.Volumes.Prune(cmd.Context(), fm)
			slices.Sort(removed)
			for _, name := range removed {
				fmt.Fprintln(a.out, name)
			}
			return err
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "Do not ask")
	cmd.Flags().StringArrayVar(&filters, "filter", nil, "Remove only volumes that fit, `KEY=VALUE`")
	completeFlag(cmd, "filter", "label=", "until=")
	return cmd
}

// completeVolumes completes names of volumes.
func completeVolumes(a *app) cobra.CompletionFunc {
	return completeNames(func(ctx context.Context) ([]string, error) { return volumeNames(ctx, a) })
}

// volumeNames are the names of all volumes.
func volumeNames(ctx context.Context, a *app) ([]string, error) {
	s, err := a.services(ctx)
	if err != nil {
		return nil, err
	}
	found, err := s.Volumes.List(ctx, nil)
	names := make([]string, len(found))
	for i, v := range found {
		names[i] = v.Name
	}
	return names, err
}
