package rootfs

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"time"
)

// LayerOptions say whose IDs an archive of layers has: the container's, whose maps these are. Only the highest layer of a container
// has owners of the host.
type LayerOptions struct {
	UIDMap, GIDMap []IDMap
}

// Pack writes the layer as a tar archive to w, as images have it: with whiteouts for what is deleted (OCI image specification,
// layer.md). Nothing is mounted and no link followed.
func (d Diff) Pack(ctx context.Context, w io.Writer, o LayerOptions) error {
	p := packer{ctx: ctx, tw: tar.NewWriter(w), uidMap: o.UIDMap, gidMap: o.GIDMap, seconds: true}
	err := d.walk(ctx, func(e diffEntry) error {
		switch {
		case e.kind == Deleted && e.implied:
			return nil
		case e.kind == Deleted:
			return p.whiteout(path.Join(path.Dir(e.name), ".wh."+path.Base(e.name)))
		case d.Whole && e.kind == unchanged && !e.node.isDir():
			return nil
		}
		if err := p.entry(e.name, e.node); err != nil || !e.opaque {
			return err
		}
		return p.whiteout(path.Join(e.name, ".wh..wh..opq"))
	})
	if err != nil {
		return err
	}
	return archiveError(p.tw.Close(), "ending the archive")
}

func (p *packer) whiteout(name string) error {
	return p.header(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatPAX})
}

// PackAll writes all that a container sees of its layers, which are lowest first, the last one the writable one, as a tar archive to
// w. Nothing is mounted and no link followed.
func PackAll(ctx context.Context, w io.Writer, layers []string, o LayerOptions) error {
	s, err := openStack(layers)
	if err != nil {
		return err
	}
	defer s.close()
	p := packer{ctx: ctx, tw: tar.NewWriter(w), seconds: true}
	err = walkStack(ctx, s, "", 0, func(name string, n *node) error {
		p.uidMap, p.gidMap = nil, nil
		if n.level == 0 || len(s) == 1 {
			p.uidMap, p.gidMap = o.UIDMap, o.GIDMap
		}
		return p.entry(name, n)
	})
	if err != nil {
		return err
	}
	return archiveError(p.tw.Close(), "ending the archive")
}

// Layers are the directories that PackAll takes for the layer over lower.
func (l Layer) Layers(lower []string) []string {
	d := l.Diff(lower)
	if d.Whole {
		return []string{d.Upper}
	}
	if _, err := os.Lstat(d.Upper); errors.Is(err, os.ErrNotExist) {
		return lower // never started
	}
	return append(lower[:len(lower):len(lower)], d.Upper)
}
