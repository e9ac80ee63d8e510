package image

import (
	"context"
	"errors"
	"fmt"
	"strings"

	digest "github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/pkg/shortnames"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/image/hello"
)

// Resolve returns the image that ref means: a name, an ID, an unambiguous beginning of an ID, or name@digest. A name without a
// registry is looked for as registries.conf's alias, then under localhost/, the registries of unqualified-search-registries and
// docker.io, then as the unique end of any image's name. Berth's own image hello is imported if no image has that name.
//
// It is cheap for an image that was resolved before and waits for nobody: see cache.go. ErrNotFound; ErrInvalidArgument if ref
// is not a reference or fits more than one image.
func (s *Store) Resolve(ctx context.Context, ref string) (*Image, error) {
	if img := s.cached(ref); img != nil {
		return img, nil
	}
	img, err := s.resolve(ref)
	if errors.Is(err, errdefs.ErrNotFound) && hello.Means(ref) && hello.Supports(s.arch()) {
		if err := s.importHello(ctx); err != nil {
			return nil, err
		}
		return s.resolve(hello.Name)
	}
	return img, err
}

// Inspect is Resolve, but imports nothing.
func (s *Store) Inspect(_ context.Context, ref string) (*Image, error) {
	if img := s.cached(ref); img != nil {
		return img, nil
	}
	return s.resolve(ref)
}

// resolve finds and reads the image, and remembers it for the next process.
func (s *Store) resolve(ref string) (*Image, error) {
	if !s.exists() {
		return nil, unknown(ref)
	}
	before := s.stamps()
	rec, st, err := s.lookup(ref)
	if err != nil {
		return nil, err
	}
	img, err := read(st, rec)
	if err != nil {
		return nil, err
	}
	s.remember(ref, img, before)
	return img, nil
}

