package image

import (
	"context"
	"io"
	"os"

	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/directory"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	ociarchive "go.podman.io/image/v5/oci/archive"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/pkg/compression"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-engine/berth/errdefs"
)

// PushOptions say how an image is pushed.
type PushOptions struct {
	Access
	// Format is oci, v2s2 (also docker) or v2s1; empty to keep the image's if the destination takes it.
	Format string
	// Compression is gzip, zstd or zstd:chunked; empty for what the destination wants. Level is nil for the usual.
	Compression string
	Level       *int
	// DigestFile, if not empty, is written the digest of the manifest.
	DigestFile string
	Progress   io.Writer
}

// Push copies an image to destination: a name at a registry, or a reference with a transport as Pull takes. An empty
// destination is the image's own name as it was given. It returns the digest of the manifest that was written.
//
// ErrNotFound: no such image; ErrPermissionDenied: not logged in, or not allowed; ErrUnavailable: cannot be reached.
func (s *Store) Push(ctx context.Context, ref, destination string, opts PushOptions) (string, error) {
	img, st, err := s.record(ref)
	if err != nil {
		return "", err
	}
	if destination == "" {
		destination = ref
	}
	op, err := s.begin(ctx)
	if err != nil {
		return "", err
	}
	defer op.end()
	sys := op.system(opts.Access)
	dest, host, err := s.destination(sys, destination)
	if err != nil {
		return "", err
	}
	digest, err := s.export(ctx, st, img.ID, dest, sys, opts)
	doing := "pushing " + ref + " to " + destination
	if err != nil && host != "" {
		return "", registryError(err, doing, host)
	}
	if err == nil && opts.DigestFile != "" {
		err = os.WriteFile(opts.DigestFile, []byte(digest), 0o644)
	}
	return digest, contentError(err, doing)
}

// record finds an image without importing any.
func (s *Store) record(ref string) (*storage.Image, storage.Store, error) {
	if !s.exists() {
		return nil, nil, unknown(ref)
	}
	return s.lookup(ref)
}

// destination parses where a push goes; host is empty for what is no registry.
func (s *Store) destination(sys *types.SystemContext, destination string) (ref types.ImageReference, host string, err error) {
	transport, rest := splitTransport(destination)
	switch transport {
	case "docker-archive":
		ref, err = archive.ParseReference(rest)
	case "oci-archive":
		ref, err = ociarchive.ParseReference(rest)
	case "oci":
		ref, err = layout.ParseReference(rest)
	case "dir":
		ref, err = directory.NewReference(rest)
	default:
		return s.registryDestination(sys, rest)
	}
	if err != nil {
		err = badReference(destination, err)
	}
	return ref, "", err
}

// registryDestination: a name without a registry goes where the local image of that name came from, else to the first registry
// that a pull would ask.
func (s *Store) registryDestination(sys *types.SystemContext, name string) (types.ImageReference, string, error) {
	named, err := s.ownName(name)
	if err != nil {
		return nil, "", err
	}
	if named == nil {
		names, err := remoteNames(sys, name)
		if err != nil {
			return nil, "", err
		}
		named = names[0]
	}
	if _, ok := named.(reference.Digested); ok {
		return nil, "", errdefs.Invalid("%s has a digest: push to a name and tag", name)
	}
	if reference.Domain(named) == "localhost" {
		return nil, "", errdefs.Invalid("%s names no registry: say where to push, as in registry.example.com/%s", name, reference.Path(named))
	}
	ref, err := docker.NewReference(named)
	if err != nil {
		return nil, "", badReference(name, err)
	}
	return ref, reference.Domain(named), nil
}

// ownName is the full name of the local image that a short name means; nil if there is none.
func (s *Store) ownName(name string) (reference.Named, error) {
	names, err := s.localNames(name)
	if err != nil {
		return nil, err
	}
	st, err := s.storage()
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if rec, err := byName(st, n); err == nil && rec != nil {
			return n, nil
		}
	}
	return nil, nil
}

// formats are the manifest formats by the names that people use.
var formats = map[string]string{
	"": "", "oci": v1.MediaTypeImageManifest, "v2s2": manifest.DockerV2Schema2MediaType, "docker": manifest.DockerV2Schema2MediaType,
	"v2s1": manifest.DockerV2Schema1SignedMediaType,
}

// export copies an image out of the store and returns the digest of the manifest written.
func (s *Store) export(ctx context.Context, st storage.Store, id string, dest types.ImageReference, sys *types.SystemContext, opts PushOptions) (string, error) {
	mime, ok := formats[opts.Format]
	if !ok {
		return "", errdefs.Invalid("unknown manifest format %q: choose oci, v2s2 (docker) or v2s1", opts.Format)
	}
	if opts.Compression != "" {
		algorithm, err := compression.AlgorithmByName(opts.Compression)
		if err != nil {
			return "", errdefs.Invalid("unknown compression %q: choose gzip, zstd or zstd:chunked", opts.Compression)
		}
		sys.CompressionFormat = &algorithm
	}
	sys.CompressionLevel = opts.Level
	src, err := istorage.Transport.NewStoreReference(st, nil, id)
	if err != nil {
		return "", err
	}
	policy, err := s.policy(sys)
	if err != nil {
		return "", err
	}
	defer policy.Destroy() //nolint:errcheck // it only releases memory
	raw, err := copy.Image(ctx, policy, dest, src, &copy.Options{
		ReportWriter: opts.Progress, SourceCtx: sys, DestinationCtx: sys, ForceManifestMIMEType: mime,
		ForceCompressionFormat: opts.Compression != "",
	})
	if err != nil {
		return "", err
	}
	d, err := manifest.Digest(raw)
	return d.String(), err
}
