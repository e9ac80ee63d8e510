package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/image"
)

// imagesFlags are the flags of images.
type imagesFlags struct {
	all, digests, history, noTrunc, noHeading, quiet bool

	filters      []string
	format, sort string
}

// newImagesCmd is berth images, and image ls.
func newImagesCmd(a *app) *cobra.Command {
	var f imagesFlags
	cmd := &cobra.Command{
		Use:   "images [FLAGS] [REPOSITORY[:TAG]]",
		Short: "List images",
		Long: `List the images of the store, or those of a repository, which may have wildcards in it.

Filters are reference, label, label!, dangling, before, since, until, id, digest,
intermediate and readonly, as --filter KEY=VALUE.`,
		Example: `berth images
berth images --filter dangling=true -q
berth images --format '{{.Repository}}:{{.Tag}} {{.Size}}'`,
		Args: rangeArgs(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				f.filters = append(f.filters, "reference="+args[0])
			}
			if f.quiet && f.format != "" {
				return usageFault(cmd, errdefs.Invalid("--quiet and --format exclude each other"))
			}
			return listImages(cmd.Context(), a, f)
		},
		ValidArgsFunction: completeImages(a),
	}
	fl := cmd.Flags()
	fl.BoolVarP(&f.all, "all", "a", false, "List images that are only parts of others too")
	fl.BoolVar(&f.digests, "digests", false, "Show digests")
	fl.StringArrayVarP(&f.filters, "filter", "f", nil, "List only images that fit, `KEY=VALUE`")
	fl.StringVar(&f.format, "format", "", "Print as json, or by a Go `template`")
	fl.BoolVar(&f.noTrunc, "no-trunc", false, "Show whole IDs")
	fl.BoolVarP(&f.noHeading, "noheading", "n", false, "Leave the line of titles out")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "Print IDs only")
	fl.StringVar(&f.sort, "sort", "created", "Sort by created, id, repository, size or tag")
	completeFlag(cmd, "filter", "before=", "dangling=", "id=", "intermediate=", "label=", "readonly=", "reference=",
		"since=", "until=")
	completeFlag(cmd, "format", "json", "table")
	completeFlag(cmd, "sort", "created", "id", "repository", "size", "tag")
	return cmd
}

// imageRow is one name of an image as the table and templates see it. The names of the fields are podman's and Docker's.
type imageRow struct {
	Repository, Tag, ID, Digest string
	Created, CreatedSince       string
	CreatedAt, CreatedTime      string
	Size, VirtualSize           string
	SharedSize, UniqueSize      string
	Containers                  int
	Names, RepoDigests          []string
	Labels                      map[string]string
	Dangling, ReadOnly          bool
	Arch, Os                    string

	image *image.Image
}

// Label is one label's value.
func (r imageRow) Label(name string) string { return r.Labels[name] }

// imageWire is an image in --format json, in podman's shape.
type imageWire struct {
	ID          string            `json:"Id"`
	ParentID    string            `json:"ParentId"`
	RepoTags    []string          `json:"RepoTags"`
	RepoDigests []string          `json:"RepoDigests"`
	Size        int64             `json:"Size"`
	SharedSize  int64             `json:"SharedSize"`
	VirtualSize int64             `json:"VirtualSize"`
	Labels      map[string]string `json:"Labels"`
	Containers  int               `json:"Containers"`
	Names       []string          `json:"Names"`
	Digest      string            `json:"Digest"`
	Created     int64             `json:"Created"`
	CreatedAt   time.Time         `json:"CreatedAt"`
	Arch        string            `json:"Arch"`
	Os          string            `json:"Os"`
	Dangling    bool              `json:"Dangling,omitempty"`
	ReadOnly    bool              `json:"ReadOnly,omitempty"`
}

func listImages(ctx context.Context, a *app, f imagesFlags) error {
	filters, err := parseFilters(f.filters)
	if err != nil {
		return err
	}
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	found, err := s.Images.List(ctx, image.ListOptions{All: f.all, Filters: filters})
	if err != nil {
		return err
	}
	var users map[string]int
	if isJSON(f.format) || usesField(f.format, "Containers") {
		if users, err = imageUsers(ctx, s); err != nil {
			return err
		}
	}
	rows := imageRows(found, users, f.noTrunc, a.now())
	if err := sortImages(rows, f.sort); err != nil {
		return err
	}
	if f.quiet {
		return printImageIDs(a, rows)
	}
	l := listing{
		Format: f.format, NoHeading: f.noHeading,
		Default: `{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.Created}}\t{{.Size}}`,
		Heads:   map[string]string{"ID": "IMAGE ID", "CreatedSince": "CREATED", "VirtualSize": "SIZE"},
	}
	if f.digests {
		l.Default = `{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.Created}}\t{{.Size}}`
	}
	return l.print(a.out, rows, imageWires(found, users))
}

