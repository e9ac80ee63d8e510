package rootfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// mountMapped makes an overlay whose lower directories are id-mapped. Until 6.15 the kernel takes only directories of mounts
// that are attached in the caller's mount namespace, so they are attached in one made for this, on a thread that ends
// with it: whatever dies when, nothing of it is left.
func (o overlay) mountMapped(target string) error {
	if !kernelAtLeast(5, 19) {
		return errNoMaps(errors.New("this kernel is older"))
	}
	userns, err := userNamespace(o.uidMap, o.gidMap)
	if err != nil {
		return err
	}
	defer userns.Close()
	return onThread(func() error {
		home, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/mnt", unix.Gettid()))
		if err != nil {
			return classed(err, "opening the mount namespace")
		}
		defer home.Close()
		fd, err := o.mappedTree(target, userns)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNS); err != nil {
			return classed(err, "returning to the mount namespace")
		}
		return moveMount(fd, target, 0, o.readOnly)
	})
}

// mappedTree leaves the calling thread in a new mount namespace, and returns the overlay as a detached mount.
func (o overlay) mappedTree(target string, userns *os.File) (int, error) {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return -1, classed(err, "making a mount namespace")
	}
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return -1, classed(err, "making a mount namespace private")
	}
	mapped := make([]string, len(o.lower))
	var trees []int
	defer func() {
		for _, fd := range trees {
			unix.Close(fd)
		}
	}()
	for _, dir := range o.lower {
		fd, err := mappedClone(dir, 0, userns)
		if err != nil {
			return -1, fmt.Errorf("layer %s: %w", dir, err)
		}
		trees = append(trees, fd)
	}
	// The target serves as a place for them: in this namespace it is nobody else's.
	if err := unix.Mount("tmpfs", target, "tmpfs", 0, "mode=700"); err != nil {
		return -1, classed(err, "mounting tmpfs")
	}
	for i, fd := range trees {
		mapped[i] = filepath.Join(target, strconv.Itoa(i))
		if err := os.Mkdir(mapped[i], 0o700); err != nil {
			return -1, classed(err, "attaching layers")
		}
		if err := unix.MoveMount(fd, "", unix.AT_FDCWD, mapped[i], unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			return -1, classed(err, "attaching layer %s", o.lower[i])
		}
	}
	o.lower = mapped
	if !o.useOld() {
		return o.fsmount()
	}
	merged := filepath.Join(target, "merged")
	if err := os.Mkdir(merged, 0o700); err != nil {
		return -1, classed(err, "mounting overlay")
	}
	if err := o.mountOld(merged); err != nil {
		return -1, err
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, merged, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	return fd, classed(err, "detaching overlay")
}

// cloneTree is a detached bind mount of dir, mapped if there are maps; flags may be AT_RECURSIVE.
func cloneTree(dir string, flags uint, uidMap, gidMap []IDMap) (int, error) {
	if len(uidMap) == 0 && len(gidMap) == 0 {
		fd, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|flags)
		return fd, classed(err, "bind mount of %s", dir)
	}
	userns, err := userNamespace(uidMap, gidMap)
	if err != nil {
		return -1, err
	}
	defer userns.Close()
	return mappedClone(dir, flags, userns)
}

func mappedClone(dir string, flags uint, userns *os.File) (int, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|flags)
	if err != nil {
		return -1, classed(err, "bind mount of %s", dir)
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP, Userns_fd: uint64(userns.Fd())}
	err = unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|flags, &attr)
	if err == nil {
		return fd, nil
	}
	unix.Close(fd)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) {
		return -1, errNoMaps(err)
	}
	return -1, classed(err, "mapping the owners of %s", dir)
}

// userNamespace makes a user namespace that has the maps and holds no process. The child that it takes stops at its exec
// (ptrace(2), PTRACE_TRACEME) and is killed there, so that not one instruction of a program runs.
func userNamespace(uidMap, gidMap []IDMap) (*os.File, error) {
	if len(uidMap) == 0 || len(gidMap) == 0 {
		return nil, errdefs.Invalid("a user namespace needs maps for both users and groups")
	}
	runtime.LockOSThread() // a traced child belongs to the thread
	defer runtime.UnlockOSThread()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, classed(err, "making a user namespace")
	}
	defer null.Close()
	p, err := os.StartProcess("/proc/self/exe", []string{"userns"}, &os.ProcAttr{
		Env:   []string{},
		Files: []*os.File{null, null, null},
		Sys: &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: sysMaps(uidMap), GidMappings: sysMaps(gidMap), GidMappingsEnableSetgroups: true,
			Ptrace: true, Pdeathsig: syscall.SIGKILL,
		},
	})
	if err != nil {
		return nil, classed(err, "making a user namespace with the container's id maps")
	}
	defer func() {
		_ = p.Kill()
		_, _ = p.Wait()
	}()
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", p.Pid))
	return f, classed(err, "opening a user namespace")
}

func sysMaps(maps []IDMap) []syscall.SysProcIDMap {
	out := make([]syscall.SysProcIDMap, len(maps))
	for i, m := range maps {
		out[i] = syscall.SysProcIDMap{ContainerID: int(m.ContainerID), HostID: int(m.HostID), Size: int(m.Size)}
	}
	return out
}
