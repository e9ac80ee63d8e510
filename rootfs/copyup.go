package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/internal/tree"
)

// CopyUp fills the volume at dst, a directory of the host, with what src has at name, and gives the volume's root the owner
// and mode of that directory. It does nothing to a volume that is not empty, and nothing if name is missing in src or is not
// a directory. It reports whether anything was copied; that is synced to disk.
//
// The volume is filled all at once: the copy is made beside dst and renamed over it, which the kernel does to an empty
// directory only, so that a process killed meanwhile leaves the volume empty. Where dst is itself a mount, the copy goes
// straight into it. No container may have the volume mounted yet.
func CopyUp(ctx context.Context, src *Root, name, dst string) (bool, error) {
	from, err := src.Open(name, unix.O_RDONLY|unix.O_DIRECTORY)
	if errors.Is(err, errdefs.ErrNotFound) || errors.Is(err, unix.ENOTDIR) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer from.Close()
	if full, err := hasEntries(dst); err != nil || full {
		return false, err
	}
	mounted, err := Mounted(dst)
	if err != nil {
		return false, err
	}
	if mounted {
		return copyInto(ctx, from, dst)
	}
	// The leftover of a process that was killed; the caller's lock on the volume keeps others out.
	beside := filepath.Join(filepath.Dir(dst), "."+filepath.Base(dst)+".copyup")
	if err := tree.Remove(ctx, beside); err != nil {
		return false, err
	}
	if err := os.Mkdir(beside, 0o700); err != nil {
		return false, classed(err, "filling volume at %s", dst)
	}
	copied, err := copyInto(ctx, from, beside)
	if err == nil {
		// Not os.Rename, which refuses any directory in the way.
		err = classed(unix.Rename(beside, dst), "filling volume at %s", dst)
	}
	if err == nil {
		return copied, nil
	}
	_ = tree.Remove(context.WithoutCancel(ctx), beside)
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
		return false, nil // filled by somebody else: it is theirs
	}
	return false, err
}

// copyInto copies from's entries and attributes to the directory dst, and reports whether there were entries.
func copyInto(ctx context.Context, from *os.File, dst string) (bool, error) {
	to, err := openDirNoFollow(dst)
	if err != nil {
		return false, err
	}
	defer to.Close()
	c := copier{ctx: ctx, top: to}
	if err := c.dir(from, to, "", 0); err != nil {
		return false, fmt.Errorf("filling volume at %s: %w", dst, err)
	}
	full, err := hasEntries(dst)
	if err != nil || !full {
		return false, err
	}
	return true, classed(unix.Syncfs(int(to.Fd())), "syncing volume at %s", dst)
}

func hasEntries(dir string) (bool, error) {
	f, err := openDirNoFollow(dir)
	if err != nil {
		return false, err
	}
	defer f.Close()
	_, err = f.Readdirnames(1)
	if err == io.EOF {
		return false, nil
	}
	return err == nil, classed(err, "reading %s", dir)
}

func openDirNoFollow(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, classed(err, "opening %s", dir)
	}
	return os.NewFile(uintptr(fd), dir), nil
}
