// Package image pulls, pushes, loads, saves, lists, tags and removes images, over go.podman.io/image and go.podman.io/storage.
//
// The store is Berth's own directory in storage.conf's format. Containers are not registered in it: the engine makes a
// container's writable layer itself (package rootfs) over the directories that Image.Layers names.
//
// The package knows nothing of containers: whether an image is in use is for the engine to decide before Remove.
package image

import (
	"time"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is one image of the store.
type Image struct {
	// ID is the digest of the configuration, 64 hexadecimal digits.
	ID string
	// Names are the full references that name it, RepoDigests the references by digest.
	Names       []string
	RepoDigests []string
	// Digest is the manifest's.
	Digest  string
	Created time.Time
	// Size is the bytes that its layers take, unpacked.
	Size int64
	// Layers are the directories of the layers' files, lowest first, each whole on disk.
	Layers []string
	// DiffIDs are the layers' uncompressed digests, lowest first.
	DiffIDs []string
	// LayerSizes are the bytes that each of DiffIDs takes, unpacked.
	LayerSizes []int64
	// Config is the OCI image configuration; Health is Docker's extension to it, nil if there is none.
	Config       v1.Image
	Health       *Health
	ManifestType string
	Labels       map[string]string
	Author       string
	Comment      string
	// Dangling images have no name; ReadOnly ones are of an additional store.
	Dangling bool
	ReadOnly bool
	// SharedSize is the part of Size in layers that other images have too; -1 when not computed.
	SharedSize int64
}

// Health is the health check that an image declares (Docker's image specification, config.Healthcheck).
type Health struct {
	Test                                          []string
	Interval, Timeout, StartPeriod, StartInterval time.Duration
	Retries                                       int
}

// HistoryEntry is one row of an image's history, newest first.
type HistoryEntry struct {
	ID        string // the image's own ID for the newest, "<missing>" otherwise
	Created   time.Time
	CreatedBy string
	Size      int64
	Comment   string
	Tags      []string
	Empty     bool
}
