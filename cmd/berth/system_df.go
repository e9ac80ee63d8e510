package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
)

func newSystemDfCmd(a *app) *cobra.Command {
	var format string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "df [FLAGS]",
		Short: "Show how much disk images, containers and volumes take",
		Long: `Show how much disk images, containers and volumes take, and how much of that removing what is not in
use would give back. With --verbose, each image, container and volume.`,
		Example: "berth system df -v\nberth system df --format '{{.Type}} {{.Reclaimable}}'",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if verbose && format != "" && !isJSON(format) {
				return usageFault(cmd, errdefs.Invalid("--verbose and --format exclude each other, but for --format json"))
			}
			return showDiskUsage(cmd.Context(), a, format, verbose)
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "Print as json, or by a Go `template`")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "Show each image, container and volume")
	completeFlag(cmd, "format", "json", "table")
	return cmd
}

// dfRow is one line of the summary, by podman's names; TotalCount is Docker's.
type dfRow struct {
	Type           string
	Total          int
	Active         int
	RawSize        int64
	RawReclaimable int64
	TotalCount     int
	Size           string
	Reclaimable    string
}

func newDfRow(kind string, u engine.Usage) dfRow {
	r := dfRow{
		Type: kind, Total: u.Total, TotalCount: u.Total, Active: u.Active, RawSize: u.Size, RawReclaimable: u.Reclaimable,
		Size: humanSize(u.Size),
	}
	percent := int64(0)
	if u.Size > 0 {
		percent = u.Reclaimable * 100 / u.Size
	}
	r.Reclaimable = fmt.Sprintf("%s (%d%%)", humanSize(u.Reclaimable), percent)
	return r
}

func showDiskUsage(ctx context.Context, a *app, format string, verbose bool) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	u, err := s.System.DiskUsage(ctx)
	if err != nil {
		return err
	}
	if verbose {
		return printDfDetails(a.out, format, newDfDetails(u, a.now()))
	}
	rows := []dfRow{
		newDfRow("Images", u.ImagesTotal()), newDfRow("Containers", u.ContainersTotal()), newDfRow("Local Volumes", u.VolumesTotal()),
	}
	l := listing{
		Format: format, Default: `{{.Type}}\t{{.Total}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}`,
		Heads: map[string]string{"TotalCount": "TOTAL"},
	}
	return l.print(a.out, rows, nil)
}

// dfDetails is what --verbose shows.
type dfDetails struct {
	Images     []dfImage
	Containers []dfContainer
	Volumes    []dfVolume
}

type dfImage struct {
	Repository, Tag, ImageID, Created, Size, SharedSize, UniqueSize string

	Containers int
}

type dfContainer struct {
	ContainerID, Image, Command  string
	LocalVolumes                 int
	Size, Created, Status, Names string
}

type dfVolume struct {
	VolumeName string
	Links      int
	Size       string
}

func newDfDetails(u *engine.DiskUsage, now time.Time) dfDetails {
	d := dfDetails{Images: []dfImage{}, Containers: []dfContainer{}, Volumes: []dfVolume{}}
	for _, i := range u.Images {
		repository, tag := "<none>", "<none>"
		if len(i.Names) > 0 {
			repository, tag = splitName(i.Names[0])
		}
		d.Images = append(d.Images, dfImage{
			Repository: repository, Tag: tag, ImageID: shortID(i.ID, false), Created: ago(i.Created, now), Size: humanSize(i.Size),
			SharedSize: humanSize(i.Shared), UniqueSize: humanSize(i.Size - i.Shared), Containers: i.Containers,
		})
	}
	for _, c := range u.Containers {
		d.Containers = append(d.Containers, dfContainer{
			ContainerID: shortID(c.ID, false), Image: shortID(c.ImageID, false), Command: shortCommand(c.Command), LocalVolumes: c.Volumes,
			Size: humanSize(c.Size), Created: ago(c.Created, now), Status: string(c.Status), Names: c.Name,
		})
	}
	for _, v := range u.Volumes {
		d.Volumes = append(d.Volumes, dfVolume{VolumeName: v.Name, Links: v.Users, Size: humanSize(v.Size)})
	}
	return d
}

// printDfDetails prints the three tables.
func printDfDetails(w io.Writer, format string, d dfDetails) error {
	if isJSON(format) {
		return printJSON(w, d)
	}
	for i, part := range []struct {
		title, columns string
		rows           any
		heads          map[string]string
	}{
		{
			"Images space usage:",
			`{{.Repository}}\t{{.Tag}}\t{{.ImageID}}\t{{.Created}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}`,
			d.Images, map[string]string{"ImageID": "IMAGE ID", "SharedSize": "SHARED SIZE", "UniqueSize": "UNIQUE SIZE"},
		},
		{
			"Containers space usage:",
			`{{.ContainerID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.Created}}\t{{.Status}}\t{{.Names}}`,
			d.Containers, map[string]string{"ContainerID": "CONTAINER ID", "LocalVolumes": "LOCAL VOLUMES"},
		},
		{
			"Local Volumes space usage:", `{{.VolumeName}}\t{{.Links}}\t{{.Size}}`,
			d.Volumes, map[string]string{"VolumeName": "VOLUME NAME"},
		},
	} {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s\n\n", part.title)
		l := listing{Default: part.columns, Heads: part.heads}
		if err := l.print(w, part.rows, nil); err != nil {
			return err
		}
	}
	return nil
}

// shortCommand is a command as a table shows it.
func shortCommand(args []string) string {
	const width = 20
	command := strings.Join(args, " ")
	if len([]rune(command)) <= width {
		return command
	}
	return truncate(command, width-3) + "..."
}
