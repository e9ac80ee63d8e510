// Package hello is Berth's own image: a small static program, made as a complete OCI image on the spot, so that the first
// container needs no registry. The same bytes come out every time, for each architecture.
package hello

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"

	"github.com/berth-engine/berth/errdefs"
)

// Name is the image's name in the store. It is not localhost/hello, so that any image named hello comes first.
const Name = "localhost/berth/hello:latest"

// Message is what the program prints.
const Message = `Hello from Berth!

A container has just started, printed this and ended. For that, Berth unpacked an image
of one layer, mounted it under a layer of the container's own, and let the OCI runtime
start /hello in namespaces of its own. No daemon was needed.

Now try a larger one:  berth run -it debian bash
`

// created is the image's date. It is fixed, since equal images shall have equal IDs.
var created = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Means reports whether ref asks for the image when no image of the store has that name.
func Means(ref string) bool {
	switch ref {
	case "hello", "hello:latest", "berth/hello", "berth/hello:latest", "localhost/berth/hello", Name:
		return true
	}
	return false
}

// Reference is Name, parsed.
func Reference() reference.Named {
	n, err := reference.ParseNamed(Name)
	if err != nil {
		panic(err) // a constant
	}
	return n
}

// Supports reports whether there is an image for the architecture (GOARCH).
func Supports(arch string) bool { return machines[arch] != nil }

// Write writes the image for the architecture into dir as an OCI image layout (image-spec, image-layout.md).
// ErrNotFound if there is none for it.
func Write(dir, arch string) error {
	if !Supports(arch) {
		return errdefs.NotFound("the image hello is not made for %s", arch)
	}
	l := files{dir: dir}
	if err := os.MkdirAll(filepath.Join(dir, v1.ImageBlobsDir, "sha256"), 0o700); err != nil {
		return err
	}
	plain := layer(Program(arch))
	packed := compress(plain)
	config := l.json(v1.MediaTypeImageConfig, configuration(arch, digest.FromBytes(plain)))
	manifest := l.json(v1.MediaTypeImageManifest, v1.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: v1.MediaTypeImageManifest,
		Config:    config,
		Layers:    []v1.Descriptor{l.blob(v1.MediaTypeImageLayerGzip, packed)},
	})
	manifest.Annotations = map[string]string{v1.AnnotationRefName: Name}
	l.file(v1.ImageIndexFile, marshal(v1.Index{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: v1.MediaTypeImageIndex,
		Manifests: []v1.Descriptor{manifest},
	}))
	l.file(v1.ImageLayoutFile, marshal(v1.ImageLayout{Version: v1.ImageLayoutVersion}))
	return l.err
}

func configuration(arch string, diffID digest.Digest) v1.Image {
	return v1.Image{
		Created:  &created,
		Author:   "Berth",
		Platform: v1.Platform{OS: "linux", Architecture: arch},
		Config: v1.ImageConfig{
			Cmd:    []string{"/hello"},
			Env:    []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
			Labels: map[string]string{v1.AnnotationTitle: "hello", v1.AnnotationDescription: "Berth's first container"},
		},
		RootFS:  v1.RootFS{Type: "layers", DiffIDs: []digest.Digest{diffID}},
		History: []v1.History{{Created: &created, CreatedBy: "berth", Comment: "made on the spot"}},
	}
}

// layer is a tar archive with the program in it.
func layer(program []byte) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	h := &tar.Header{Name: "hello", Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(program)), ModTime: created, Format: tar.FormatUSTAR}
	must(w.WriteHeader(h))
	_, err := w.Write(program)
	must(err)
	must(w.Close())
	return b.Bytes()
}

func compress(plain []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(plain)
	must(err)
	must(w.Close())
	return b.Bytes()
}

func marshal(v any) []byte {
	raw, err := json.Marshal(v)
	must(err)
	return raw
}

// must is for writing to memory, which cannot fail.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// files writes them until one fails.
type files struct {
	dir string
	err error
}

func (l *files) file(name string, raw []byte) {
	if l.err == nil {
		l.err = os.WriteFile(filepath.Join(l.dir, name), raw, 0o600)
	}
}

func (l *files) blob(mediaType string, raw []byte) v1.Descriptor {
	d := digest.FromBytes(raw)
	l.file(filepath.Join(v1.ImageBlobsDir, "sha256", d.Encoded()), raw)
	return v1.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(raw))}
}

func (l *files) json(mediaType string, v any) v1.Descriptor { return l.blob(mediaType, marshal(v)) }
