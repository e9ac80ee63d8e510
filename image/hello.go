package image

import (
	"context"
	"path/filepath"

	"go.podman.io/image/v5/oci/layout"

	"github.com/berth-engine/berth/image/hello"
)

// importHello makes Berth's own image and puts it into the store.
func (s *Store) importHello(ctx context.Context) error {
	op, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer op.end()
	const doing = "making the image hello"
	dir := filepath.Join(op.tmpPlain, "hello")
	if err := hello.Write(dir, s.arch()); err != nil {
		return fileError(err, doing)
	}
	ref, err := layout.NewIndexReference(dir, 0)
	if err != nil {
		return contentError(err, doing)
	}
	_, err = op.fetch(ctx, fetch{ref: ref, sys: op.system(Access{}), name: hello.Reference(), want: s.Host(), strict: true})
	return contentError(err, doing)
}
