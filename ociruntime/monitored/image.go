package monitored

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// imageDirectory, in the run root, holds read-only bind mounts of runtimes.
const imageDirectory = "bin"

// readOnlyImage returns the path from which the runtime is to be run.
//
// crun guards itself against being overwritten from inside a container: unless its file lies on a read-only mount, it copies
// itself into memory and starts again, at every call. From a read-only bind mount of its file it need not. The mount is made
// once after boot, by whoever comes first. If it cannot be made, the runtime is run from where it is.
//
// Each file has its own mount, named for its inode: when the program has been replaced the old file cannot be mounted over, and
// somebody may be starting it right now.
func readOnlyImage(runRoot, name, path string) string {
	var file unix.Stat_t
	if name != "crun" || runRoot == "" || unix.Stat(path, &file) != nil {
		return path
	}
	target := filepath.Join(runRoot, imageDirectory, strconv.FormatUint(file.Ino, 10), name)
	if isImage(&file, target) || mountImage(path, &file, target) == nil {
		return target
	}
	return path
}

// isImage reports whether target shows the very file, read-only.
func isImage(file *unix.Stat_t, target string) bool {
	var image unix.Stat_t
	var mount unix.Statfs_t
	return unix.Stat(target, &image) == nil && file.Dev == image.Dev && file.Ino == image.Ino &&
		unix.Statfs(target, &mount) == nil && mount.Flags&unix.ST_RDONLY != 0
}

func mountImage(path string, file *unix.Stat_t, target string) error {
	unlock, err := lockImages(filepath.Dir(filepath.Dir(target)))
	if err != nil {
		return err
	}
	defer unlock()
	if isImage(file, target) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return err
	}
	// Not truncated: the target may be the program itself, when somebody was killed between the next two steps.
	placeholder, err := os.OpenFile(target, os.O_RDONLY|os.O_CREATE, 0o700)
	if err != nil {
		return err
	}
	placeholder.Close()
	if err := unix.Mount(path, target, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	var mount unix.Statfs_t
	err = unix.Statfs(target, &mount)
	if err == nil {
		// What the mount below does not allow must be said again.
		kept := uintptr(mount.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOATIME | unix.MS_NODIRATIME)
		err = unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|kept, "")
	}
	if err != nil {
		_ = unix.Unmount(target, unix.MNT_DETACH)
	}
	return err
}

// lockImages makes the directory and holds it against other processes until the function that it returns is called.
func lockImages(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// Unmount removes the read-only mounts of runtimes under an engine's run root, and their directory. There being none is no error.
func Unmount(runRoot string) error {
	dir := filepath.Join(runRoot, imageDirectory)
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	unlock, err := lockImages(dir)
	if err != nil {
		return errdefs.Internal("%w", err)
	}
	defer unlock()
	images, _ := fs.Glob(os.DirFS(dir), "*/*")
	for _, image := range images {
		target := filepath.Join(dir, image)
		for unix.Unmount(target, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) == nil {
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return errdefs.Internal("%w", err)
	}
	return nil
}
