package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"

	"github.com/berth-engine/berth/errdefs"
)

// PullPolicy says when Pull asks the registry.
type PullPolicy string

// The policies. The zero value is PullMissing.
const (
	// PullMissing takes the store's image if there is one (for the platform asked for).
	PullMissing PullPolicy = "missing"
	// PullAlways takes the registry's.
	PullAlways PullPolicy = "always"
	// PullNever takes the store's only.
	PullNever PullPolicy = "never"
	// PullNewer takes the registry's if it differs from the store's, and the store's if the registry cannot say.
	PullNewer PullPolicy = "newer"
)

// PullOptions say how an image is pulled.
type PullOptions struct {
	Access
	Policy PullPolicy
	// Platform is os/arch[/variant]; empty for this machine's.
	Platform string
	// AllTags pulls every tag of the repository.
	AllTags bool
	// Progress gets the progress: bars if it is a terminal (*os.File), else lines. Nil for none.
	Progress io.Writer
}

// Pull makes sure that the image is in the store and returns its ID, or those of all tags. ref is a name, or one with a
// transport: docker://NAME, docker-archive:FILE[:NAME], oci-archive:FILE, oci:DIR, dir:DIR (containers-transports(5)).
//
// ErrNotFound: no such image, or none for the platform; ErrInvalidArgument: not a reference, an image of another platform, or
// content that does not fit its digest; ErrPermissionDenied: credentials or signatures; ErrUnavailable: the registry cannot be
// reached, or the disk is full. After an error the store is what it was.
func (s *Store) Pull(ctx context.Context, ref string, opts PullOptions) ([]string, error) {
	want, strict, err := s.want(opts.Platform)
	if err != nil {
		return nil, err
	}
	transport, rest := splitTransport(ref)
	if transport != "" && transport != "docker" {
		loaded, err := s.load(ctx, source{transport: transport, path: rest, want: want, strict: strict, progress: opts.Progress})
		return loadedIDs(loaded), err
	}
	p := pull{s: s, ref: rest, opts: opts, want: want, explicit: strict}
	if opts.AllTags {
		return p.allTags(ctx)
	}
	img, done, err := p.present(ctx)
	if err != nil {
		return nil, err
	}
	if done {
		return []string{img.ID}, nil
	}
	id, err := p.remote(ctx)
	if err != nil {
		return nil, err
	}
	return []string{id}, nil
}

// want is the platform asked for, and whether it was.
func (s *Store) want(platform string) (Platform, bool, error) {
	if platform == "" {
		return s.Host(), false, nil
	}
	p, err := ParsePlatform(platform)
	return p, true, err
}

// splitTransport splits transport:rest. A reference without one is left whole: host:port/name is not a transport.
func splitTransport(ref string) (transport, rest string) {
	if rest, ok := strings.CutPrefix(ref, "docker://"); ok {
		return "docker", rest
	}
	for _, t := range []string{"docker-archive", "oci-archive", "oci", "dir"} {
		if rest, ok := strings.CutPrefix(ref, t+":"); ok && rest != "" && looksLikePath(t, rest) {
			return t, rest
		}
	}
	return "", ref
}

// looksLikePath keeps "oci:1.0" and "dir:latest", images with a tag, from being taken for directories.
func looksLikePath(transport, rest string) bool {
	return strings.Contains(transport, "-") || strings.Contains(rest, "/") || strings.HasPrefix(rest, ".") || isDir(rest)
}

// pull is one call of Pull from registries.
type pull struct {
	s        *Store
	ref      string
	opts     PullOptions
	want     Platform
	explicit bool
}

// present applies the policy to what the store has. done is false if the registry must be asked.
func (p *pull) present(ctx context.Context) (img *Image, done bool, err error) {
	policy := p.opts.Policy
	switch policy {
	case "", PullMissing, PullNever, PullNewer:
	case PullAlways:
		return nil, false, nil
	default:
		return nil, true, errdefs.Invalid("unknown pull policy %q: choose always, missing, never or newer", policy)
	}
	img, err = p.s.Resolve(ctx, p.ref)
	if err == nil && p.explicit && !img.Platform().Fits(p.want) {
		err = errdefs.NotFound("no such image for %s: %s", p.want, p.ref)
	}
	switch {
	case errors.Is(err, errdefs.ErrNotFound) && policy == PullNever:
		return nil, true, errdefs.NotFound("%w, and the pull policy is never", err)
	case errors.Is(err, errdefs.ErrNotFound):
		return nil, false, nil
	case err != nil:
		return nil, true, err
	}
	return img, policy != PullNewer || !p.differs(ctx, img), nil
}

