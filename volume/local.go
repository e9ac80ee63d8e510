package volume

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/internal/tree"
)

// Local is the driver "local": each volume is a directory of the host.
//
//	DIR                   0700
//	├── NAME
//	│   ├── _data         the contents, or the mount point of what the options name
//	│   ├── lock          held while a volume with options is mounted or unmounted
//	│   └── users/ID      one for each container that has it mounted
//	└── .removed/         what is being deleted; its name is free already
//
// Its methods may be called concurrently, by any number of processes.
type Local struct {
	// Dir is made when it is first needed.
	Dir string
}

// nameRule is podman's and Docker's.
var nameRule = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// maxName is the longest name of a file.
const maxName = 255

// ValidateName is ErrInvalidArgument if name cannot be a volume's.
func ValidateName(name string) error {
	if !nameRule.MatchString(name) || len(name) > maxName {
		return errdefs.Invalid("volume name %q: use up to %d letters, digits, and after the first any of _.-", name, maxName)
	}
	return nil
}

func (l Local) volume(name string) string { return filepath.Join(l.Dir, name) }

// Path is the directory of a volume's contents, whether it exists or not. The name must be valid.
func (l Local) Path(name string) string { return filepath.Join(l.Dir, name, "_data") }

// Create makes the directories of a volume and returns its Path. They may exist.
func (l Local) Create(name string) (string, error) {
	if err := ValidateName(name); err != nil {
		return "", err
	}
	if err := os.MkdirAll(l.Dir, 0o700); err != nil {
		return "", failed(err, "making the directory of volumes")
	}
	for _, dir := range []string{l.volume(name), l.Path(name)} {
		err := os.Mkdir(dir, 0o755)
		if err == nil {
			err = os.Chmod(dir, 0o755) // whatever the umask
		}
		if err != nil && !errors.Is(err, os.ErrExist) {
			return "", failed(err, "making volume %s", name)
		}
	}
	return l.Path(name), nil
}

// Remove deletes a volume with its contents; nil if there is none. What a volume with options mounts is unmounted and left
// alone. The name is free at once, and a process killed meanwhile leaves what the next Remove of any volume deletes.
func (l Local) Remove(name string) error {
	if err := ValidateName(name); err != nil {
		return err
	}
	if err := unmount(l.Path(name)); err != nil {
		return err
	}
	removed := filepath.Join(l.Dir, ".removed")
	err := os.Mkdir(removed, 0o700)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return failed(err, "removing volume %s", name)
	}
	err = unix.Rename(l.volume(name), filepath.Join(removed, rand.Text()))
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return failed(err, "removing volume %s", name)
	}
	entries, err := os.ReadDir(removed)
	if err != nil {
		return failed(err, "removing volume %s", name)
	}
	for _, e := range entries {
		if err := tree.Remove(context.Background(), filepath.Join(removed, e.Name())); err != nil {
			return fmt.Errorf("volume %s: %w", name, err)
		}
	}
	return nil
}

// Size is the bytes of the files in a volume, 0 if there is none.
func (l Local) Size(ctx context.Context, name string) (int64, error) {
	if err := ValidateName(name); err != nil {
		return 0, err
	}
	return tree.Size(ctx, l.Path(name))
}

// failed gives a system call's error its words and class; an error that has a class keeps it.
func failed(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	class := errdefs.Class(err)
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES), errors.Is(err, unix.EROFS):
		class = errdefs.ErrPermissionDenied
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		class = errdefs.ErrUnavailable
	case errors.Is(err, unix.ENOENT):
		class = errdefs.ErrNotFound
	}
	return errdefs.New(class, format+": %w", append(args, err)...)
}
