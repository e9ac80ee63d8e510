package libpod

import (
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-engine/berth/image"
)

// InspectImageData is the document of "inspect" for an image.
type InspectImageData struct {
	ID          string    `json:"Id"`
	Digest      string    `json:"Digest"`
	RepoTags    []string  `json:"RepoTags"`
	RepoDigests []string  `json:"RepoDigests"`
	Parent      string    `json:"Parent"`
	Comment     string    `json:"Comment"`
	Created     time.Time `json:"Created"`
	// Config is the OCI image configuration's, with Docker's health check in it.
	Config       *InspectImageConfig `json:"Config"`
	Version      string              `json:"Version"`
	Author       string              `json:"Author"`
	Architecture string              `json:"Architecture"`
	Variant      string              `json:"Variant,omitempty"`
	Os           string              `json:"Os"`
	Size         int64               `json:"Size"`        // bytes, unpacked
	VirtualSize  int64               `json:"VirtualSize"` // the same
	GraphDriver  *DriverData         `json:"GraphDriver"`
	RootFS       *ImageRootFS        `json:"RootFS"`
	Labels       map[string]string   `json:"Labels"`
	Annotations  map[string]string   `json:"Annotations"`
	ManifestType string              `json:"ManifestType"`
	User         string              `json:"User"`
	History      []v1.History        `json:"History"`
	NamesHistory []string            `json:"NamesHistory"`
	HealthCheck  *ImageHealthCheck   `json:"Healthcheck,omitempty"`
}

// InspectImageConfig is what an image says of the containers made from it.
type InspectImageConfig struct {
	v1.ImageConfig
	Healthcheck *ImageHealthCheck `json:"Healthcheck,omitempty"`
}

// ImageHealthCheck is a health check; its times are nanoseconds.
type ImageHealthCheck struct {
	Test          []string      `json:"Test,omitempty"`
	Interval      time.Duration `json:"Interval,omitempty"`
	Timeout       time.Duration `json:"Timeout,omitempty"`
	StartPeriod   time.Duration `json:"StartPeriod,omitempty"`
	StartInterval time.Duration `json:"StartInterval,omitempty"`
	Retries       int           `json:"Retries,omitempty"`
}

// ImageRootFS is the layers, lowest first, by the digests of their uncompressed content.
type ImageRootFS struct {
	Type   string          `json:"Type"`
	Layers []digest.Digest `json:"Layers"`
}

// InspectImage is the document of an image.
func InspectImage(i *image.Image) *InspectImageData {
	d := &InspectImageData{
		ID: i.ID, Digest: i.Digest, RepoTags: i.Names, RepoDigests: i.RepoDigests, Comment: i.Comment, Created: i.Created,
		Config: &InspectImageConfig{ImageConfig: i.Config.Config}, Author: i.Author,
		Architecture: i.Config.Architecture, Variant: i.Config.Variant, Os: i.Config.OS,
		Size: i.Size, VirtualSize: i.Size, GraphDriver: imageDriver(i), RootFS: &ImageRootFS{Type: "layers"},
		Labels: i.Labels, Annotations: map[string]string{}, ManifestType: i.ManifestType, User: i.Config.Config.User,
		History: i.Config.History, NamesHistory: i.Names,
	}
	for _, id := range i.DiffIDs {
		d.RootFS.Layers = append(d.RootFS.Layers, digest.Digest(id))
	}
	if h := i.Health; h != nil {
		d.HealthCheck = &ImageHealthCheck{h.Test, h.Interval, h.Timeout, h.StartPeriod, h.StartInterval, h.Retries}
		d.Config.Healthcheck = d.HealthCheck
	}
	if d.RepoTags == nil {
		d.RepoTags = []string{}
	}
	if d.RepoDigests == nil {
		d.RepoDigests = []string{}
	}
	return d
}

// imageDriver says where the layers are, the uppermost in UpperDir and the others, from above, in LowerDir.
func imageDriver(i *image.Image) *DriverData {
	d := &DriverData{Name: "overlay", Data: map[string]string{}}
	top := len(i.Layers) - 1
	if top < 0 {
		return d
	}
	d.Data["UpperDir"] = i.Layers[top]
	var lower []string
	for n := top - 1; n >= 0; n-- {
		lower = append(lower, i.Layers[n])
	}
	if len(lower) > 0 {
		d.Data["LowerDir"] = strings.Join(lower, ":")
	}
	return d
}
