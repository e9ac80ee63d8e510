package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/signature"
	istorage "go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage"

	"github.com/berth-engine/berth/errdefs"
)

// fetch is one image on its way into the store.
type fetch struct {
	ref  types.ImageReference
	sys  *types.SystemContext
	name reference.Named // in the store; nil for an image without a name
	// want is the platform to choose from a list, and to insist on when strict.
	want   Platform
	strict bool
	// progress gets bars if it is a terminal, else lines; nil for neither.
	progress io.Writer
}

// fetch copies the image into the store and returns its ID. Errors have no class yet, except for what is said to be of another
// platform or no image.
func (op *operation) fetch(ctx context.Context, f fetch) (string, error) {
	id, err := op.fetchOnce(ctx, f)
	if errors.Is(err, storage.ErrLayerUnknown) {
		// A layer that was there when the copy began has been removed since, with the last image that stood on it.
		id, err = op.fetchOnce(ctx, f)
	}
	return id, err
}

func (op *operation) fetchOnce(ctx context.Context, f fetch) (string, error) {
	f.sys.OSChoice, f.sys.ArchitectureChoice, f.sys.VariantChoice = f.want.OS, f.want.Arch, f.want.Variant
	src, err := f.ref.NewImageSource(ctx, f.sys)
	if err != nil {
		return "", err
	}
	opened := &openedReference{ImageReference: f.ref, source: src}
	defer opened.close()
	id, err := f.examine(ctx, src)
	if err != nil {
		return "", err
	}
	storeID := ""
	if f.name == nil {
		storeID = id
	}
	dest, err := istorage.Transport.NewStoreReference(guarded{op.st, op.limits}, f.name, storeID)
	if err != nil {
		return "", err
	}
	var made types.ImageReference
	err = op.s.copyImage(ctx, dest, opened, &copy.Options{
		ReportWriter: f.progress, SourceCtx: f.sys, DestinationCtx: f.sys, ReportResolvedReference: &made,
	})
	if err != nil {
		return "", err
	}
	op.s.forget()
	if made != nil {
		if _, rec, err := istorage.ResolveReference(made); err == nil {
			return rec.ID, nil
		}
	}
	return id, nil
}

// examine reads manifest and configuration and returns the ID that the image will have.
func (f fetch) examine(ctx context.Context, src types.ImageSource) (string, error) {
	unparsed := image.UnparsedInstance(src, nil)
	raw, mime, err := unparsed.Manifest(ctx)
	if err != nil {
		return "", err
	}
	if manifest.MIMETypeIsMultiImage(mime) {
		list, err := manifest.ListFromBlob(raw, mime)
		if err != nil {
			return "", err
		}
		instance, err := list.ChooseInstance(f.sys)
		if err != nil {
			return "", f.noInstance(list, err)
		}
		unparsed = image.UnparsedInstance(src, &instance)
	}
	img, err := image.FromUnparsedImage(ctx, f.sys, unparsed)
	if err != nil {
		return "", err
	}
	config, err := img.OCIConfig(ctx)
	if err != nil {
		return "", fmt.Errorf("reading the image's configuration: %w", err)
	}
	has := Platform{config.OS, config.Architecture, config.Variant}
	if f.strict && !has.Fits(f.want) {
		return "", wrongPlatform(f.display(), has, f.want)
	}
	return img.ConfigInfo().Digest.Encoded(), nil
}

// noInstance says which platforms the list has instead.
func (f fetch) noInstance(list manifest.List, err error) error {
	var has []string
	for _, d := range list.Instances() {
		one, err := list.Instance(d)
		if err != nil || one.ReadOnly.Platform == nil || one.ReadOnly.Platform.OS == "unknown" {
			continue
		}
		p := one.ReadOnly.Platform
		has = append(has, Platform{p.OS, p.Architecture, p.Variant}.String())
	}
	slices.Sort(has)
	return errdefs.NotFound("image %s is not made for %s, only for %s: choose one of these with --platform, or another image: %w",
		f.display(), f.want, strings.Join(slices.Compact(has), ", "), err)
}

func (f fetch) display() string {
	if f.name != nil {
		return f.name.String()
	}
	return f.ref.StringWithinTransport()
}

// copyImage copies under the signature policy.
func (s *Store) copyImage(ctx context.Context, dest, src types.ImageReference, opts *copy.Options) error {
	policy, err := s.policy(opts.SourceCtx)
	if err != nil {
		return err
	}
	defer policy.Destroy() //nolint:errcheck // it only releases memory
	_, err = copy.Image(ctx, policy, dest, src, opts)
	return err
}

// policy is policy.json's, which applies wherever it exists; without one, everything is accepted.
func (s *Store) policy(sys *types.SystemContext) (*signature.PolicyContext, error) {
	p, err := signature.DefaultPolicy(sys)
	if errors.Is(err, fs.ErrNotExist) && sys.SignaturePolicyPath == "" {
		p, err = &signature.Policy{Default: signature.PolicyRequirements{signature.NewPRInsecureAcceptAnything()}}, nil
	}
	if err != nil {
		return nil, errdefs.Invalid("reading the signature policy: %w", err)
	}
	return signature.NewPolicyContext(p)
}

// openedReference gives out a source that is open already, so that looking at an image before it is copied does not connect
// to its registry twice.
type openedReference struct {
	types.ImageReference
	source types.ImageSource
}

// NewImageSource gives the source away, once.
func (r *openedReference) NewImageSource(ctx context.Context, sys *types.SystemContext) (types.ImageSource, error) {
	if src := r.source; src != nil {
		r.source = nil
		return src, nil
	}
	return r.ImageReference.NewImageSource(ctx, sys)
}

func (r *openedReference) close() {
	if r.source != nil {
		_ = r.source.Close()
	}
}
