package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage"
	"golang.org/x/sys/unix"
)

// operation is one change that writes layers or images. While any process has one, the lock file is held shared; whoever gets
// it exclusively knows that nobody is at work, and that what no image needs was left by a process that died.
type operation struct {
	s    *Store
	st   storage.Store
	lock *os.File
	// limits bound what is unpacked.
	limits limits
	// tmp is a directory for temporary files, tmpPlain its plainPath.
	tmp, tmpPlain string
	// held are files and directories that plainPath names.
	held []*os.File
}

// begin starts an operation: its temporary files go into a directory of their own inside the store, which the next operation
// removes if this process does not live to do it.
func (s *Store) begin(ctx context.Context) (*operation, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := restartable(); err != nil {
		return nil, err
	}
	bounds, err := readLimits()
	if err != nil {
		return nil, err
	}
	st, err := s.storage()
	if err != nil {
		return nil, err
	}
	lock, err := s.lockFile()
	if err != nil {
		return nil, err
	}
	op := &operation{s: s, st: st, lock: lock, limits: bounds}
	if op.alone() {
		// Layers that are whole stay for now: this operation may be the same one again, and need them.
		_ = os.RemoveAll(s.staging())
	}
	if err := op.share(); err != nil {
		lock.Close()
		return nil, fileError(err, "locking the image store")
	}
	return op, nil
}

// lockFile opens the file that operations lock.
func (s *Store) lockFile() (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(s.opts.Root, "berth.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	return f, fileError(err, "locking the image store")
}

func (s *Store) staging() string { return filepath.Join(s.opts.Root, "berth-tmp") }

// share takes the lock shared and makes the temporary directory.
func (op *operation) share() error {
	if err := flock(op.lock, unix.LOCK_SH); err != nil {
		return err
	}
	if err := os.MkdirAll(op.s.staging(), 0o700); err != nil {
		return err
	}
	var err error
	if op.tmp, err = os.MkdirTemp(op.s.staging(), "op-"); err != nil {
		return err
	}
	op.tmpPlain, err = op.plainPath(op.tmp)
	return err
}

// alone reports whether no other operation is under way, and keeps others from starting if so.
func (op *operation) alone() bool { return flock(op.lock, unix.LOCK_EX|unix.LOCK_NB) == nil }

func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// end ends the operation and, if it was the last one, removes what is left of operations that failed or died.
func (op *operation) end() {
	for _, f := range op.held {
		_ = f.Close()
	}
	_ = os.RemoveAll(op.tmp)
	if op.alone() {
		if err := op.s.collect(op.st); err != nil {
			op.s.log.Warn("what an earlier operation left in the image store could not be removed", "root", op.s.opts.Root, "err", err)
		}
	}
	_ = op.lock.Close()
}

// plainPath is a path of an existing file or directory, good until the operation ends, that has no colon in it:
// containers/image takes none.
func (op *operation) plainPath(path string) (string, error) {
	if !strings.Contains(path, ":") {
		return path, nil
	}
	f, err := os.OpenFile(path, unix.O_PATH, 0)
	if err != nil {
		return "", err
	}
	op.held = append(op.held, f)
	return fmt.Sprintf("/proc/self/fd/%d", f.Fd()), nil
}

// system is the configuration for this operation.
func (op *operation) system(a Access) *types.SystemContext { return op.s.systemContext(a, op.tmpPlain) }

// Collect removes what operations of processes that died have left: temporary files, layers of no image, image records
// without their data. It does nothing while an operation is under way. Every operation that writes ends with it.
func (s *Store) Collect(ctx context.Context) error {
	if !s.exists() {
		return nil
	}
	op, err := s.begin(ctx)
	if err != nil {
		return err
	}
	op.end()
	return nil
}

// collect removes what Collect says. The caller is alone.
func (s *Store) collect(st storage.Store) (err error) {
	_ = os.RemoveAll(s.staging())
	driver := filepath.Join(s.opts.Root, st.GraphDriverName())
	if err := removeProbes(driver); err != nil {
		return err
	}
	if dead, _ := os.ReadDir(filepath.Join(driver, "tempdirs")); len(dead) > 0 {
		if st, err = s.reopen(); err != nil {
			return err
		}
	}
	if err := collectData(st, driver+"-images"); err != nil {
		return err
	}
	return collectLayers(st)
}

// collectData removes the data of images that have no record: on a full disk containers/storage gives up the record and keeps
// the files. A record is written before its data, so the directories are read first.
func collectData(st storage.Store, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	images, err := st.Images()
	if err != nil {
		return err
	}
	known := make(map[string]bool, len(images))
	for i := range images {
		known[images[i].ID] = true
	}
	for _, e := range entries {
		if e.IsDir() && isFullID(e.Name()) && !known[e.Name()] {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeProbes removes directories in which the driver tried out the kernel when its process was killed, and unmounts what is
// mounted there.
func removeProbes(driver string) error {
	var dirs []string
	for _, prefix := range []string{"compat", "opaque-bug-check", "metacopy-check", "volatile-check"} {
		found, err := filepath.Glob(filepath.Join(driver, prefix+"*"))
		if err != nil {
			return err
		}
		dirs = append(dirs, found...)
	}
	for _, dir := range dirs {
		mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
		if err != nil {
			return err
		}
		for _, m := range mounts {
			if err := unix.Unmount(m.Mountpoint, unix.MNT_DETACH); err != nil {
				return &os.PathError{Op: "unmount", Path: m.Mountpoint, Err: err}
			}
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// collectLayers removes images without data, then layers that no image stands on.
func collectLayers(st storage.Store) error {
	images, err := st.Images()
	if err != nil {
		return err
	}
	layers, err := st.Layers()
	if err != nil {
		return err
	}
	parent := make(map[string]string, len(layers))
	for i := range layers {
		parent[layers[i].ID] = layers[i].Parent
	}
	used := map[string]bool{}
	mark := func(id string) {
		for id != "" && !used[id] {
			used[id], id = true, parent[id]
		}
	}
	for i := range images {
		if !whole(&images[i]) && !images[i].ReadOnly {
			if _, err := st.DeleteImage(images[i].ID, true); err != nil {
				return err
			}
			continue
		}
		mark(images[i].TopLayer)
		for _, l := range images[i].MappedTopLayers {
			mark(l)
		}
	}
	containers, err := st.Containers()
	if err != nil {
		return err
	}
	for i := range containers {
		mark(containers[i].LayerID)
	}
	return deleteLayers(st, layers, used)
}

// deleteLayers deletes those not used, children before their parents.
func deleteLayers(st storage.Store, layers []storage.Layer, used map[string]bool) error {
	children := map[string]int{}
	var free []string
	parent := map[string]string{}
	for i := range layers {
		if l := &layers[i]; !used[l.ID] && !l.ReadOnly {
			parent[l.ID] = l.Parent
			children[l.Parent]++
		}
	}
	for id := range parent {
		if children[id] == 0 {
			free = append(free, id)
		}
	}
	for len(free) > 0 {
		id := free[0]
		free = free[1:]
		if err := st.DeleteLayer(id); err != nil && !errors.Is(err, storage.ErrLayerUnknown) {
			return err
		}
		up := parent[id]
		if children[up]--; children[up] == 0 {
			if _, ok := parent[up]; ok {
				free = append(free, up)
			}
		}
	}
	return nil
}

// whole reports whether the record has its manifest: containers/storage writes the record first and its data afterwards.
func whole(i *storage.Image) bool {
	_, ok := i.BigDataDigests[storage.ImageDigestBigDataKey]
	return ok
}