// differs reports whether the registry has something else under the name. When it cannot say, it has not.
func (p *pull) differs(ctx context.Context, img *Image) bool {
	sys := p.s.systemContext(p.opts.Access, "")
	rec, _, err := p.s.lookup(img.ID)
	if err != nil {
		return false
	}
	names, err := remoteNames(sys, p.ref)
	if err != nil {
		return false
	}
	for _, name := range names {
		if !slices.Contains(img.Names, name.String()) {
			continue
		}
		ref, err := docker.NewReference(name)
		if err != nil {
			return false
		}
		remote, err := docker.GetDigest(ctx, sys, ref)
		return err == nil && !slices.Contains(rec.Digests, remote)
	}
	return false
}

// remote pulls from the first registry that has the image.
func (p *pull) remote(ctx context.Context) (string, error) {
	op, err := p.s.begin(ctx)
	if err != nil {
		return "", err
	}
	defer op.end()
	names, err := remoteNames(op.system(p.opts.Access), p.ref)
	if err != nil {
		return "", err
	}
	var failed []error
	for _, name := range names {
		id, err := p.from(ctx, op, name)
		if err == nil {
			return id, nil
		}
		failed = append(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	return "", firstReason(p.ref, failed)
}

// firstReason makes one error of those of several registries: not having an image weighs less than anything else.
func firstReason(ref string, failed []error) error {
	if len(failed) == 1 {
		return failed[0]
	}
	class := errdefs.ErrNotFound
	var texts []string
	for _, err := range failed {
		texts = append(texts, err.Error())
		if c := errdefs.Class(err); errors.Is(class, errdefs.ErrNotFound) {
			class = c
		}
	}
	return errdefs.With(class, fmt.Errorf("no registry gave image %s: %s%.0w", ref, strings.Join(texts, "; "), errors.Join(failed...)))
}

// from pulls one full name.
func (p *pull) from(ctx context.Context, op *operation, name reference.Named) (string, error) {
	ref, err := docker.NewReference(name)
	if err != nil {
		return "", badReference(p.ref, err)
	}
	if p.opts.Progress != nil {
		fmt.Fprintf(p.opts.Progress, "Pulling %s\n", name)
	}
	id, err := op.fetch(ctx, fetch{
		ref: ref, sys: op.system(p.opts.Access), name: name, want: p.want, strict: true, progress: p.opts.Progress,
	})
	return id, registryError(err, "pulling "+describe(p.ref, name), reference.Domain(name))
}

// allTags pulls every tag of the repository.
func (p *pull) allTags(ctx context.Context) ([]string, error) {
	op, err := p.s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer op.end()
	sys := op.system(p.opts.Access)
	names, err := remoteNames(sys, p.ref)
	if err != nil {
		return nil, err
	}
	if last := p.ref[strings.LastIndexByte(p.ref, '/')+1:]; strings.ContainsAny(last, ":@") {
		return nil, errdefs.Invalid("%s has a tag or digest: give the repository alone to pull all tags", p.ref)
	}
	ref, err := docker.NewReference(names[0])
	if err != nil {
		return nil, badReference(p.ref, err)
	}
	tags, err := docker.GetRepositoryTags(ctx, sys, ref)
	if err != nil {
		return nil, registryError(err, "listing the tags of "+p.ref, reference.Domain(names[0]))
	}
	var ids []string
	for _, tag := range tags {
		tagged, err := reference.WithTag(reference.TrimNamed(names[0]), tag)
		if err != nil {
			return ids, badReference(p.ref+":"+tag, err)
		}
		id, err := p.from(ctx, op, tagged)
		if err != nil {
			return ids, err
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