// imageUsers counts the containers of each image.
func imageUsers(ctx context.Context, s *services) (map[string]int, error) {
	all, err := s.Containers.List(ctx, engine.ListOptions{All: true})
	users := map[string]int{}
	for _, c := range all {
		users[c.Config.Image.ID]++
	}
	return users, err
}

// imageRows makes a row for each name, and one for an image without a name.
func imageRows(found []image.Image, users map[string]int, noTrunc bool, now time.Time) []imageRow {
	rows := []imageRow{}
	for i := range found {
		img := &found[i]
		row := newImageRow(img, users[img.ID], noTrunc, now)
		for _, name := range img.Names {
			row.Repository, row.Tag = splitName(name)
			rows = append(rows, row)
		}
		if len(img.Names) > 0 {
			continue
		}
		row.Repository, row.Tag = "<none>", "<none>"
		if len(img.RepoDigests) > 0 {
			row.Repository, _, _ = strings.Cut(img.RepoDigests[0], "@")
		}
		rows = append(rows, row)
	}
	return rows
}

func newImageRow(img *image.Image, containers int, noTrunc bool, now time.Time) imageRow {
	row := imageRow{
		ID: shortID(img.ID, noTrunc), Digest: img.Digest, CreatedAt: stamp(img.Created), CreatedTime: stamp(img.Created),
		Size: humanSize(img.Size), VirtualSize: humanSize(img.Size), Containers: containers,
		Names: img.Names, RepoDigests: img.RepoDigests, Labels: img.Labels, Dangling: img.Dangling, ReadOnly: img.ReadOnly,
		Arch: img.Config.Architecture, Os: img.Config.OS, image: img,
	}
	row.Created = ago(img.Created, now)
	row.CreatedSince = row.Created
	if noTrunc {
		row.ID = "sha256:" + img.ID
	}
	if img.SharedSize >= 0 {
		row.SharedSize, row.UniqueSize = humanSize(img.SharedSize), humanSize(img.Size-img.SharedSize)
	}
	return row
}

func imageWires(found []image.Image, users map[string]int) []imageWire {
	wires := make([]imageWire, len(found))
	for i, img := range found {
		wires[i] = imageWire{
			ID: img.ID, RepoTags: img.Names, RepoDigests: img.RepoDigests, Size: img.Size, SharedSize: max(img.SharedSize, 0),
			VirtualSize: img.Size, Labels: img.Labels, Containers: users[img.ID], Names: img.Names, Digest: img.Digest,
			Created: img.Created.Unix(), CreatedAt: img.Created.UTC(), Arch: img.Config.Architecture, Os: img.Config.OS,
			Dangling: img.Dangling, ReadOnly: img.ReadOnly,
		}
	}
	return wires
}

// sortImages sorts by what --sort says: the newest or the biggest first, words in their order.
func sortImages(rows []imageRow, by string) error {
	name := func(x, y imageRow) int {
		return cmp.Or(cmp.Compare(x.Repository, y.Repository), cmp.Compare(x.Tag, y.Tag))
	}
	orders := map[string]func(x, y imageRow) int{
		"created":    func(x, y imageRow) int { return cmp.Or(y.image.Created.Compare(x.image.Created), name(x, y)) },
		"id":         func(x, y imageRow) int { return cmp.Or(cmp.Compare(x.image.ID, y.image.ID), name(x, y)) },
		"repository": name,
		"size":       func(x, y imageRow) int { return cmp.Or(cmp.Compare(y.image.Size, x.image.Size), name(x, y)) },
		"tag":        func(x, y imageRow) int { return cmp.Or(cmp.Compare(x.Tag, y.Tag), name(x, y)) },
	}
	order, ok := orders[by]
	if !ok {
		return errdefs.Invalid("--sort %q: choose created, id, repository, size or tag", by)
	}
	slices.SortStableFunc(rows, order)
	return nil
}

// printImageIDs prints each image's ID once.
func printImageIDs(a *app, rows []imageRow) error {
	seen := map[string]bool{}
	for _, r := range rows {
		if seen[r.ID] {
			continue
		}
		seen[r.ID] = true
		if _, err := fmt.Fprintln(a.out, r.ID); err != nil {
			return err
		}
	}
	return nil
}
