package image

import (
	"context"
	"slices"
)

// ListOptions select images.
type ListOptions struct {
	// All lists intermediate images too: those without a name that others are built on.
	All bool
	// Filters are Docker's and podman's: reference, id, label, label!, dangling, intermediate, readonly, before, since, until,
	// digest. Values of one key are alternatives, except for labels, which must all hold; keys must all hold.
	Filters map[string][]string
}

// List returns the images that the filters leave, newest first. ErrInvalidArgument for a filter that does not exist or whose
// value makes no sense; ErrNotFound if before or since name no image.
func (s *Store) List(ctx context.Context, opts ListOptions) ([]Image, error) {
	keep, err := s.filter(ctx, opts.Filters)
	if err != nil || !s.exists() {
		return nil, err
	}
	all, err := s.all()
	if err != nil {
		return nil, err
	}
	parents := intermediate(all)
	var list []Image
	for i := range all {
		hidden := !opts.All && parents[all[i].ID] && len(opts.Filters["intermediate"]) == 0
		if !hidden && keep(&all[i], parents[all[i].ID]) {
			list = append(list, all[i])
		}
	}
	slices.SortStableFunc(list, func(a, b Image) int { return b.Created.Compare(a.Created) })
	return list, nil
}

// all reads every image that is whole.
func (s *Store) all() ([]Image, error) {
	st, err := s.storage()
	if err != nil {
		return nil, err
	}
	records, err := st.Images()
	if err != nil {
		return nil, storeError(err, "listing images")
	}
	list := make([]Image, 0, len(records))
	for i := range records {
		if !whole(&records[i]) {
			continue
		}
		img, err := read(st, &records[i])
		if err != nil {
			// One that is being removed or is damaged must not hide the others.
			s.log.Warn("an image cannot be listed", "id", records[i].ID, "err", err)
			continue
		}
		list = append(list, *img)
	}
	return list, nil
}

// intermediate are the images without a name whose layers and history another image continues.
func intermediate(all []Image) map[string]bool {
	found := map[string]bool{}
	for i := range all {
		if !all[i].Dangling {
			continue
		}
		for j := range all {
			if i != j && isParent(&all[i], &all[j]) {
				found[all[i].ID] = true
				break
			}
		}
	}
	return found
}

// isParent reports whether child continues parent: its layers and its history begin with the parent's.
func isParent(parent, child *Image) bool {
	if len(parent.DiffIDs) > len(child.DiffIDs) || len(parent.Config.History) >= len(child.Config.History) ||
		!slices.Equal(parent.DiffIDs, child.DiffIDs[:len(parent.DiffIDs)]) {
		return false
	}
	for i, h := range parent.Config.History {
		c := child.Config.History[i]
		same := h.CreatedBy == c.CreatedBy && h.Comment == c.Comment && h.EmptyLayer == c.EmptyLayer &&
			(h.Created == nil) == (c.Created == nil) && (h.Created == nil || h.Created.Equal(*c.Created))
		if !same {
			return false
		}
	}
	return true
}
