package image

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"time"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/storage"

	"github.com/berth-engine/berth/errdefs"
)

// dockerConfig is what Docker's image configuration (moby's image specification 1.3) has beyond the OCI one.
type dockerConfig struct {
	Comment string `json:"comment"`
	Config  struct {
		Healthcheck *struct {
			Test          []string
			Interval      time.Duration
			Timeout       time.Duration
			StartPeriod   time.Duration
			StartInterval time.Duration
			Retries       int
		}
	} `json:"config"`
}

// read makes an Image of a record of containers/storage.
func read(st storage.Store, rec *storage.Image) (*Image, error) {
	img := &Image{ID: rec.ID, Digest: rec.Digest.String(), ReadOnly: rec.ReadOnly, SharedSize: -1}
	setNames(img, rec)
	man, mime, err := recordManifest(st, rec)
	if err != nil {
		return nil, err
	}
	img.ManifestType = mime
	raw, err := st.ImageBigData(rec.ID, man.ConfigInfo().Digest.String())
	if err != nil {
		return nil, storeError(err, "reading the configuration of image "+shortID(rec.ID))
	}
	if err := setConfig(img, raw); err != nil {
		return nil, err
	}
	if err := setLayers(st, img, rec.TopLayer); err != nil {
		return nil, err
	}
	return img, nil
}

// setNames sorts the record's references into names and references by digest.
func setNames(img *Image, rec *storage.Image) {
	digests := map[string]bool{}
	for _, name := range rec.Names {
		ref, err := reference.ParseNamed(name)
		if err != nil {
			img.Names = append(img.Names, name)
			continue
		}
		if _, ok := ref.(reference.Digested); ok {
			digests[reference.TrimNamed(ref).Name()+"@"+ref.(reference.Digested).Digest().String()] = true
			continue
		}
		img.Names = append(img.Names, name)
		if rec.Digest != "" {
			digests[ref.Name()+"@"+rec.Digest.String()] = true
		}
	}
	for d := range digests {
		img.RepoDigests = append(img.RepoDigests, d)
	}
	sort.Strings(img.RepoDigests)
	img.Dangling = len(rec.Names) == 0
}

func recordManifest(st storage.Store, rec *storage.Image) (manifest.Manifest, string, error) {
	raw, err := st.ImageBigData(rec.ID, storage.ImageDigestBigDataKey)
	if err != nil {
		return nil, "", storeError(err, "reading the manifest of image "+shortID(rec.ID))
	}
	mime := manifest.GuessMIMEType(raw)
	man, err := manifest.FromBlob(raw, mime)
	if err != nil {
		return nil, "", errdefs.Internal("the manifest of image %s is damaged, remove the image and pull it again: %w", shortID(rec.ID), err)
	}
	return man, mime, nil
}

// setConfig fills in what the configuration blob says.
func setConfig(img *Image, raw []byte) error {
	var docker dockerConfig
	if err := json.Unmarshal(raw, &img.Config); err != nil {
		return errdefs.Internal("the configuration of image %s is damaged, remove the image and pull it again: %w", shortID(img.ID), err)
	}
	if err := json.Unmarshal(raw, &docker); err != nil {
		return errdefs.Internal("the configuration of image %s is damaged, remove the image and pull it again: %w", shortID(img.ID), err)
	}
	if img.Config.Created != nil {
		img.Created = *img.Config.Created
	}
	if h := docker.Config.Healthcheck; h != nil {
		img.Health = &Health{h.Test, h.Interval, h.Timeout, h.StartPeriod, h.StartInterval, h.Retries}
	}
	img.Labels, img.Author, img.Comment = img.Config.Config.Labels, img.Config.Author, docker.Comment
	if n := len(img.Config.History); img.Comment == "" && n > 0 {
		img.Comment = img.Config.History[n-1].Comment
	}
	return nil
}

// setLayers walks from the top layer down and fills in directories, digests and sizes.
func setLayers(st storage.Store, img *Image, top string) error {
	if top == "" {
		return nil
	}
	driver, err := st.GraphDriver()
	if err != nil {
		return storeError(err, "opening the storage driver")
	}
	for id := top; id != ""; {
		layer, err := st.Layer(id)
		if err != nil {
			return storeError(err, fmt.Sprintf("reading layer %s of image %s", shortID(id), shortID(img.ID)))
		}
		dir := filepath.Join(st.GraphRoot(), "vfs", "dir", id)
		if driver.String() == "overlay" {
			meta, err := driver.Metadata(id)
			if err != nil {
				return storeError(err, fmt.Sprintf("reading layer %s of image %s", shortID(id), shortID(img.ID)))
			}
			dir = meta["UpperDir"]
		}
		img.Layers = append(img.Layers, dir)
		img.DiffIDs = append(img.DiffIDs, layer.UncompressedDigest.String())
		img.LayerSizes = append(img.LayerSizes, max(layer.UncompressedSize, 0))
		img.Size += max(layer.UncompressedSize, 0)
		id = layer.Parent
	}
	slices.Reverse(img.Layers)
	slices.Reverse(img.DiffIDs)
	slices.Reverse(img.LayerSizes)
	if driver.String() != "overlay" {
		// A layer of such a driver is a whole tree: the topmost one has everything.
		img.Layers = img.Layers[len(img.Layers)-1:]
	}
	return nil
}
