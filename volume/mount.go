package volume

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// ValidateOptions is ErrInvalidArgument unless the driver can mount what the options name. They are Docker's: type and device as
// for mount(8), and o for its options, separated by commas. No options at all is a plain directory.
func ValidateOptions(options map[string]string) error {
	_, err := parseOptions(options)
	return err
}

// source is what a volume with options mounts. The zero value mounts nothing.
type source struct {
	fsType, device string
	flags          uintptr
	data           []string // what is not a flag
	raw            string
}

func (s source) plain() bool  { return s.fsType == "" }
func (s source) isBind() bool { return s.flags&unix.MS_BIND != 0 }

// flags of mount(8) and their bits of mount(2); clear is what one takes away.
var flags = map[string]struct{ set, clear uintptr }{
	"defaults": {}, "rw": {clear: unix.MS_RDONLY}, "ro": {set: unix.MS_RDONLY},
	"suid": {clear: unix.MS_NOSUID}, "nosuid": {set: unix.MS_NOSUID}, "dev": {clear: unix.MS_NODEV}, "nodev": {set: unix.MS_NODEV},
	"exec": {clear: unix.MS_NOEXEC}, "noexec": {set: unix.MS_NOEXEC}, "async": {clear: unix.MS_SYNCHRONOUS},
	"sync": {set: unix.MS_SYNCHRONOUS}, "dirsync": {set: unix.MS_DIRSYNC}, "atime": {clear: unix.MS_NOATIME},
	"noatime": {set: unix.MS_NOATIME}, "diratime": {clear: unix.MS_NODIRATIME}, "nodiratime": {set: unix.MS_NODIRATIME},
	"relatime": {set: unix.MS_RELATIME}, "strictatime": {set: unix.MS_STRICTATIME},
	"bind": {set: unix.MS_BIND}, "rbind": {set: unix.MS_BIND | unix.MS_REC},
}

func parseOptions(options map[string]string) (source, error) {
	var s source
	for key, value := range options {
		switch key {
		case "type":
			s.fsType = value
		case "device":
			s.device = value
		case "o":
			s.raw = value
		default:
			return s, errdefs.Invalid("volume option %q: driver local has type, device and o", key)
		}
	}
	for o := range strings.SplitSeq(s.raw, ",") {
		if o == "" {
			continue
		}
		f, ok := flags[o]
		if !ok {
			s.data = append(s.data, o)
			continue
		}
		s.flags = s.flags&^f.clear | f.set
	}
	if s.fsType == "bind" {
		s.flags |= unix.MS_BIND
	}
	if s.isBind() {
		s.fsType = "none"
	}
	return s, s.check()
}

func (s source) check() error {
	switch {
	case s.fsType == "" && (s.device != "" || s.raw != ""):
		return errdefs.Invalid("volume options device and o need type, or bind among o")
	case s.fsType == "none" && !s.isBind():
		return errdefs.Invalid("volume option type=none needs bind among o")
	case s.isBind() && !filepath.IsAbs(s.device):
		return errdefs.Invalid("volume option device=%s: a bind needs an absolute path", s.device)
	case s.isBind() && len(s.data) > 0:
		return errdefs.Invalid("volume option o: a bind has no option %s", s.data[0])
	case s.fsType != "" && s.fsType != "tmpfs" && s.device == "":
		return errdefs.Invalid("volume option type=%s needs device", s.fsType)
	case strings.HasPrefix(s.fsType, "-") || strings.ContainsAny(s.fsType, ", "):
		return errdefs.Invalid("volume option type=%s is no type of a file system", s.fsType)
	}
	return nil
}

