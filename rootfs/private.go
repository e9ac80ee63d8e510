package rootfs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// OpenDetached mounts the layer over o.Lower and opens it as a root that is attached nowhere: nobody else sees it, and it ends with the
// descriptor, however this process ends. o.Target is not used. The layer must not be mounted elsewhere meanwhile.
func (l Layer) OpenDetached(ctx context.Context, o MountOptions) (*Root, error) {
	if err := l.Create(); err != nil {
		return nil, err
	}
	// What is mounted here is in a mount namespace of its own.
	o.Target = filepath.Join(l.Dir, "view")
	defer os.Remove(o.Target)
	return inPrivateNamespace(func() (int, error) {
		if err := l.mountHere(ctx, o); err != nil {
			return -1, err
		}
		return cloneTree(o.Target, unix.AT_RECURSIVE, nil, nil)
	})
}

// mountHere is Mount in the calling thread's own mount namespace. It may leave the thread in another one, where the target is mounted.
func (l Layer) mountHere(ctx context.Context, o MountOptions) error {
	if len(o.UIDMap) == 0 && len(o.GIDMap) == 0 {
		return l.mount(ctx, o, func(ov overlay) error { return ov.mountHere(o.Target) })
	}
	return l.mount(ctx, o, func(ov overlay) error {
		if !kernelAtLeast(5, 19) {
			return errNoMaps(errors.New("this kernel is older"))
		}
		userns, err := userNamespace(o.UIDMap, o.GIDMap)
		if err != nil {
			return err
		}
		defer userns.Close()
		fd, err := ov.mappedTree(o.Target, userns)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return moveMount(fd, o.Target, 0, o.ReadOnly)
	})
}

// mountHere is mount without maps, by the calling thread.
func (o overlay) mountHere(target string) error {
	if o.useOld() {
		return o.mountOld(target)
	}
	fd, err := o.fsmount()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return moveMount(fd, target, 0, o.readOnly)
}

// OpenBound opens a directory of the host, with what is mounted below it, as a root that is attached nowhere.
func OpenBound(dir string) (*Root, error) {
	return inPrivateNamespace(func() (int, error) { return cloneTree(dir, unix.AT_RECURSIVE, nil, nil) })
}

// Placement is what is mounted in a root.
type Placement struct {
	// Source is a directory or a file, open with O_PATH.
	Source *os.File
	// Destination is a name in the root; what is missing there is made.
	Destination    string
	ReadOnly       bool
	UIDMap, GIDMap []IDMap
}

// With is the root with these mounted in it, in this order, again attached nowhere, and itself read-only if that is asked for. at is any
// directory of the host, of which nothing is changed. The root must be one of OpenDetached or OpenBound; it is used up, and to be closed.
func (r *Root) With(placements []Placement, readOnly bool, at string) (*Root, error) {
	// What belongs to this mount namespace can be cloned only in it.
	var trees []int
	defer func() {
		for _, fd := range trees {
			unix.Close(fd)
		}
	}()
	for _, p := range placements {
		fd, err := p.tree()
		if err != nil {
			return nil, err
		}
		trees = append(trees, fd)
	}
	return inPrivateNamespace(func() (int, error) {
		if err := moveMount(int(r.dir.Fd()), at, unix.AT_RECURSIVE, false); err != nil {
			return -1, err
		}
		whole, err := OpenRoot(at)
		if err != nil {
			return -1, err
		}
		defer whole.Close()
		for i, p := range placements {
			if err := whole.place(p, trees[i]); err != nil {
				return -1, err
			}
		}
		if readOnly {
			attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
			if err := unix.MountSetattr(unix.AT_FDCWD, at, 0, &attr); err != nil {
				return -1, classed(err, "making a root file system read-only")
			}
		}
		return cloneTree(at, unix.AT_RECURSIVE, nil, nil)
	})
}

// tree is a detached mount of the source.
func (p Placement) tree() (int, error) {
	fd, err := cloneTree(FDPath(p.Source), unix.AT_RECURSIVE, p.UIDMap, p.GIDMap)
	if err != nil || !p.ReadOnly {
		return fd, err
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
		unix.Close(fd)
		return -1, classed(err, "making %s read-only", p.Destination)
	}
	return fd, nil
}

// place attaches a tree in a root that is attached in the thread's mount namespace.
func (r *Root) place(p Placement, tree int) error {
	fi, err := p.Source.Stat()
	if err != nil {
		return classed(err, "looking at %s", p.Source.Name())
	}
	point, err := r.MountPoint(p.Destination, fi.IsDir())
	if err != nil {
		return err
	}
	defer point.Close()
	err = unix.MoveMount(tree, "", int(point.Fd()), "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
	return classed(err, "mounting at %s in the container", p.Destination)
}

// inPrivateNamespace runs open on a thread with a mount namespace of its own, of which nothing is left but the tree that it returns.
func inPrivateNamespace(open func() (int, error)) (*Root, error) {
	fd := -1
	err := onThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return classed(err, "making a mount namespace")
		}
		if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
			return classed(err, "making a mount namespace private")
		}
		fd, err = open()
		return err
	})
	if err != nil {
		return nil, err
	}
	return &Root{dir: os.NewFile(uintptr(fd), "/"), path: "/"}, nil
}

// Follow is the name that a name leads to when its last link, and the links that that one leads to, are followed inside the root: a name
// that is no link, and perhaps nothing yet.
func (r *Root) Follow(name string) (string, error) {
	for links := maxLinks; ; links-- {
		st, err := r.Lstat(name)
		if errors.Is(err, errdefs.ErrNotFound) || err == nil && st.Mode&unix.S_IFMT != unix.S_IFLNK {
			return name, nil
		}
		if err != nil {
			return "", err
		}
		parent, base := splitName(name)
		dir, err := r.Open(parent, unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			return "", err
		}
		slash := strings.HasSuffix(name, "/")
		name, err = linkTarget(dir, parent, base, links)
		dir.Close()
		if err != nil {
			return "", err
		}
		if slash {
			name += "/"
		}
	}
}
