package image

import (
	"context"
	"errors"
	"slices"
	"strings"

	"go.podman.io/storage"

	"github.com/berth-engine/berth/errdefs"
)

// RemoveOptions say what Remove may do.
type RemoveOptions struct {
	// Force deletes an image by its ID although it has several names.
	Force bool
	// NoPrune keeps parents that are left without a name and without children.
	NoPrune bool
	// Guard, if not nil, is called before an image is deleted, and release after that: the caller's way to see to it that nobody
	// uses the image and nobody starts to. Its error keeps the image.
	Guard func(ctx context.Context, id string) (release func(), err error)
}

// RemoveReport is what became of one image.
type RemoveReport struct {
	// ID is the image's.
	ID string
	// Untagged are the names taken off it.
	Untagged []string
	// Deleted are the IDs of images deleted, the image's first, then its parents'; empty when it has other names left.
	Deleted []string
	// Freed bytes, unpacked.
	Freed int64
}

// Remove takes a name off an image, and deletes it with its last name; by ID it takes off the only name, or all with Force.
// Reports of those before the first error are returned with it. ErrNotFound; ErrConflict: several names, or read-only; what
// Guard says.
func (s *Store) Remove(ctx context.Context, refs []string, opts RemoveOptions) ([]RemoveReport, error) {
	if !s.exists() {
		return nil, unknown(strings.Join(refs, ", "))
	}
	op, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer op.end()
	var reports []RemoveReport
	for _, ref := range refs {
		report, err := op.remove(ctx, ref, opts)
		if len(report.Untagged)+len(report.Deleted) > 0 {
			reports = append(reports, report)
		}
		if err != nil {
			return reports, err
		}
	}
	return reports, nil
}

func (op *operation) remove(ctx context.Context, ref string, opts RemoveOptions) (RemoveReport, error) {
	rec, _, err := op.s.lookup(ref)
	if err != nil {
		return RemoveReport{}, err
	}
	report := RemoveReport{ID: rec.ID}
	if rec.ReadOnly {
		return report, errdefs.Conflict("image %s is in a read-only additional store and cannot be removed", ref)
	}
	name, err := op.s.ownNameOf(rec, ref)
	if err != nil {
		name = "" // no name at all, so it was an ID
	}
	switch {
	case name != "" && len(rec.Names) > 1:
		if err := op.st.RemoveNames(rec.ID, []string{name}); err != nil {
			return report, storeError(err, "untagging image "+ref)
		}
		op.s.forget()
		report.Untagged = []string{name}
		return report, nil
	case name == "" && len(rec.Names) > 1 && !opts.Force && !oneRepository(rec.Names, ref):
		return report, errdefs.Conflict("image %s has several names (%s): remove it by name, or all with --force", ref, strings.Join(rec.Names, ", "))
	}
	return report, op.delete(ctx, rec, opts, &report)
}

// oneRepository: what was given by digest is one image of one repository, whatever tags it has.
func oneRepository(names []string, ref string) bool {
	if !strings.Contains(ref, "@") {
		return false
	}
	repository := func(n string) string {
		n, _, _ = strings.Cut(n, "@")
		if colon := strings.LastIndexByte(n, ':'); colon > strings.LastIndexByte(n, '/') {
			n = n[:colon]
		}
		return n
	}
	return !slices.ContainsFunc(names, func(n string) bool { return repository(n) != repository(names[0]) })
}

// delete deletes the image, then the parents that nothing needs any more.
func (op *operation) delete(ctx context.Context, rec *storage.Image, opts RemoveOptions, report *RemoveReport) error {
	parents := op.parents(rec, opts)
	before, err := op.size()
	if err != nil {
		return err
	}
	if err := op.deleteOne(ctx, rec, opts); err != nil {
		return err
	}
	report.Untagged = slices.Clone(rec.Names)
	report.Deleted = []string{rec.ID}
	for _, p := range parents {
		if op.parentNeeded(p) || op.deleteOne(ctx, p, opts) != nil {
			break
		}
		report.Deleted = append(report.Deleted, p.ID)
	}
	after, err := op.size()
	report.Freed = before - after
	return err
}

func (op *operation) deleteOne(ctx context.Context, rec *storage.Image, opts RemoveOptions) error {
	if opts.Guard != nil {
		release, err := opts.Guard(ctx, rec.ID)
		if err != nil {
			return err
		}
		defer release()
	}
	if _, err := op.st.DeleteImage(rec.ID, true); err != nil {
		return storeError(err, "removing image "+shortID(rec.ID))
	}
	op.s.forget()
	return nil
}

// parents are the nameless images that rec was built on, nearest first.
func (op *operation) parents(rec *storage.Image, opts RemoveOptions) []*storage.Image {
	if opts.NoPrune {
		return nil
	}
	all, err := op.s.all()
	if err != nil {
		return nil
	}
	at := slices.IndexFunc(all, func(i Image) bool { return i.ID == rec.ID })
	if at < 0 {
		return nil
	}
	var found []*Image
	for i := range all {
		if i != at && all[i].Dangling && !all[i].ReadOnly && isParent(&all[i], &all[at]) {
			found = append(found, &all[i])
		}
	}
	slices.SortFunc(found, func(a, b *Image) int { return len(b.Config.History) - len(a.Config.History) })
	var records []*storage.Image
	for _, p := range found {
		if r, err := op.st.Image(p.ID); err == nil {
			records = append(records, r)
		}
	}
	return records
}

// parentNeeded reports whether another image is built on p.
func (op *operation) parentNeeded(p *storage.Image) bool {
	all, err := op.s.all()
	if err != nil {
		return true
	}
	at := slices.IndexFunc(all, func(i Image) bool { return i.ID == p.ID })
	return at < 0 || slices.ContainsFunc(all, func(i Image) bool { return i.ID != p.ID && isParent(&all[at], &i) })
}

// size is what all layers take.
func (op *operation) size() (int64, error) {
	layers, err := op.st.Layers()
	var total int64
	for i := range layers {
		total += max(layers[i].UncompressedSize, 0)
	}
	return total, storeError(err, "reading the layers")
}

// PruneOptions say which images go.
type PruneOptions struct {
	// All takes images with names too, if Guard lets them go.
	All bool
	// Filters are those of List.
	Filters map[string][]string
	Guard   func(ctx context.Context, id string) (release func(), err error)
}

// Prune deletes the images without a name, or all, that the filters leave and that Guard lets go (its ErrConflict keeps an
// image silently).
func (s *Store) Prune(ctx context.Context, opts PruneOptions) ([]RemoveReport, error) {
	filters := map[string][]string{}
	for k, v := range opts.Filters {
		filters[k] = v
	}
	if _, ok := filters["dangling"]; !ok && !opts.All {
		filters["dangling"] = []string{"true"}
	}
	list, err := s.List(ctx, ListOptions{All: true, Filters: filters})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	op, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer op.end()
	var reports []RemoveReport
	for _, img := range list {
		report, err := op.remove(ctx, img.ID, RemoveOptions{Force: true, Guard: opts.Guard})
		switch {
		case errors.Is(err, errdefs.ErrConflict), errors.Is(err, errdefs.ErrNotFound):
			continue
		case err != nil:
			return reports, err
		}
		reports = append(reports, report)
	}
	return reports, nil
}