// Mount makes the contents of a volume available to a user, a container's ID, and returns their path. Without options that is
// all that Create does. With options, the first user mounts and further ones share the mount. It may be repeated.
//
// ErrInvalidArgument: options that ValidateOptions refuses. ErrNotFound: a bind's device is missing. ErrUnavailable: mount(8)
// failed, as when a server does not answer.
func (l Local) Mount(ctx context.Context, name string, options map[string]string, user string) (string, error) {
	s, err := parseOptions(options)
	if err != nil {
		return "", err
	}
	if err := ValidateName(user); err != nil {
		return "", errdefs.Invalid("user %q of volume %s: it is no container's ID", user, name)
	}
	path, err := l.Create(name)
	if err != nil || s.plain() {
		return path, err
	}
	unlock, err := l.lock(name)
	if err != nil {
		return "", err
	}
	defer unlock()
	on, err := mounted(path)
	if err != nil {
		return "", err
	}
	if !on {
		// Users that are recorded are of before a reboot.
		if err := os.RemoveAll(l.users(name)); err != nil {
			return "", failed(err, "mounting volume %s", name)
		}
	}
	if err := os.MkdirAll(l.users(name), 0o700); err != nil {
		return "", failed(err, "mounting volume %s", name)
	}
	// The user first: a mount that nobody is recorded for would stay.
	if err := os.WriteFile(filepath.Join(l.users(name), user), nil, 0o600); err != nil {
		return "", failed(err, "mounting volume %s", name)
	}
	if on {
		return path, nil
	}
	if err := s.mount(ctx, name, path); err != nil {
		_ = os.Remove(filepath.Join(l.users(name), user))
		return "", err
	}
	return path, nil
}

// Unmount ends a user's use of a volume, and the mount if there was one and no user is left. It may be repeated, for volumes
// without options and for users that never were.
func (l Local) Unmount(name, user string) error {
	if err := errors.Join(ValidateName(name), ValidateName(user)); err != nil {
		return err
	}
	if _, err := os.Stat(l.users(name)); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	unlock, err := l.lock(name)
	if err != nil {
		return err
	}
	defer unlock()
	if err := os.Remove(filepath.Join(l.users(name), user)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return failed(err, "unmounting volume %s", name)
	}
	left, err := os.ReadDir(l.users(name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return failed(err, "unmounting volume %s", name)
	}
	if len(left) > 0 {
		return nil
	}
	return unmount(l.Path(name))
}

func (l Local) users(name string) string { return filepath.Join(l.volume(name), "users") }

func (l Local) lock(name string) (unlock func(), _ error) {
	f, err := os.OpenFile(filepath.Join(l.volume(name), "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, failed(err, "locking volume %s", name)
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, failed(err, "locking volume %s", name)
		}
	}
}

// mount puts the source at path, with private propagation.
func (s source) mount(ctx context.Context, name, path string) error {
	var err error
	switch {
	case s.isBind():
		err = s.bind(path)
	case s.fsType == "tmpfs":
		device := s.device
		if device == "" {
			device = "tmpfs"
		}
		err = unix.Mount(device, path, "tmpfs", s.flags, strings.Join(s.data, ","))
		if errors.Is(err, unix.EINVAL) {
			return errdefs.Invalid("mounting volume %s: tmpfs refuses o=%s", name, s.raw)
		}
	default:
		err = s.program(ctx, path)
	}
	if err == nil {
		err = unix.Mount("", path, "", unix.MS_PRIVATE, "")
	}
	if err != nil {
		_ = unix.Unmount(path, unix.UMOUNT_NOFOLLOW|unix.MNT_DETACH)
		return failed(err, "mounting %s for volume %s", s.device, name)
	}
	return nil
}

func (s source) bind(path string) error {
	if err := unix.Mount(s.device, path, "", s.flags&(unix.MS_BIND|unix.MS_REC), ""); err != nil {
		return err
	}
	if s.flags&^(unix.MS_BIND|unix.MS_REC) == 0 {
		return nil
	}
	return unix.Mount("", path, "", s.flags&^unix.MS_REC|unix.MS_BIND|unix.MS_REMOUNT, "")
}

// program runs mount(8), since file systems of the network are mounted with helpers of their own. Each value is one argument.
func (s source) program(ctx context.Context, path string) error {
	args := []string{"-t", s.fsType}
	if s.raw != "" {
		args = append(args, "-o", s.raw)
	}
	out, err := exec.CommandContext(ctx, "mount", append(args, "--", s.device, path)...).CombinedOutput()
	if err != nil {
		return errdefs.Unavailable("mount: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

func mounted(path string) (bool, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT|unix.AT_STATX_DONT_SYNC, 0, &st)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	return st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0, failed(err, "looking at %s", path)
}

// unmount takes off what is mounted at path, if anything is. What is busy ends with its last user.
func unmount(path string) error {
	on, err := mounted(path)
	if err != nil || !on {
		return err
	}
	err = unix.Unmount(path, unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EBUSY) {
		err = unix.Unmount(path, unix.UMOUNT_NOFOLLOW|unix.MNT_DETACH)
	}
	return failed(err, "unmounting %s", path)
}
