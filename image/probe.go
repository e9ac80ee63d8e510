package image

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"go.podman.io/storage/pkg/idtools"
	"go.podman.io/storage/pkg/reexec"
	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// The first time after a boot that containers/storage is opened, its driver tries out what the kernel can do: it mounts
// overlays inside the store and forks a process into a user namespace. Killed in the middle, it would leave a mount, and a
// process that holds every lock this one held. So a copy of the program does it, in a PID and a mount namespace of its own that
// the kernel clears with it; the answers are in the run root afterwards.

const probeName = "berth-probe-storage"

func init() { reexec.Register(probeName, probeMain) }

// probing sees to it that the driver's questions are answered. It makes the directories of the store.
func (s *Store) probing() error {
	for _, dir := range []string{s.opts.Root, s.opts.RunRoot} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fileError(err, "making the image store")
		}
	}
	mark := filepath.Join(s.opts.RunRoot, "berth-probed")
	if _, err := os.Lstat(mark); err == nil {
		return nil
	}
	lock, err := s.lockFile()
	if err != nil {
		return err
	}
	defer lock.Close()
	// Held shared, it keeps collect from taking the driver's directories for leftovers.
	if err := flock(lock, unix.LOCK_SH); err != nil {
		return fileError(err, "locking the image store")
	}
	if err := s.probe(); err != nil {
		// Without the namespaces it is up to the opening itself, which says what is wrong if something is.
		s.log.Debug("the storage driver could not be tried out apart", "err", err)
		return nil
	}
	_ = os.WriteFile(mark, nil, 0o600)
	return nil
}

// probe runs probeMain and waits for it.
func (s *Store) probe() error {
	if err := restartable(); err != nil {
		return err
	}
	cmd := reexec.Command(probeName, s.opts.Root, s.opts.RunRoot, s.opts.Driver)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	runtime.LockOSThread() // the signal comes when the thread ends
	defer runtime.UnlockOSThread()
	return cmd.Run()
}

// restartable is an error if the program's main does not call reexec.Init, so that a copy of it would do whatever it does.
func restartable() (err error) {
	defer func() {
		if recover() != nil {
			err = errdefs.Internal("this program cannot unpack images: it must call engine.Reexecuted (or reexec.Init of containers/storage) first thing in main, and end if that is true")
		}
	}()
	reexec.Command(probeName)
	return nil
}

// probeMain is the copy's main: it opens the store that its arguments name.
func probeMain() {
	if err := probeStorage(os.Args); err != nil {
		os.Exit(1)
	}
}

func probeStorage(args []string) error {
	if len(args) != 4 {
		return unix.EINVAL
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	// The driver finds its own children in /proc.
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return err
	}
	s := Open(Options{Root: args[1], RunRoot: args[2], Driver: args[3]})
	if err := s.openStorage(); err != nil {
		return err
	}
	driver, err := s.open.GraphDriver()
	if err != nil {
		return err
	}
	driver.SupportsShifting([]idtools.IDMap{}, []idtools.IDMap{})
	return nil
}
