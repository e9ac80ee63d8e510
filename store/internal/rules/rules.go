// Package rules holds what is the same in all back ends of package store, whatever they keep their records in: what may be
// added, rewritten and removed, what is left after a reboot, and the errors for it.
package rules

import (
	"maps"
	"slices"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/event"
	"github.com/berth-engine/berth/store"
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

// CheckNewPod says the same of a pod.
func CheckNewPod(p *container.Pod, namespace string) error {
	switch cfg := &p.Config; {
	case cfg.ID == "":
		return errdefs.Invalid("pod %q has no ID", cfg.Name)
	case cfg.Name == "":
		return errdefs.Invalid("pod %s has no name", cfg.ID)
	case namespace != "" && cfg.Namespace != namespace:
		return errdefs.Invalid("pod %q is of namespace %q, the store was opened in %q", cfg.Name, cfg.Namespace, namespace)
	}
	return nil
}

// CheckMember says whether a container may be added to a pod. ErrInvalidArgument.
func CheckMember(c *container.Container, p *container.PodConfig) error {
	if c.Config.Pod != p.ID {
		return errdefs.Invalid("container %q is not of pod %q: its configuration names pod %q", c.Config.Name, p.Name, c.Config.Pod)
	}
	if c.Config.Namespace != p.Namespace {
		return errdefs.Invalid("container %q is of namespace %q, its pod %q of %q", c.Config.Name, c.Config.Namespace, p.Name, p.Namespace)
	}
	return nil
}

// CheckRewrite says whether next may replace old as a container's configuration, as far as that is to be seen from the two: ID,
// name, namespace, pod and networks must be equal. ErrInvalidArgument.
func CheckRewrite(old, next *container.Config) error {
	if err := checkIdentity(old, next); err != nil {
		return err
	}
	if old.Name != next.Name {
		return unchangeable(old, "name")
	}
	return nil
}

// CheckSafeRewrite says the same for a rewrite beside others: the name may change, dependencies may not.
func CheckSafeRewrite(old, next *container.Config) error {
	if err := checkIdentity(old, next); err != nil {
		return err
	}
	if !slices.Equal(Dependencies(old), Dependencies(next)) {
		return unchangeable(old, "dependencies")
	}
	return nil
}

func checkIdentity(old, next *container.Config) error {
	switch {
	case old.ID != next.ID:
		return unchangeable(old, "ID")
	case old.Pod != next.Pod:
		return unchangeable(old, "pod")
	case old.Namespace != next.Namespace:
		return unchangeable(old, "namespace")
	case !sameNetworks(old.Network.Networks, next.Network.Networks):
		return unchangeable(old, "networks")
	}
	return nil
}

func unchangeable(c *container.Config, what string) error {
	return errdefs.Invalid("container %q: its %s cannot be changed by rewriting its configuration", c.Name, what)
}

func sameNetworks(a, b map[string]container.NetworkOptions) bool {
	return maps.EqualFunc(a, b, func(x, y container.NetworkOptions) bool {
		return x.StaticMAC == y.StaticMAC && x.InterfaceName == y.InterfaceName && slices.Equal(x.StaticIPs, y.StaticIPs) &&
			slices.Equal(x.Aliases, y.Aliases) && maps.Equal(x.Options, y.Options)
	})
}

// CheckPodRewrite says whether next may replace old as a pod's configuration: ID, name and namespace must be equal.
// ErrInvalidArgument.
func CheckPodRewrite(old, next *container.PodConfig) error {
	switch {
	case old.Name != next.Name:
		return errdefs.Invalid("pod %q: its name cannot be changed by rewriting its configuration", old.Name)
	case old.Namespace != next.Namespace:
		return errdefs.Invalid("pod %q: its namespace cannot be changed by rewriting its configuration", old.Name)
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

// NetworksOf returns the names of the networks that c is connected to, sorted.
func NetworksOf(c *container.Config) []string {
	return slices.Sorted(maps.Keys(c.Network.Networks))
}

// Without returns those of a that are not in b. Both are sorted.
func Without(a, b []string) (rest []string) {
	for _, s := range a {
		if _, found := slices.BinarySearch(b, s); !found {
			rest = append(rest, s)
		}
	}
	return rest
}

// Outside returns the IDs that are not among the members.
func Outside(ids []string, members map[string]bool) (rest []string) {
	for _, id := range ids {
		if !members[id] {
			rest = append(rest, id)
		}
	}
	return rest
}

// ExecIDs returns the IDs of exec sessions.
func ExecIDs(es []*container.ExecSession) (ids []string) {
	for _, s := range es {
		ids = append(ids, s.ID)
	}
	return ids
}

func sorted(s []string) []string {
	slices.Sort(s)
	return slices.Compact(s)
}

// OldestFirst orders containers by creation time; those of the same time stay as they are.
func OldestFirst(cs []*container.Container) {
	slices.SortStableFunc(cs, func(a, b *container.Container) int { return a.Config.Created.Compare(b.Config.Created) })
}

// OldestPodFirst orders pods by creation time; those of the same time stay as they are.
func OldestPodFirst(ps []*container.Pod) {
	slices.SortStableFunc(ps, func(a, b *container.Pod) int { return a.Config.Created.Compare(b.Config.Created) })
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
	s.Mounts = 0
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
