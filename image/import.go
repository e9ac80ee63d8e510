package image

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/oci/layout"

	"github.com/berth-engine/berth/errdefs"
)

// ImportOptions say what image is made of a root file system.
type ImportOptions struct {
	// Reference names the image; empty for none.
	Reference string
	// Changes are directives of a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR.
	Changes []string
	Message string
	// Platform is os/arch[/variant]; empty for this machine's.
	Platform string
	// Input is the archive when the source is "-".
	Input    io.Reader
	Progress io.Writer
}

// Import makes an image of one layer of a tar archive, compressed or not: a file, http:// or https://, or - for Input.
// ErrInvalidArgument: no tar archive, truncated, or a change that is none; ErrNotFound, ErrUnavailable: the source.
func (s *Store) Import(ctx context.Context, source string, opts ImportOptions) (string, error) {
	want, _, err := s.want(opts.Platform)
	if err != nil {
		return "", err
	}
	var name reference.Named
	if opts.Reference != "" {
		if name, err = normalName(opts.Reference); err != nil {
			return "", err
		}
	}
	config := Config{}
	if err := Change(&config, opts.Changes); err != nil {
		return "", err
	}
	op, err := s.begin(ctx)
	if err != nil {
		return "", err
	}
	defer op.end()
	doing := "importing " + source
	in, err := open(ctx, source, opts.Input)
	if err != nil {
		return "", contentError(err, doing)
	}
	defer in.Close()
	dir := filepath.Join(op.tmpPlain, "import")
	if err := op.writeImport(in, dir, want, config, source, opts); err != nil {
		return "", contentError(err, doing)
	}
	ref, err := layout.NewIndexReference(dir, 0)
	if err != nil {
		return "", contentError(err, doing)
	}
	id, err := op.fetch(ctx, fetch{ref: ref, sys: op.system(Access{}), name: name, want: want, progress: opts.Progress})
	return id, contentError(err, doing)
}

// open opens an import's source.
func open(ctx context.Context, source string, input io.Reader) (io.ReadCloser, error) {
	switch {
	case source == "-" && input == nil:
		return nil, errdefs.Invalid("there is no standard input to import from")
	case source == "-":
		return io.NopCloser(input), nil
	case !strings.HasPrefix(source, "http://") && !strings.HasPrefix(source, "https://"):
		return os.Open(source)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, source, nil)
	if err != nil {
		return nil, errdefs.Invalid("importing %s: %w", source, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, errdefs.Unavailable("importing %s: check the address and the network: %w", source, err)
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		class := errdefs.ErrUnavailable
		if resp.StatusCode == http.StatusNotFound {
			class = errdefs.ErrNotFound
		}
		return nil, errdefs.New(class, "importing %s: the server answers %s", source, resp.Status)
	}
	return resp.Body, nil
}

// writeImport writes an OCI image layout with the stream as its only layer.
func (op *operation) writeImport(in io.Reader, dir string, p Platform, config Config, source string, opts ImportOptions) error {
	blobs := filepath.Join(dir, v1.ImageBlobsDir, "sha256")
	if err := os.MkdirAll(blobs, 0o700); err != nil {
		return err
	}
	layer, err := op.importedLayer(in, blobs)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	message := opts.Message
	if message == "" {
		message = "Imported from " + source
	}
	raw, err := json.Marshal(configBlob{
		Image: v1.Image{
			Created: &now, Platform: v1.Platform{OS: p.OS, Architecture: p.Arch, Variant: p.Variant},
			RootFS:  v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{layer.Digest}},
			History: []v1.History{{Created: &now, CreatedBy: "berth import", Comment: message}},
		},
		Config: config,
	})
	if err != nil {
		return err
	}
	described, err := putBlob(blobs, v1.MediaTypeImageConfig, raw)
	if err != nil {
		return err
	}
	return writeIndex(dir, v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, Config: described,
		Layers: []v1.Descriptor{layer},
	})
}

// configBlob is an OCI image configuration whose "config" may have more in it.
type configBlob struct {
	v1.Image
	Config Config `json:"config"`
}

// importedLayer writes the stream, decompressed, as a blob and checks that all of it is a tar archive.
func (op *operation) importedLayer(in io.Reader, blobs string) (v1.Descriptor, error) {
	f, err := op.plain(&source{input: in})
	if err != nil {
		return v1.Descriptor{}, err
	}
	defer f.Close()
	if err := checkTar(f, newTally(op.limits)); err != nil {
		return v1.Descriptor{}, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return v1.Descriptor{}, err
	}
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return v1.Descriptor{}, err
	}
	d := digest.NewDigest(digest.SHA256, sum)
	err = os.Rename(f.Name(), filepath.Join(blobs, d.Encoded()))
	return v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: d, Size: size}, err
}

func checkTar(r io.Reader, count *tally) error {
	tr := tar.NewReader(r)
	for n := 0; ; n++ {
		h, err := tr.Next()
		if err == nil {
			err = count.add(h)
		}
		switch {
		case errors.Is(err, io.EOF) && n > 0:
			return nil
		case errors.Is(err, io.EOF):
			return errdefs.Invalid("it is empty: a tar archive of a root file system is needed")
		case errors.Is(err, tar.ErrHeader):
			return errdefs.Invalid("it is not a tar archive: %w", err)
		case err != nil:
			return err
		}
	}
}

func putBlob(blobs, mediaType string, raw []byte) (v1.Descriptor, error) {
	d := digest.FromBytes(raw)
	err := os.WriteFile(filepath.Join(blobs, d.Encoded()), raw, 0o600)
	return v1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(raw))}, err
}

// writeIndex completes an OCI image layout of one manifest.
func writeIndex(dir string, m v1.Manifest) error {
	raw, err := json.Marshal(m)
	if err != nil {
		return err
	}
	described, err := putBlob(filepath.Join(dir, v1.ImageBlobsDir, "sha256"), m.MediaType, raw)
	if err != nil {
		return err
	}
	index, err := json.Marshal(v1.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{described},
	})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, v1.ImageIndexFile), index, 0o600); err != nil {
		return err
	}
	version := fmt.Sprintf("{%q:%q}", "imageLayoutVersion", v1.ImageLayoutVersion)
	return os.WriteFile(filepath.Join(dir, v1.ImageLayoutFile), []byte(version), 0o600)
}
