// Package rules holds what is the same in all back ends of package store, whatever they keep their records in: what may be
// added, rewritten and removed, what is left after a reboot, and the errors for it.
package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/volume"
)

// MayRun reports whether processes may exist in a container of this status: the ones that ContainerReader.Alive returns.
func MayRun(s container.Status) bool {
	return s != container.Created && s != container.Exited
}

// CheckNew says whether a container may be added to a store that was opened in namespace: it needs an ID, a name
// and a status, and must be of that namespace if there is one. ErrInvalidArgument.
func CheckNew(c *container.Container, namespace string) error {
	switch cfg := &c.Config; {
	case cfg.ID == "":
		return errdefs.Invalid("container %q has no ID", cfg.Name)
	case cfg.Name == "":
		return errdefs.Invalid("container %s has no name", cfg.ID)
	case c.State.Status == "":
		return errdefs.Invalid("container %q has no status", cfg.Name)
	case namespace != "" && cfg.Namespace != namespace:
		return errdefs.Invalid("container %q is of namespace %q, the store was opened in %q", cfg.Name, cfg.Namespace, namespace)
	}
	return nil
}

// CheckRewrite says whether next may replace old as a container's configuration: ID, name, pod, namespace and dependencies
// must be equal. ErrInvalidArgument.
func CheckRewrite(old, next *container.Config) error {
	changed := func(what string) error {
		return errdefs.Invalid("container %q: its %s cannot be changed by rewriting its configuration", old.Name, what)
	}
	switch {
	case old.ID != next.ID:
		return changed("ID")
	case old.Name != next.Name:
		return changed("name")
	case old.Pod != next.Pod:
		return changed("pod")
	case old.Namespace != next.Namespace:
		return changed("namespace")
	case !slices.Equal(Dependencies(old), Dependencies(next)):
		return changed("dependencies")
	}
	return nil
}

// Dependencies returns the IDs of the containers that c depends on, sorted, each once.
func Dependencies(c *container.Config) []string {
	return sorted(slices.Clone(c.Dependencies))
}

// VolumesOf returns the names of the volumes that c mounts, sorted, each once.
func VolumesOf(c *container.Config) []string {
	var names []string
	for _, m := range c.Mounts {
		if m.Type == container.Volume && m.Source != "" {
			names = append(names, m.Source)
		}
	}
	return sorted(names)
}

func sorted(s []string) []string {
	slices.Sort(s)
	return slices.Compact(s)
}

// OldestFirst orders containers by creation time; those of the same time stay as they are.
func OldestFirst(cs []*container.Container) {
	slices.SortStableFunc(cs, func(a, b *container.Container) int { return a.Config.Created.Compare(b.Config.Created) })
}

// OldestExecFirst orders exec sessions by creation time; those of the same time stay as they are.
func OldestExecFirst(es []*container.ExecSession) {
	slices.SortStableFunc(es, func(a, b *container.ExecSession) int { return a.Created.Compare(b.Created) })
}

// AfterReboot is what Writer.Refresh makes of a state: nothing that a reboot voids is left in it. A container that was alive
// is Exited with the exit code that was recorded of its last run, if there is one (code and when), else -1; one that only
// waited for its cleanup or for its restart is Exited, one being removed stays so.
func AfterReboot(s container.State, code *int, recorded, now time.Time) container.State {
	switch {
	case s.Status.Alive():
		s.ExitCode = -1
		if code != nil && !recorded.Before(s.Started) {
			s.ExitCode = *code
		}
		s.Status, s.Finished = container.Exited, now
	case s.Status == container.Stopped, s.Status == container.Restarting:
		s.Status = container.Exited
	}
	s.PID, s.PIDStart, s.MonitorPID, s.MonitorStart = 0, 0, 0, 0
	s.BootID, s.Runtime, s.Mounted, s.CgroupPath, s.Health = "", "", "", "", nil
	return s
}

// ExecEnded reports whether an exec session ended, or was made and never started, more than store.ExitCodeAge before now.
func ExecEnded(s *container.ExecSession, now time.Time) bool {
	limit := now.Add(-store.ExitCodeAge)
	return s.Status == container.Exited && s.Finished.Before(limit) || s.Status == container.Created && s.Created.Before(limit)
}