// Exists reports whether ref means an image of the store; nothing is imported for it.
func (s *Store) Exists(_ context.Context, ref string) (bool, error) {
	if !s.exists() {
		return false, nil
	}
	_, _, err := s.lookup(ref)
	if errors.Is(err, errdefs.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func unknown(ref string) error { return errdefs.NotFound("no such image: %s", ref) }

// isFullID: 64 hexadecimal digits.
func isFullID(s string) bool { return len(s) == 64 && isHex(s) }

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

// lookup finds the record that ref means, by the rules of Resolve.
func (s *Store) lookup(ref string) (*storage.Image, storage.Store, error) {
	if ref == "" {
		return nil, nil, errdefs.Invalid("empty image reference")
	}
	st, err := s.storage()
	if err != nil {
		return nil, nil, err
	}
	rec, err := s.find(st, ref)
	if err != nil {
		return nil, nil, err
	}
	if !whole(rec) {
		return nil, nil, unknown(ref)
	}
	return rec, st, nil
}

func (s *Store) find(st storage.Store, ref string) (*storage.Image, error) {
	if id := strings.TrimPrefix(ref, "sha256:"); isFullID(id) {
		return byID(st, ref, id)
	}
	names, err := s.localNames(ref)
	if err != nil {
		// What is no name may still be the beginning of an ID, in capitals or with sha256: before it.
		if rec, idErr := byPrefix(st, ref); idErr == nil {
			return rec, nil
		}
		return nil, err
	}
	for _, name := range names {
		rec, err := byName(st, name)
		if err != nil || rec != nil {
			return rec, err
		}
	}
	rec, err := bySuffix(st, ref)
	if err != nil || rec != nil {
		return rec, err
	}
	if rec, err := byPrefix(st, ref); err == nil || !errors.Is(err, errdefs.ErrNotFound) {
		return rec, err
	}
	if hello.Means(ref) {
		if rec, err := byName(st, hello.Reference()); err != nil || rec != nil {
			return rec, err
		}
	}
	return nil, unknown(ref)
}

// byID finds the image with a full ID, or with a manifest of that digest.
func byID(st storage.Store, ref, id string) (*storage.Image, error) {
	rec, err := st.Image(id)
	if err == nil && rec.ID == id {
		return rec, nil
	}
	if err != nil && !errors.Is(err, storage.ErrImageUnknown) {
		return nil, storeError(err, "looking for image "+ref)
	}
	images, err := st.ImagesByDigest(digest.NewDigestFromEncoded(digest.SHA256, id))
	if err != nil && !errors.Is(err, storage.ErrImageUnknown) {
		return nil, storeError(err, "looking for image "+ref)
	}
	if len(images) == 0 {
		return nil, unknown(ref)
	}
	return images[0], nil
}

// byName finds the image with exactly this name, or of this repository with this digest; nil if there is none.
func byName(st storage.Store, name reference.Named) (*storage.Image, error) {
	digested, byDigest := name.(reference.Digested)
	if !byDigest {
		rec, err := st.Image(name.String())
		if errors.Is(err, storage.ErrImageUnknown) {
			return nil, nil
		}
		return rec, storeError(err, "looking for image "+name.String())
	}
	images, err := st.ImagesByDigest(digested.Digest())
	if err != nil && !errors.Is(err, storage.ErrImageUnknown) {
		return nil, storeError(err, "looking for image "+name.String())
	}
	for _, rec := range images {
		for _, n := range append(rec.NamesHistory, rec.Names...) {
			if named, err := reference.ParseNamed(n); err == nil && named.Name() == name.Name() {
				return rec, nil
			}
		}
	}
	return nil, nil
}

// bySuffix finds the only image whose name ends with a name that was given without its registry; nil if there is none.
func bySuffix(st storage.Store, ref string) (*storage.Image, error) {
	want, ok := suffix(ref)
	if !ok {
		return nil, nil
	}
	images, err := st.Images()
	if err != nil {
		return nil, storeError(err, "looking for image "+ref)
	}
	var found *storage.Image
	var names []string
	for i := range images {
		for _, n := range images[i].Names {
			if !strings.HasSuffix(n, want) || n == hello.Name {
				continue
			}
			names = append(names, n)
			if found != nil && found.ID != images[i].ID {
				return nil, errdefs.Invalid("image name %q is ambiguous: say which of %s", ref, strings.Join(names, ", "))
			}
			found = &images[i]
		}
	}
	return found, nil
}

// suffix is what the full name of an image ends with that ref, a name without registry, can mean.
func suffix(ref string) (string, bool) {
	if !shortnames.IsShortName(ref) || strings.Contains(ref, "@") {
		return "", false
	}
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", false
	}
	tagged, ok := reference.TagNameOnly(named).(reference.NamedTagged)
	if !ok {
		return "", false
	}
	return "/" + strings.TrimPrefix(reference.Path(tagged), "library/") + ":" + tagged.Tag(), true
}

// isSuffix reports whether ref can mean name by its end.
func isSuffix(ref, name string) bool {
	want, ok := suffix(ref)
	return ok && strings.HasSuffix(name, want)
}

// byPrefix finds the image whose ID begins with ref.
func byPrefix(st storage.Store, ref string) (*storage.Image, error) {
	prefix := strings.ToLower(strings.TrimPrefix(ref, "sha256:"))
	if prefix == "" || !isHex(prefix) {
		return nil, unknown(ref)
	}
	images, err := st.Images()
	if err != nil {
		return nil, storeError(err, "looking for image "+ref)
	}
	var found *storage.Image
	for i := range images {
		if !strings.HasPrefix(images[i].ID, prefix) {
			continue
		}
		if found != nil && found.ID != images[i].ID {
			return nil, errdefs.Invalid("image ID %q is ambiguous: give more of it", ref)
		}
		found = &images[i]
	}
	if found == nil {
		return nil, unknown(ref)
	}
	return found, nil
}

// localNames are the full names that ref can mean in the store, the first that exists wins.
func (s *Store) localNames(ref string) ([]reference.Named, error) {
	sys := s.systemContext(Access{}, "")
	if err := checkReference(ref); err != nil {
		return nil, err
	}
	names, err := shortnames.ResolveLocally(sys, ref)
	if err != nil {
		return nil, badRegistriesConf(err)
	}
	if shortnames.IsShortName(ref) {
		if hub, err := reference.ParseDockerRef(ref); err == nil {
			names = append(names, hub)
		}
	}
	for i := range names {
		names[i] = withoutTagIfDigested(names[i])
	}
	return names, nil
}

// NormalName is the full name that ref gives an image of the store: with registry, localhost when there is none, and tag.
// ErrInvalidArgument.
func NormalName(ref string) (string, error) {
	named, err := normalName(ref)
	if err != nil {
		return "", err
	}
	return named.String(), nil
}

func normalName(ref string) (reference.Named, error) {
	full := ref
	if shortnames.IsShortName(ref) {
		full = "localhost/" + ref
	}
	named, err := reference.ParseNormalizedNamed(full)
	if err != nil {
		return nil, badReference(ref, err)
	}
	return reference.TagNameOnly(named), nil
}

// badReference is the error for what is no reference. The parser's text says what is wrong.
func badReference(ref string, err error) error {
	return errdefs.Invalid("%q is not a valid image reference: %w", ref, err)
}

// checkReference is nil for what can be a reference.
func checkReference(ref string) error {
	if _, err := reference.ParseNormalizedNamed(ref); err != nil {
		return badReference(ref, err)
	}
	return nil
}

func badRegistriesConf(err error) error { return errdefs.Invalid("registries.conf: %w", err) }

// withoutTagIfDigested drops the tag of name:tag@digest: the digest says all.
func withoutTagIfDigested(n reference.Named) reference.Named {
	digested, ok := n.(reference.Digested)
	if !ok {
		return n
	}
	named, err := reference.WithDigest(reference.TrimNamed(n), digested.Digest())
	if err != nil {
		return n
	}
	return named
}

// remoteNames are the full names under which ref is looked for at registries, in order.
func remoteNames(sys *types.SystemContext, ref string) ([]reference.Named, error) {
	if err := checkReference(ref); err != nil {
		return nil, err
	}
	mode, err := sysregistriesv2.GetShortNameMode(sys)
	if err != nil {
		return nil, badRegistriesConf(err)
	}
	quiet := *sys
	disabled := types.ShortNameModeDisabled // a library asks no questions on the terminal
	quiet.ShortNameMode = &disabled
	resolved, err := shortnames.Resolve(&quiet, ref)
	if err != nil {
		return searchDockerHub(&quiet, ref, err)
	}
	var names []reference.Named
	for _, c := range resolved.PullCandidates {
		names = append(names, withoutTagIfDigested(reference.TagNameOnly(c.Value)))
	}
	if mode == types.ShortNameModeEnforcing && len(names) > 1 {
		return nil, errdefs.Invalid("image name %q is ambiguous: say which of %s (short-name-mode is enforcing in registries.conf)", ref, join(names))
	}
	return names, nil
}

// searchDockerHub is Docker's rule for a name without a registry, for a machine on which nothing says where to look; err is
// what containers/image says then.
func searchDockerHub(sys *types.SystemContext, ref string, err error) ([]reference.Named, error) {
	search, confErr := sysregistriesv2.UnqualifiedSearchRegistries(sys)
	if confErr != nil || len(search) > 0 {
		return nil, badRegistriesConf(err)
	}
	named, err := reference.ParseDockerRef(ref)
	if err != nil {
		return nil, badReference(ref, err)
	}
	return []reference.Named{named}, nil
}

func join(names []reference.Named) string {
	var s []string
	for _, n := range names {
		s = append(s, n.String())
	}
	return strings.Join(s, ", ")
}

// describe is for messages: the reference and what it was taken for, if that is more than ref with a tag.
func describe(ref string, named reference.Named) string {
	if strings.HasPrefix(named.String(), ref) {
		return named.String()
	}
	return fmt.Sprintf("%s (%s)", ref, named)
}
