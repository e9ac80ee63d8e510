package monitored

import (
	"errors"
	"os"
	"path/filepath"

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
func readOnlyImage(runRoot, name, path string) string {
	if name != "crun" || runRoot == "" {
		return path
	}
	target := filepath.Join(runRoot, imageDirectory, name)
	if isImage(path, target) {
		return target
	}
	if err := mountImage(path, target); err != nil {
		return path
	}
	return target
}

// isImage reports whether target shows the very file that path is now, read-only.
func isImage(path, target string) bool {
	var file, image unix.Stat_t
	var fs unix.Statfs_t
	return unix.Stat(path, &file) == nil && unix.Stat(target, &image) == nil && unix.Statfs(target, &fs) == nil &&
		file.Dev == image.Dev && file.Ino == image.Ino && fs.Flags&unix.ST_RDONLY != 0
}

// mountImage makes the mount, on top of an older one if the file has been replaced: somebody may be starting that right now.
func mountImage(path, target string) error {
	unlock, err := lockImages(filepath.Dir(target))
	if err != nil {
		return err
	}
	defer unlock()
	if isImage(path, target) {
		return nil
	}
	if err := os.WriteFile(target, nil, 0o700); err != nil && !errors.Is(err, unix.EROFS) && !errors.Is(err, unix.ETXTBSY) {
		return err
	}
	if err := unix.Mount(path, target, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	var fs unix.Statfs_t
	err = unix.Statfs(target, &fs)
	if err == nil {
		// What the mount below does not allow must be said again.
		kept := uintptr(fs.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOATIME | unix.MS_NODIRATIME)
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
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return errdefs.Internal("%w", err)
	}
	unlock, err := lockImages(dir)
	if err != nil {
		return errdefs.Internal("%w", err)
	}
	defer unlock()
	for _, e := range entries {
		target := filepath.Join(dir, e.Name())
		for unix.Unmount(target, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW) == nil {
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return errdefs.Internal("%w", err)
	}
	return nil
}