// Stamp gives an event its place and, if it has none, its time.
func Stamp(e event.Event, seq uint64, now time.Time) event.Event {
	e.Seq = seq
	if e.Time.IsZero() {
		e.Time = now
	}
	return e
}

// ComparePaths is the ErrConflict for opening a database with other paths than it was created with, nil if they are equal.
func ComparePaths(file string, p, given store.Paths) error {
	for _, d := range []struct{ what, is, given string }{
		{"root directory", p.Root, given.Root},
		{"run directory", p.RunRoot, given.RunRoot},
		{"storage directory", p.StorageRoot, given.StorageRoot},
		{"storage run directory", p.StorageRun, given.StorageRun},
		{"storage driver", p.GraphDriver, given.GraphDriver},
	} {
		if d.is != d.given {
			return errdefs.Conflict("%s was created with the %s %q, now it is %q: change the configuration back, or use another root directory", file, d.what, d.is, d.given)
		}
	}
	return nil
}

// EmptyReference is the ErrEmptyReference for a lookup.
func EmptyReference(kind string) error {
	return errdefs.New(errdefs.ErrInvalidArgument, "%s: %w", kind, store.ErrEmptyReference)
}

// Ambiguous is the ErrAmbiguous for a prefix that fits more than one.
func Ambiguous(kind, ref string) error {
	return errdefs.New(errdefs.ErrInvalidArgument, "%s %q is %w: more than one begins with it, give more of it", kind, ref, store.ErrAmbiguous)
}

// IDTaken is the ErrAlreadyExists for an ID.
func IDTaken(id string) error { return errdefs.AlreadyExists("ID %s is already in use", id) }

// VolumeExists is the ErrAlreadyExists for a volume.
func VolumeExists(v *volume.Volume) error {
	return errdefs.AlreadyExists("volume %q already exists", v.Name)
}

// NoOwner is the ErrNotFound for a name that nothing has.
func NoOwner(name string) error { return errdefs.NotFound("no container or pod is named %q", name) }

// EmptyName is the ErrInvalidArgument for renaming a container to nothing.
func EmptyName(c *container.Config) error {
	return errdefs.Invalid("container %q: the new name is empty", c.Name)
}

// NoDependency is the ErrNotFound for adding a container that depends on one that does not exist.
func NoDependency(c *container.Config, id string) error {
	return errdefs.NotFound("container %q depends on %s: no such container", c.Name, id)
}

// ForeignDependency is the ErrConflict for a dependency in another namespace.
func ForeignDependency(c *container.Config, id, namespace string) error {
	return errdefs.Conflict("container %q of namespace %q cannot depend on %s of namespace %q", c.Name, c.Namespace, id, namespace)
}

// NoExitCode is the ErrNotFound for an exit code.
func NoExitCode(id string) error {
	return errdefs.NotFound("no exit code of container %s is known", id)
}

// HasDependents is the ErrConflict for removing a container that others depend on.
func HasDependents(c *container.Config, ids []string) error {
	return errdefs.Conflict("container %q is needed by %s: remove %s first", c.Name, strings.Join(ids, ", "), them(ids))
}

// HasExecs is the ErrConflict for removing a container that exec sessions refer to.
func HasExecs(c *container.Config, ids []string) error {
	return errdefs.Conflict("container %q has exec sessions: %s", c.Name, strings.Join(ids, ", "))
}

// VolumeInUse is the ErrConflict for removing a volume that containers use.
func VolumeInUse(name string, ids []string) error {
	return errdefs.Conflict("volume %q is used by %s: remove %s first", name, strings.Join(ids, ", "), them(ids))
}

// Damaged is the ErrCorrupt of a file, with what is wrong with it.
func Damaged(file string, what any) error {
	return errdefs.New(errdefs.ErrInternal, `%s: %w (%v): "berth system check --repair" saves what can be read into a new one and keeps the old`, file, store.ErrCorrupt, what)
}

// Newer is the ErrNewer of a file.
func Newer(file string, version, known int) error {
	return errdefs.New(errdefs.ErrInternal, "%s: %w (format %d, this version reads up to %d): use that version of berth or a later one, or another root directory", file, store.ErrNewer, version, known)
}

func them(ids []string) string {
	if len(ids) == 1 {
		return "it"
	}
	return fmt.Sprintf("these %d", len(ids))
}
