package image

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"

	"go.podman.io/storage"
	"go.podman.io/storage/pkg/archive"
	"golang.org/x/sys/unix"
)

// guarded is a store of containers/storage that unpacks layers within limits: a header gets to containers/storage, which reads sparse
// files as long as they say they are, only after the tally has allowed it. So a layer that would fill the disk is refused before its
// first byte too many is written, and what was unpacked of it goes as after any other failure.
type guarded struct {
	storage.Store
	limits limits
}

// PutLayer unpacks a layer. containers/storage is given it decompressed, and so does not do that a second time.
func (g guarded) PutLayer(id, parent string, names []string, mountLabel string, writeable bool, o *storage.LayerOptions, diff io.Reader) (*storage.Layer, int64, error) {
	if diff == nil {
		return g.Store.PutLayer(id, parent, names, mountLabel, writeable, o, nil)
	}
	plain, err := archive.DecompressStream(diff)
	if err != nil {
		return nil, -1, err
	}
	defer plain.Close()
	r, w := io.Pipe()
	refused := make(chan error, 1)
	go func() {
		err := pass(w, plain, g.tally())
		refused <- err
		w.CloseWithError(err)
	}()
	layer, size, err := g.Store.PutLayer(id, parent, names, mountLabel, writeable, decompressed(o, diff), r)
	r.Close()
	if why := <-refused; err != nil && why != nil && !errors.Is(why, io.ErrClosedPipe) {
		err = why // of which err is but the consequence
	}
	return layer, size, err
}

// tally is a new one that knows what the disk has left.
func (g guarded) tally() *tally {
	t := newTally(g.limits)
	if dir, err := os.Open(filepath.Join(g.GraphRoot(), g.GraphDriverName())); err == nil {
		t.lookAt(int(dir.Fd()))
		dir.Close()
	}
	return t
}

// decompressed says what the layer is that is given decompressed: what containers/storage cannot see any more.
func decompressed(o *storage.LayerOptions, diff io.Reader) *storage.LayerOptions {
	if o == nil {
		return nil
	}
	d := *o
	if d.UncompressedDigest == "" {
		d.OriginalDigest, d.OriginalSize = "", nil // both are computed of what it gets
	}
	if f, ok := diff.(*os.File); ok && d.OriginalDigest != "" && d.OriginalSize == nil {
		var st unix.Stat_t
		if unix.Fstat(int(f.Fd()), &st) == nil {
			d.OriginalSize = &st.Size
		}
	}
	return &d
}

// pass copies a tar archive, each header not before it has been counted.
func pass(to io.Writer, from io.Reader, t *tally) error {
	h := &holder{from: from, to: to}
	tr := tar.NewReader(h)
	for {
		header, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := t.add(header); err != nil {
			return err
		}
	}
	if err := h.flush(); err != nil {
		return err
	}
	// By Read alone: pgzip's WriteTo does not go on where Read has stopped, and panics.
	_, err := io.Copy(to, struct{ io.Reader }{from})
	return err
}

// holder reads, and passes on what it has read when more is asked for.
type holder struct {
	from io.Reader
	to   io.Writer
	held []byte
}

func (h *holder) Read(p []byte) (int, error) {
	if err := h.flush(); err != nil {
		return 0, err
	}
	n, err := h.from.Read(p)
	h.held = append(h.held[:0], p[:n]...)
	return n, err
}

func (h *holder) flush() error {
	if len(h.held) == 0 {
		return nil
	}
	_, err := h.to.Write(h.held)
	h.held = h.held[:0]
	return err
}
