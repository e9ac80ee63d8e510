package image

import (
	"context"
	"slices"

	"github.com/berth-engine/berth/errdefs"
)

// History returns the steps that made the image, newest first, with the size of each one's layer. ErrNotFound.
func (s *Store) History(_ context.Context, ref string) ([]HistoryEntry, error) {
	rec, st, err := s.record(ref)
	if err != nil {
		return nil, err
	}
	img, err := read(st, rec)
	if err != nil {
		return nil, err
	}
	var sizes []int64 // lowest first
	for id := rec.TopLayer; id != ""; {
		layer, err := st.Layer(id)
		if err != nil {
			return nil, storeError(err, "reading the layers of image "+ref)
		}
		sizes = append(sizes, max(layer.UncompressedSize, 0))
		id = layer.Parent
	}
	slices.Reverse(sizes)
	return historyOf(img, sizes), nil
}

// historyOf pairs the configuration's history with the layers; layers that it does not speak of get entries of their own.
func historyOf(img *Image, sizes []int64) []HistoryEntry {
	var entries []HistoryEntry
	for _, h := range img.Config.History {
		e := HistoryEntry{ID: "<missing>", CreatedBy: h.CreatedBy, Comment: h.Comment, Empty: h.EmptyLayer}
		if h.Created != nil {
			e.Created = *h.Created
		}
		if !h.EmptyLayer && len(sizes) > 0 {
			e.Size, sizes = sizes[0], sizes[1:]
		}
		entries = append(entries, e)
	}
	for _, size := range sizes {
		entries = append(entries, HistoryEntry{ID: "<missing>", Created: img.Created, Size: size})
	}
	slices.Reverse(entries)
	if len(entries) == 0 {
		entries = []HistoryEntry{{Created: img.Created}}
	}
	entries[0].ID, entries[0].Tags = img.ID, img.Names
	return entries
}

// Usage is what the images take.
type Usage struct {
	// Images, newest first, with SharedSize filled in.
	Images []Image
	// Layers is how many there are, Size their bytes, each counted once.
	Layers int
	Size   int64
}

// DiskUsage counts what each image takes, alone and together with others.
func (s *Store) DiskUsage(ctx context.Context) (Usage, error) {
	list, err := s.List(ctx, ListOptions{All: true})
	if err != nil || len(list) == 0 {
		return Usage{}, err
	}
	st, err := s.storage()
	if err != nil {
		return Usage{}, err
	}
	layers, err := st.Layers()
	if err != nil {
		return Usage{}, storeError(err, "reading the layers")
	}
	u := Usage{Images: list, Layers: len(layers)}
	size, parent := map[string]int64{}, map[string]string{}
	for i := range layers {
		size[layers[i].ID], parent[layers[i].ID] = max(layers[i].UncompressedSize, 0), layers[i].Parent
		u.Size += max(layers[i].UncompressedSize, 0)
	}
	chains, users := make([][]string, len(list)), map[string]int{}
	for i := range list {
		rec, err := st.Image(list[i].ID)
		if err != nil {
			continue // removed since
		}
		for id := rec.TopLayer; id != ""; id = parent[id] {
			chains[i] = append(chains[i], id)
			users[id]++
		}
	}
	for i := range list {
		list[i].SharedSize = 0
		for _, id := range chains[i] {
			if users[id] > 1 {
				list[i].SharedSize += size[id]
			}
		}
	}
	return u, nil
}

// parentID finds the image in all that img was built on, the nearest; empty if there is none.
func parentID(img *Image, all []Image) string {
	var best *Image
	for i := range all {
		if all[i].ID != img.ID && isParent(&all[i], img) && (best == nil || len(all[i].Config.History) > len(best.Config.History)) {
			best = &all[i]
		}
	}
	if best == nil {
		return ""
	}
	return best.ID
}

// Parent returns the ID of the image that the one with this ID was built on, empty if it is not in the store. ErrNotFound.
func (s *Store) Parent(_ context.Context, id string) (string, error) {
	if !s.exists() {
		return "", unknown(id)
	}
	all, err := s.all()
	if err != nil {
		return "", err
	}
	at := slices.IndexFunc(all, func(i Image) bool { return i.ID == id })
	if at < 0 {
		return "", errdefs.NotFound("no such image: %s", id)
	}
	return parentID(&all[at], all), nil
}
