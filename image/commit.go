package image

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/oci/layout"

	"github.com/berth-engine/berth/errdefs"
)

// CommitOptions say what image is made of another one and a layer.
type CommitOptions struct {
	// Base is the ID of the image that the layer lies on; empty for none. With Squash the layer has all of its files.
	Base   string
	Squash bool
	// Layer writes the layer as a tar archive.
	Layer func(ctx context.Context, w io.Writer) error
	// Configure changes the base's configuration; Changes are applied afterwards (see Change).
	Configure func(*Config)
	Changes   []string
	// Health is kept in the format docker; the other one has no place for it.
	Health *Health
	// Reference names the image; empty for none.
	Reference       string
	Message, Author string
	// CreatedBy is what the image's history says of the layer.
	CreatedBy string
	// Format is oci (or empty) or docker.
	Format   string
	Progress io.Writer
}

// mediaTypes of the parts of an image.
type mediaTypes struct{ manifest, config, layer string }

var commitFormats = map[string]mediaTypes{
	"":    {v1.MediaTypeImageManifest, v1.MediaTypeImageConfig, v1.MediaTypeImageLayer},
	"oci": {v1.MediaTypeImageManifest, v1.MediaTypeImageConfig, v1.MediaTypeImageLayer},
	"docker": {manifest.DockerV2Schema2MediaType, manifest.DockerV2Schema2ConfigMediaType,
		manifest.DockerV2SchemaLayerMediaTypeUncompressed},
}

// Commit makes an image of a base and a layer, and returns its ID. The layer is bounded as those of archives are.
//
// ErrInvalidArgument: an unknown format, a name or change that is none, a layer beyond the limits; ErrNotFound: no such base;
// ErrUnavailable: the disk is full. After an error the store is what it was.
func (s *Store) Commit(ctx context.Context, o CommitOptions) (string, error) {
	media, ok := commitFormats[o.Format]
	if !ok {
		return "", errdefs.Invalid("unknown format %q of an image: choose oci or docker", o.Format)
	}
	var name reference.Named
	if o.Reference != "" {
		var err error
		if name, err = normalName(o.Reference); err != nil {
			return "", err
		}
	}
	blob, sizes, err := s.commitConfig(ctx, o)
	if err != nil {
		return "", err
	}
	op, err := s.begin(ctx)
	if err != nil {
		return "", err
	}
	defer op.end()
	const doing = "committing"
	dir := filepath.Join(op.tmpPlain, "commit")
	if err := op.writeCommit(ctx, dir, blob, sizes, media, o); err != nil {
		return "", contentError(err, doing)
	}
	ref, err := layout.NewIndexReference(dir, 0)
	if err != nil {
		return "", contentError(err, doing)
	}
	id, err := op.fetch(ctx, fetch{
		ref: ref, sys: op.system(Access{}), name: name, progress: o.Progress,
		want: Platform{blob.OS, blob.Architecture, blob.Variant},
	})
	return id, contentError(err, doing)
}

// commitBlob is an image configuration with what Docker's has beyond OCI's.
type commitBlob struct {
	v1.Image
	Comment string       `json:"comment,omitempty"`
	Config  commitConfig `json:"config"`
}

type commitConfig struct {
	Config
	Healthcheck *Health `json:"Healthcheck,omitempty"`
}

