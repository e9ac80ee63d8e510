package rootfs

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// ChangeKind is how a name differs from what is below.
type ChangeKind int

// The kinds. The numbers are Docker's, in the answer to GET /containers/{id}/changes.
const (
	Modified ChangeKind = iota
	Added
	Deleted
)

// String is the letter that people read: C, A or D.
func (k ChangeKind) String() string { return [...]string{"C", "A", "D"}[k] }

// Change is one name that differs. Path is absolute, in the container.
type Change struct {
	Kind ChangeKind
	Path string
}

// Diff is a layer and what it lies on.
type Diff struct {
	// Upper is the layer's directory, in overlay's on-disk format. If Whole, it is no layer but all of a root file system: what it lacks
	// of Lower is deleted.
	Upper string
	Whole bool
	// Lower are directories of the host, lowest first.
	Lower []string
	// Placed reports whether a name, such as /proc, is one that the engine and the OCI runtime may have made to mount something on. If it
	// is not in Lower, and nothing but such places is in it, it is no change of the container's.
	Placed func(path string) bool
}

// Diff is what the container has changed since the layer was made over lower.
func (l Layer) Diff(lower []string) Diff {
	if _, err := os.Stat(l.copy()); err == nil {
		return Diff{Upper: l.copy(), Whole: true, Lower: lower}
	}
	return Diff{Upper: l.upper(), Lower: lower}
}

// Changes lists what differs, by path. A directory in which something differs is Modified. Nothing is mounted and no link followed;
// what changes meanwhile may be missed. A layer that was never made has no changes.
func (d Diff) Changes(ctx context.Context) ([]Change, error) {
	kinds := map[string]ChangeKind{}
	err := d.walk(ctx, func(e diffEntry) error {
		if e.kind < 0 {
			return nil
		}
		name := "/" + e.name
		kinds[name] = e.kind
		for up := path.Dir(name); up != "/"; up = path.Dir(up) {
			if _, ok := kinds[up]; ok {
				break
			}
			kinds[up] = Modified
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	list := make([]Change, 0, len(kinds))
	for name, kind := range kinds {
		list = append(list, Change{kind, name})
	}
	slices.SortFunc(list, func(a, b Change) int {
		if a.Path < b.Path {
			return -1
		}
		return 1
	})
	return list, nil
}

// unchanged is the kind of what is in the upper directory and as it is below.
const unchanged ChangeKind = -1

// diffEntry is one name of the upper directory, or one that is deleted.
type diffEntry struct {
	name string
	kind ChangeKind
	node *node // nil if it is deleted
	// opaque: a directory that hides all that is in it below. implied: deleted by being in such a directory.
	opaque, implied bool
}

// differ walks the upper directory beside the lower ones.
type differ struct {
	Diff
	ctx   context.Context
	visit func(diffEntry) error
}

func (d Diff) walk(ctx context.Context, visit func(diffEntry) error) error {
	up, err := openDirNoFollow(d.Upper)
	if errors.Is(err, errdefs.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer up.Close()
	low, err := openStack(d.Lower)
	if err != nil {
		return err
	}
	defer low.close()
	return (&differ{Diff: d, ctx: ctx, visit: visit}).dir(up, low, "", 0)
}

func (d *differ) dir(up *os.File, low stack, rel string, depth int) error {
	if depth > maxCopyDepth {
		return errdefs.Invalid("%s: more than %d directories deep", rel, maxCopyDepth)
	}
	names, err := namesIn(up)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		if err := d.ctx.Err(); err != nil {
			return err
		}
		if err := d.entry(up, low, name, path.Join(rel, name), depth); err != nil {
			return err
		}
	}
	if hides := opaque(up); d.Whole || hides {
		return d.missing(names, low, rel, hides)
	}
	return nil
}

// missing visits what is below and not among the names.
func (d *differ) missing(names []string, low stack, rel string, implied bool) error {
	below, err := low.names()
	if err != nil {
		return err
	}
	for _, name := range below {
		if _, there := slices.BinarySearch(names, name); there {
			continue
		}
		n, err := low.lookup(name)
		if err != nil {
			return err
		}
		if n == nil {
			continue
		}
		n.file.Close()
		if err := d.visit(diffEntry{name: path.Join(rel, name), kind: Deleted, implied: implied}); err != nil {
			return err
		}
	}
	return nil
}

func (d *differ) entry(up *os.File, low stack, name, rel string, depth int) error {
	n, err := openNode(up, name)
	if n == nil || err != nil {
		return err
	}
	defer n.file.Close()
	below, err := low.lookup(name)
	if err != nil {
		return err
	}
	if below != nil {
		below.file.Close()
	}
	if whiteout(&n.st) {
		if below == nil {
			return nil
		}
		return d.visit(diffEntry{name: rel, kind: Deleted})
	}
	if below == nil && d.onlyPlaced(n, rel) {
		return nil
	}
	e := diffEntry{name: rel, kind: d.kind(n, below), node: n}
	if !n.isDir() {
		return d.visit(e)
	}
	return d.subdir(up, low, name, e, depth)
}

func (d *differ) subdir(up *os.File, low stack, name string, e diffEntry, depth int) error {
	fd, err := unix.Openat(int(up.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return nil // replaced meanwhile
	}
	if err != nil {
		return classed(err, "opening %s", e.name)
	}
	dir := os.NewFile(uintptr(fd), e.name)
	defer dir.Close()
	e.opaque = opaque(dir)
	if err := d.visit(e); err != nil {
		return err
	}
	sub, err := low.sub(name)
	if err != nil {
		return err
	}
	defer sub.close()
	return d.dir(dir, sub, e.name, depth+1)
}

// kind tells what is in the upper directory from what is below. That a file is there means that it was written to, but in a whole
// root file system, where sizes and times tell.
func (d *differ) kind(n, below *node) ChangeKind {
	switch {
	case below == nil:
		return Added
	case n.st.Mode != below.st.Mode || n.st.Uid != below.st.Uid || n.st.Gid != below.st.Gid:
		return Modified
	case n.isDir():
		return unchanged
	case d.Whole && n.st.Size == below.st.Size && n.st.Mtim == below.st.Mtim && n.st.Rdev == below.st.Rdev:
		return unchanged
	}
	return Modified
}

// onlyPlaced reports whether what is in the upper directory is but a place for a mount, or directories on the way to some.
func (d *differ) onlyPlaced(n *node, rel string) bool {
	if d.Placed == nil || !d.Placed("/"+rel) {
		return false
	}
	if !n.isDir() {
		return n.st.Mode&unix.S_IFMT == unix.S_IFREG && n.st.Size == 0
	}
	dir, err := os.Open(FDPath(n.file))
	if err != nil {
		return false
	}
	defer dir.Close()
	const few = 64 // more than are ever placed in one directory
	names, err := dir.Readdirnames(few)
	if err != nil && err != io.EOF || len(names) == few {
		return false
	}
	for _, name := range names {
		child, err := openNode(dir, name)
		if err != nil || child == nil {
			return false
		}
		placed := d.onlyPlaced(child, path.Join(rel, name))
		child.file.Close()
		if !placed {
			return false
		}
	}
	return true
}
