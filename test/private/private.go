// Package private gives a process mounts of its own, in which crun works on a host with hybrid control groups, too.
package private

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// unified is where a hybrid host has its cgroup v2 tree. crun before 1.9 refuses such a host while the tree has a controller.
const unified = "/sys/fs/cgroup/unified"

// Needed reports whether this host is one on which crun may need it.
func Needed() bool {
	var st unix.Statfs_t
	return unix.Statfs(unified, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC
}

// Attributes start a process in a mount namespace of its own, in which it is to call Mounts. It dies with the thread that
// started it.
func Attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Cloneflags: syscall.CLONE_NEWNS}
}

// Mounts keeps what is mounted from now on inside this process's mount namespace, and takes the v2 tree of a hybrid host out of
// it. The host's own mounts stay as they are.
func Mounts() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if !Needed() {
		return nil
	}
	if err := unix.Unmount(unified, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount %s: %w", unified, err)
	}
	// crun takes the mount point for a hierarchy all the same: what it makes there must not stay on the host.
	if err := unix.Mount("tmpfs", unified, "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount on %s: %w", unified, err)
	}
	return nil
}