// commitConfig is the new image's configuration but for the new layer, and the sizes of the layers that it has already.
func (s *Store) commitConfig(ctx context.Context, o CommitOptions) (commitBlob, []int64, error) {
	host := s.Host()
	blob := commitBlob{Image: v1.Image{Platform: v1.Platform{OS: host.OS, Architecture: host.Arch, Variant: host.Variant}}}
	var sizes []int64
	if o.Base != "" {
		base, err := s.Inspect(ctx, o.Base)
		if err != nil {
			return blob, nil, err
		}
		blob.Image = base.Config
		blob.Config.ImageConfig = base.Config.Config
		sizes = base.LayerSizes
	}
	blob.RootFS.Type = "layers"
	if o.Squash {
		blob.RootFS.DiffIDs, blob.History, sizes = nil, nil, nil
	}
	if len(sizes) != len(blob.RootFS.DiffIDs) {
		return blob, nil, errdefs.Internal("the layers of image %s are not those that its configuration names: pull it again", shortID(o.Base))
	}
	if o.Configure != nil {
		o.Configure(&blob.Config.Config)
	}
	if err := Change(&blob.Config.Config, o.Changes); err != nil {
		return blob, nil, err
	}
	now := time.Now().UTC()
	blob.Created, blob.Author = &now, o.Author
	blob.History = append(slices.Clone(blob.History), v1.History{
		Created: &now, CreatedBy: o.CreatedBy, Author: o.Author, Comment: o.Message,
	})
	if o.Format == "docker" {
		blob.Comment, blob.Config.Healthcheck = o.Message, o.Health
	}
	return blob, sizes, nil
}

// writeCommit writes an OCI image layout that has of the layers only the new one: the store has the others, and takes its own.
func (op *operation) writeCommit(ctx context.Context, dir string, blob commitBlob, sizes []int64, media mediaTypes, o CommitOptions) error {
	blobs := filepath.Join(dir, v1.ImageBlobsDir, "sha256")
	if err := os.MkdirAll(blobs, 0o700); err != nil {
		return err
	}
	m := v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: media.manifest}
	for i, id := range blob.RootFS.DiffIDs {
		m.Layers = append(m.Layers, v1.Descriptor{MediaType: media.layer, Digest: id, Size: sizes[i]})
	}
	layer, err := op.committedLayer(ctx, blobs, o.Layer)
	if err != nil {
		return err
	}
	layer.MediaType = media.layer
	m.Layers = append(m.Layers, layer)
	blob.RootFS.DiffIDs = append(slices.Clone(blob.RootFS.DiffIDs), layer.Digest)
	raw, err := json.Marshal(blob)
	if err != nil {
		return err
	}
	if m.Config, err = putBlob(blobs, media.config, raw); err != nil {
		return err
	}
	return writeIndex(dir, m)
}

// committedLayer writes the layer as a blob. Each of its headers is counted before what follows it is written.
func (op *operation) committedLayer(ctx context.Context, blobs string, write func(context.Context, io.Writer) error) (v1.Descriptor, error) {
	f, err := os.CreateTemp(blobs, ".layer-")
	if err != nil {
		return v1.Descriptor{}, err
	}
	defer f.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() {
		buffered := bufio.NewWriterSize(w, 1<<20)
		err := write(ctx, buffered)
		if err == nil {
			err = buffered.Flush()
		}
		w.CloseWithError(err)
		written <- err
	}()
	sum := sha256.New()
	count := newTally(op.limits)
	count.lookAt(int(f.Fd()))
	size, err := countedCopy(io.MultiWriter(f, sum), r, count)
	r.CloseWithError(err)
	if werr := <-written; err == nil {
		err = werr
	}
	if err != nil {
		return v1.Descriptor{}, err
	}
	d := digest.NewDigest(digest.SHA256, sum)
	return v1.Descriptor{Digest: d, Size: size}, os.Rename(f.Name(), filepath.Join(blobs, d.Encoded()))
}

// countedCopy copies a tar archive and returns its length. What the tally refuses is not read any further.
func countedCopy(w io.Writer, r io.Reader, count *tally) (int64, error) {
	var size int64
	tee := io.TeeReader(r, io.MultiWriter(w, (*length)(&size)))
	tr := tar.NewReader(tee)
	for {
		h, err := tr.Next()
		if err == nil {
			err = count.add(h)
		}
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, tee) // what fills the last block
			return size, err
		}
		if err != nil {
			return size, err
		}
	}
}

// length counts what is written to it.
type length int64

func (l *length) Write(p []byte) (int, error) {
	*l += length(len(p))
	return len(p), nil
}
