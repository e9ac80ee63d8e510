package image

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/directory"
	"go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/types"

	"github.com/berth-engine/berth/errdefs"
)

// LoadOptions say what is loaded.
type LoadOptions struct {
	// Path is a docker-archive or oci-archive, compressed or not, or a directory of the formats oci and dir. Input is an archive
	// instead, when Path is empty.
	Path  string
	Input io.Reader
	// Platform chooses from an image for several; empty for this machine's.
	Platform string
	// Progress gets bars if it is a terminal, else lines; nil for neither.
	Progress io.Writer
}

// Loaded is one image of an archive.
type Loaded struct {
	ID string
	// Names that the archive gives it; may be empty.
	Names []string
}

// Load puts all images of an archive into the store, with their names. ErrInvalidArgument if it is no image archive, is
// truncated, or its content does not fit its digests; ErrNotFound if it does not exist. After an error no image of it is there
// that was not before.
func (s *Store) Load(ctx context.Context, opts LoadOptions) ([]Loaded, error) {
	want, strict, err := s.want(opts.Platform)
	if err != nil {
		return nil, err
	}
	return s.load(ctx, source{path: opts.Path, input: opts.Input, want: want, strict: strict, progress: opts.Progress})
}

func loadedIDs(loaded []Loaded) []string {
	var ids []string
	for _, l := range loaded {
		if !slices.Contains(ids, l.ID) {
			ids = append(ids, l.ID)
		}
	}
	return ids
}

// source is where images are loaded from. transport is that of containers-transports(5); empty to find out.
type source struct {
	transport string
	path      string
	// only, if not empty, is the one name that is taken.
	only     string
	input    io.Reader
	want     Platform
	strict   bool
	progress io.Writer
}

func (src source) display() string {
	if src.path == "" {
		return "the standard input"
	}
	return src.path
}

// entry is one image of a source: where it is and what it is called.
type entry struct {
	ref   types.ImageReference
	names []reference.Named
}

func (s *Store) load(ctx context.Context, src source) ([]Loaded, error) {
	op, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer op.end()
	doing := "loading " + src.display()
	src.path, src.only = splitPath(src.transport, src.path)
	if src.transport, err = op.prepare(&src); err != nil {
		return nil, contentError(err, doing)
	}
	entries, done, err := op.entries(src)
	if err != nil {
		return nil, contentError(err, doing)
	}
	defer done()
	if entries = chosen(entries, src.only); len(entries) == 0 {
		if src.only != "" {
			return nil, errdefs.NotFound("%s: there is no image named %s in it", doing, src.only)
		}
		return nil, errdefs.Invalid("%s: there is no image in it", doing)
	}
	loaded, err := op.loadAll(ctx, src, entries)
	return loaded, contentError(err, doing)
}

// splitPath splits PATH:NAME, as a reference with a transport may be. A path that exists is taken whole.
func splitPath(transport, path string) (string, string) {
	if _, err := os.Lstat(path); transport == "" || transport == "dir" || err == nil {
		return path, ""
	}
	before, name, _ := strings.Cut(path, ":")
	return before, name
}

// chosen are the entries of that name, under it alone; all of them if it is empty.
func chosen(entries []entry, only string) []entry {
	if only == "" {
		return entries
	}
	var found []entry
	for _, e := range entries {
		for _, n := range e.names {
			if means(only, n) {
				found = append(found, entry{ref: e.ref, names: []reference.Named{n}})
				break
			}
		}
	}
	return found
}

// means reports whether a name in an archive is what was written, by Docker's rules for short names or by ours.
func means(written string, name reference.Named) bool {
	if hub, err := reference.ParseDockerRef(written); err == nil && hub.String() == name.String() {
		return true
	}
	local, err := normalName(written)
	return err == nil && local.String() == name.String()
}

// loadAll fetches the entries; if one fails, those that were not there before go again.
func (op *operation) loadAll(ctx context.Context, src source, entries []entry) (_ []Loaded, err error) {
	var loaded []Loaded
	var made []string
	defer func() {
		if err != nil {
			for _, id := range made {
				_, _ = op.st.DeleteImage(id, true)
			}
		}
	}()
	known, err := op.ids()
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		f := fetch{ref: e.ref, sys: op.system(Access{}), want: src.want, strict: src.strict, progress: src.progress}
		if len(e.names) > 0 {
			f.name = e.names[0]
		}
		id, err := op.fetch(ctx, f)
		if err != nil {
			return nil, err
		}
		if !known[id] {
			made = append(made, id)
		}
		l := Loaded{ID: id}
		for _, n := range e.names {
			l.Names = append(l.Names, n.String())
		}
		if len(l.Names) > 1 {
			if err := op.st.AddNames(id, l.Names); err != nil {
				return nil, err
			}
		}
		loaded = append(loaded, l)
	}
	op.s.forget()
	return loaded, nil
}

func (op *operation) ids() (map[string]bool, error) {
	images, err := op.st.Images()
	if err != nil {
		return nil, err
	}
	ids := make(map[string]bool, len(images))
	for i := range images {
		ids[images[i].ID] = true
	}
	return ids, nil
}

// entries lists the images of a prepared source. done releases what they need to be read.
func (op *operation) entries(src source) (_ []entry, done func(), err error) {
	done = func() {}
	var all []entry
	switch src.transport {
	case "docker-archive":
		return op.dockerEntries(src.path)
	case "oci":
		all, err = ociEntries(src.path)
	case "dir":
		var ref types.ImageReference
		if ref, err = directory.NewReference(src.path); err == nil {
			all = []entry{{ref: ref, names: pathName(src.path)}}
		}
	}
	return all, done, err
}

// pathName is the name for an image whose source has none but its path: localhost/ and the last element.
func pathName(path string) []reference.Named {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil
	}
	named, err := normalName("localhost/" + strings.ToLower(filepath.Base(abs)))
	if err != nil {
		return nil
	}
	return []reference.Named{named}
}

func (op *operation) dockerEntries(path string) ([]entry, func(), error) {
	r, err := archive.NewReader(op.system(Access{}), path)
	if err != nil {
		return nil, nil, err
	}
	done := func() { _ = r.Close() }
	groups, err := r.List()
	if err != nil {
		done()
		return nil, nil, err
	}
	var all []entry
	for _, refs := range groups {
		e := entry{ref: refs[0]}
		for _, ref := range refs {
			if named := ref.DockerReference(); named != nil {
				e.names = append(e.names, named)
			}
		}
		all = append(all, e)
	}
	return all, done, nil
}

func ociEntries(dir string) ([]entry, error) {
	list, err := layout.List(dir)
	if err != nil {
		return nil, err
	}
	var all []entry
	at := map[string]int{}
	for i, item := range list {
		ref, err := layout.NewIndexReference(dir, i)
		if err != nil {
			return nil, err
		}
		d := item.ManifestDescriptor
		if j, ok := at[d.Digest.String()]; ok {
			all[j].names = append(all[j].names, annotatedName(d)...)
			continue
		}
		at[d.Digest.String()] = len(all)
		all = append(all, entry{ref: ref, names: annotatedName(d)})
	}
	return all, nil
}

// annotatedName is the name that an index gives a manifest: containerd's annotation, which is always full, else the image
// specification's, which people fill with full names, short names and bare tags.
func annotatedName(d v1.Descriptor) []reference.Named {
	for _, key := range []string{"io.containerd.image.name", v1.AnnotationRefName} {
		if name := d.Annotations[key]; name != "" {
			if named, err := normalName(name); err == nil {
				return []reference.Named{named}
			}
		}
	}
	return nil
}

func isDir(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.IsDir()
}
