package monitored

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/ociruntime"
)

// A runtime that is killed in the middle of create may leave control groups behind of which it has written nothing down. So for
// each container the state root has, from create to delete, a link to the bundle, whose config.json says where they are.

func (r *Runtime) bundleLink(id string) string { return filepath.Join(r.o.StateRoot+".bundles", id) }

// remember notes the bundle of a container about to be created.
func (r *Runtime) remember(id, bundle string) error {
	if id == "" || strings.ContainsRune(id, '/') {
		return errdefs.Invalid("%q is not a container ID", id)
	}
	link := r.bundleLink(id)
	err := os.Symlink(bundle, link)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(link), 0o700); err == nil {
			err = os.Symlink(bundle, link)
		}
	}
	if errors.Is(err, fs.ErrExist) {
		if err = os.Remove(link); err == nil {
			err = os.Symlink(bundle, link)
		}
	}
	if err != nil {
		return errdefs.Internal("note the bundle of %s: %w", id, err)
	}
	return nil
}

// forget removes the note, and the control groups with what runs in them, unless the runtime has done so itself.
func (r *Runtime) forget(id string, cgroups bool) error {
	link := r.bundleLink(id)
	if cgroups {
		bundle, err := os.Readlink(link)
		if err != nil {
			return nil // never created, or deleted before
		}
		if err := removeCgroups("/sys/fs/cgroup", cgroupsPath(bundle)); err != nil {
			return err
		}
	}
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errdefs.Internal("forget %s: %w", id, err)
	}
	return nil
}

// cgroupsPath is the control group of a bundle's container; empty if it has none. A scope of systemd's is removed like another: with
// its last process systemd lets go of it.
func cgroupsPath(bundle string) string {
	text, err := os.ReadFile(filepath.Join(bundle, "config.json"))
	if err != nil {
		return ""
	}
	var spec struct {
		Linux struct {
			CgroupsPath string `json:"cgroupsPath"`
		} `json:"linux"`
	}
	if json.Unmarshal(text, &spec) != nil {
		return ""
	}
	return ociruntime.CgroupPath(spec.Linux.CgroupsPath)
}
