package engine

import (
	"os"
	"path/filepath"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
)

// paths says where things are.
//
//	ROOT/berth.db                     the store
//	ROOT/storage                      images
//	ROOT/volumes                      local volumes
//	ROOT/containers/ID                what lasts of a container: upper, work, container.log
//	RUNROOT/boot                      the boot ID of the last refresh
//	RUNROOT/locks                     object locks
//	RUNROOT/claims                    who answers for what is half-done (claim.go)
//	RUNROOT/containers/ID             a run: rootfs, bundle, the monitor's files; there from start to clean-up
//	RUNROOT/cgroup-parents            control groups that were made for --cgroup-parent (cgroup_parent.go)
//	RUNROOT/execs/ID                  an exec session's run
//	RUNROOT/mounts/ID                 where berth mount mounts a container's root file system
//	RUNROOT/mapped/ID                 the root file system of a container with a user namespace
//
// All directories are of mode 0700 but for one case. The root user of a user namespace, who is nobody on the host, has to reach the
// container's root file system by its path: so the first such container makes RUNROOT and RUNROOT/mapped searchable (0711), and
// RUNROOT/mapped/ID belongs to that user (0700).
type paths struct{ root, run string }

func newPaths(root, run string) (paths, error) {
	var p paths
	for _, d := range []struct {
		to         *string
		from, name string
	}{{&p.root, root, "root"}, {&p.run, run, "run root"}} {
		abs, err := filepath.Abs(d.from)
		if err != nil {
			return p, errdefs.Invalid("%s directory %q: %w", d.name, d.from, err)
		}
		*d.to = abs
	}
	if p.root == p.run {
		return p, errdefs.Invalid("root and run root are both %s: they must be two directories", p.root)
	}
	return p, nil
}

// make makes the directories that are always there.
func (p paths) make() error {
	for _, d := range []string{p.root, p.run, p.claims(), filepath.Join(p.run, "containers"), filepath.Join(p.root, "containers")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return errdefs.Denied("cannot make the directory %s: %w", d, err)
		}
	}
	return nil
}

func (p paths) database() string   { return filepath.Join(p.root, "berth.db") }
func (p paths) storage() string    { return filepath.Join(p.root, "storage") }
func (p paths) storageRun() string { return filepath.Join(p.run, "storage") }
func (p paths) volumes() string    { return filepath.Join(p.root, "volumes") }
func (p paths) claims() string     { return filepath.Join(p.run, "claims") }
func (p paths) boot() string       { return filepath.Join(p.run, "boot") }

// container is what lasts of a container.
func (p paths) container(id string) string { return filepath.Join(p.root, "containers", id) }

// passing is the mark in a container's directory that says that the container is to remove itself.
func (p paths) passing(id string) string { return filepath.Join(p.container(id), "auto-remove") }

// containerRun is a container's run directory.
func (p paths) containerRun(id string) string { return filepath.Join(p.run, "containers", id) }

// rootfs is where a container's root file system is mounted.
func (p paths) rootfs(cfg *container.Config) string {
	if len(cfg.Namespaces.UIDMap) > 0 {
		return filepath.Join(p.mapped(cfg.ID), "rootfs")
	}
	return filepath.Join(p.containerRun(cfg.ID), "rootfs")
}

// mounts are all places where something of the container may be mounted.
func (p paths) mounts(id string) []string {
	list := []string{filepath.Join(p.containerRun(id), "rootfs"), filepath.Join(p.mapped(id), "rootfs"), p.shm(id)}
	entries, _ := os.ReadDir(p.subpaths(id)) // most have none
	for _, entry := range entries {
		list = append(list, filepath.Join(p.subpaths(id), entry.Name()))
	}
	return list
}

// subpaths has the mount points of the subpaths of volumes that a container mounts.
func (p paths) subpaths(id string) string { return filepath.Join(p.containerRun(id), "subpaths") }

// mapped is the directory above the root file system of a container with a user namespace.
func (p paths) mapped(id string) string { return filepath.Join(p.run, "mapped", id) }

// mounted is where a container's root file system is mounted for people.
func (p paths) mounted(id string) string { return filepath.Join(p.run, "mounts", id) }

// bundle is a container's OCI bundle.
func (p paths) bundle(id string) string { return filepath.Join(p.containerRun(id), "bundle") }

// execRun is an exec session's run directory.
func (p paths) execRun(id string) string { return filepath.Join(p.run, "execs", id) }

// cgroupParents notes the control groups made for --cgroup-parent.
func (p paths) cgroupParents() string { return filepath.Join(p.run, "cgroup-parents") }

// shm is the /dev/shm that a container shares.
func (p paths) shm(id string) string { return filepath.Join(p.containerRun(id), "shm") }

// defaultLog is a container's log file.
func (p paths) defaultLog(id string) string { return filepath.Join(p.container(id), "container.log") }
