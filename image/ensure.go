package image

import (
	"context"
	"io"
)

// EnsureOptions say how Ensure comes by an image.
type EnsureOptions struct {
	Access
	// Policy is a PullPolicy.
	Policy string
	// Platform is os/arch[/variant]; empty for this machine's.
	Platform string
	Progress io.Writer
	// Pulled, if not nil, is told of an image that came from elsewhere.
	Pulled func(ctx context.Context, id, ref string)
}

// Ensure returns the image that ref means, pulling it as the policy says: what a container is made from. It is as cheap as
// Resolve for an image that is there. Errors are those of Resolve and Pull; ErrInvalidArgument for one of another platform
// than was asked for.
func (s *Store) Ensure(ctx context.Context, ref string, o EnsureOptions) (*Image, error) {
	want, explicit, err := s.want(o.Platform)
	if err != nil {
		return nil, err
	}
	p := pull{s: s, ref: ref, want: want, explicit: explicit, opts: PullOptions{
		Access: o.Access, Policy: PullPolicy(o.Policy), Platform: o.Platform, Progress: o.Progress,
	}}
	img, done, err := p.present(ctx)
	if err == nil && !done {
		if img, err = s.ensureRemote(ctx, p); err == nil && o.Pulled != nil {
			o.Pulled(ctx, img.ID, ref)
		}
	}
	if err != nil {
		return nil, err
	}
	return img, img.Check(want)
}

func (s *Store) ensureRemote(ctx context.Context, p pull) (*Image, error) {
	if transport, _ := splitTransport(p.ref); transport == "" || transport == "docker" {
		_, p.ref = splitTransport(p.ref)
		id, err := p.remote(ctx)
		if err != nil {
			return nil, err
		}
		return s.resolve(id)
	}
	ids, err := s.Pull(ctx, p.ref, p.opts)
	if err != nil {
		return nil, err
	}
	return s.resolve(ids[0])
}
