package image

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/directory"
	"go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	ociarchive "go.podman.io/image/v5/oci/archive"
	"go.podman.io/image/v5/oci/layout"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-engine/berth/errdefs"
)

// SaveOptions say how images are saved.
type SaveOptions struct {
	// Format is docker-archive (also empty), oci-archive, oci-dir or docker-dir.
	Format string
	// Path is the file or directory to write; a file that exists is replaced. Output is written instead when Path is empty.
	Path   string
	Output io.Writer
	// Compress compresses the layers of docker-dir; archives of Docker's have them plain, those of OCI compressed.
	Compress bool
	Progress io.Writer
}

// Save writes images with their names. docker-archive takes any number, the others one. ErrNotFound: no such image;
// ErrInvalidArgument: an unknown format, or more images than it takes. After an error a file that was there before is whole.
func (s *Store) Save(ctx context.Context, refs []string, opts SaveOptions) error {
	images, err := s.saved(refs)
	if err != nil {
		return err
	}
	op, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer op.end()
	w := saver{op: op, opts: opts, images: images}
	switch opts.Format {
	case "", "docker-archive":
		err = w.file(func(path string) error { return w.dockerArchive(ctx, path) })
	case "oci-archive":
		err = w.file(func(path string) error {
			return w.single(ctx, ociDestination(ociarchive.NewReference, path, w.name()), v1.MediaTypeImageManifest)
		})
	case "oci-dir":
		err = w.directory(func(path string) error {
			return w.single(ctx, ociDestination(layout.NewReference, path, w.name()), v1.MediaTypeImageManifest)
		})
	case "docker-dir":
		err = w.directory(func(path string) error {
			return w.single(ctx, func() (types.ImageReference, error) { return directory.NewReference(path) }, manifest.DockerV2Schema2MediaType)
		})
	default:
		err = errdefs.Invalid("unknown format %q: choose docker-archive, oci-archive, oci-dir or docker-dir", opts.Format)
	}
	return contentError(err, "saving "+refs[0])
}

func ociDestination(make func(path, name string) (types.ImageReference, error), path, name string) func() (types.ImageReference, error) {
	return func() (types.ImageReference, error) { return make(path, name) }
}

// savedImage is one image to be saved, under these names.
type savedImage struct {
	id    string
	names []reference.NamedTagged
}

// saved finds the images. Names of one image make one entry; what was asked for by ID is saved without a name.
func (s *Store) saved(refs []string) ([]savedImage, error) {
	if len(refs) == 0 {
		return nil, errdefs.Invalid("no image to save: name at least one")
	}
	var images []savedImage
	at := map[string]int{}
	for _, ref := range refs {
		rec, _, err := s.record(ref)
		if err != nil {
			return nil, err
		}
		i, ok := at[rec.ID]
		if !ok {
			i = len(images)
			at[rec.ID] = i
			images = append(images, savedImage{id: rec.ID})
		}
		if err := images[i].add(s.ownNameOf(rec, ref)); err != nil {
			return nil, err
		}
	}
	return images, nil
}

// add adds a name unless it is empty or has no tag.
func (i *savedImage) add(name string, err error) error {
	if err != nil || name == "" {
		return err
	}
	named, err := reference.ParseNamed(name)
	if tagged, ok := named.(reference.NamedTagged); ok && err == nil {
		i.names = append(i.names, tagged)
	}
	return nil
}

// saver writes images to one destination.
type saver struct {
	op     *operation
	opts   SaveOptions
	images []savedImage
}

func (w *saver) name() string {
	if len(w.images[0].names) == 0 {
		return ""
	}
	return w.images[0].names[0].String()
}

// file has write make a file beside the final one, or of the operation for a stream, and puts it in place.
func (w *saver) file(write func(path string) error) error {
	if w.opts.Path == "" {
		return w.stream(write)
	}
	if fi, err := os.Stat(w.opts.Path); err == nil && !fi.Mode().IsRegular() {
		if fi.IsDir() {
			return errdefs.Invalid("%s is a directory: name a file, or use a format with -dir", w.opts.Path)
		}
		return w.device(write)
	}
	dir, err := w.op.plainPath(filepath.Dir(w.opts.Path))
	if err != nil {
		return err
	}
	tmp := filepath.Join(dir, ".berth-save-"+filepath.Base(w.op.tmp))
	err = write(tmp)
	if err == nil {
		err = os.Rename(tmp, w.opts.Path)
	}
	if err != nil {
		_ = os.Remove(tmp)
	}
	return err
}

// device writes to what cannot be replaced: a pipe, /dev/stdout.
func (w *saver) device(write func(path string) error) error {
	f, err := os.OpenFile(w.opts.Path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	w.opts.Output = f
	return w.stream(write)
}

func (w *saver) stream(write func(path string) error) error {
	if w.opts.Output == nil {
		return errdefs.Invalid("neither a file nor a stream to save to")
	}
	path := filepath.Join(w.op.tmpPlain, "saved")
	if err := write(path); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w.opts.Output, f)
	return err
}

// directory has write fill a new directory; one that is not empty is left alone.
func (w *saver) directory(write func(path string) error) error {
	if w.opts.Path == "" {
		return errdefs.Invalid("format %s writes a directory: name one with --output", w.opts.Format)
	}
	entries, err := os.ReadDir(w.opts.Path)
	if err == nil && len(entries) > 0 {
		return errdefs.AlreadyExists("directory %s is not empty: name a new one", w.opts.Path)
	}
	there := err == nil
	if err = os.MkdirAll(w.opts.Path, 0o755); err != nil {
		return err
	}
	path, err := w.op.plainPath(w.opts.Path)
	if err == nil {
		err = write(path)
	}
	if err != nil && !there {
		_ = os.RemoveAll(w.opts.Path)
	}
	return err
}

// dockerArchive writes all images into one archive.
func (w *saver) dockerArchive(ctx context.Context, path string) error {
	sys := w.op.system(Access{})
	out, err := archive.NewWriter(sys, path)
	if err != nil {
		return err
	}
	for _, img := range w.images {
		var first reference.NamedTagged
		sys.DockerArchiveAdditionalTags = nil
		if len(img.names) > 0 {
			first, sys.DockerArchiveAdditionalTags = img.names[0], img.names[1:]
		}
		dest, err := out.NewReference(first)
		if err == nil {
			err = w.copy(ctx, img.id, dest, sys, "")
		}
		if err != nil {
			_ = out.Close()
			return err
		}
	}
	return out.Close()
}

// single writes the only image.
func (w *saver) single(ctx context.Context, dest func() (types.ImageReference, error), mime string) error {
	if len(w.images) > 1 {
		return errdefs.Invalid("format %s takes one image: save several as docker-archive", w.opts.Format)
	}
	ref, err := dest()
	if err != nil {
		return err
	}
	sys := w.op.system(Access{})
	sys.DirForceCompress = w.opts.Compress
	return w.copy(ctx, w.images[0].id, ref, sys, mime)
}

func (w *saver) copy(ctx context.Context, id string, dest types.ImageReference, sys *types.SystemContext, mime string) error {
	src, err := istorage.Transport.NewStoreReference(w.op.st, nil, id)
	if err != nil {
		return err
	}
	return w.op.s.copyImage(ctx, dest, src, &copy.Options{
		ReportWriter: w.opts.Progress, SourceCtx: sys, DestinationCtx: sys, ForceManifestMIMEType: mime,
	})
}
