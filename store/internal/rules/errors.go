package rules

import (
	"fmt"
	"strings"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/volume"
)

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

// DependsOnItself is the ErrConflict for a rewrite that would close a circle.
func DependsOnItself(c *container.Config) error {
	return errdefs.Conflict("container %q would depend on itself", c.Name)
}

// DependencyInPod is the ErrConflict for a dependency that is not in the same pod.
func DependencyInPod(c *container.Config, id, pod string) error {
	switch {
	case pod == "":
		return errdefs.Conflict("container %q of a pod cannot depend on %s, which is in no pod: add that one to the pod", c.Name, id)
	case c.Pod == "":
		return errdefs.Conflict("container %q cannot depend on %s, which is in pod %s: add it to that pod", c.Name, id, pod)
	}
	return errdefs.Conflict("container %q cannot depend on %s, which is in another pod, %s", c.Name, id, pod)
}

// OfPod is the ErrInvalidArgument for adding or removing a container of a pod as one of none.
func OfPod(c *container.Config) error {
	return errdefs.Invalid("container %q is part of pod %s: it is added and removed with that", c.Name, c.Pod)
}

// NotOfPod is the ErrInvalidArgument for removing a container from a pod that it is not in.
func NotOfPod(c *container.Config, p *container.PodConfig) error {
	return errdefs.Invalid("container %q is not part of pod %q", c.Name, p.Name)
}

// PodNotEmpty is the ErrConflict for removing a pod with containers.
func PodNotEmpty(p *container.PodConfig, in []*container.Container) error {
	var names []string
	for _, c := range in {
		names = append(names, c.Config.Name)
	}
	return errdefs.Conflict("pod %q has containers: %s: remove %s first", p.Name, strings.Join(names, ", "), them(names))
}

// OwnName is the ErrConflict for releasing the name of an object.
func OwnName(kind, name string) error {
	return errdefs.Conflict("%q is the name of a %s: rename or remove that to free it", name, kind)
}

// Connected is the ErrAlreadyExists for connecting a container twice.
func Connected(c *container.Config, network string) error {
	return errdefs.AlreadyExists("container %q is already connected to network %q", c.Name, network)
}

// NotConnected is the ErrNotFound for disconnecting a container from a network that it is not connected to.
func NotConnected(c *container.Config, network string) error {
	return errdefs.NotFound("container %q is not connected to network %q", c.Name, network)
}

// OthersExec is the ErrConflict for an exec session whose ID another container's has.
func OthersExec(s *container.ExecSession, owner string) error {
	return errdefs.Conflict("exec session %s is of container %s, not of %s", s.ID, owner, s.Container)
}

// OtherKind is the ErrOtherKind for opening a database with another back end than it was made with.
func OtherKind(file, is, wanted string) error {
	return errdefs.New(errdefs.ErrConflict, "%s is %w: it is a %s database, not a %s one: ask for %s (database_backend, --db-backend), or convert it with \"berth system migrate --db-backend %s\"",
		file, store.ErrOtherKind, is, wanted, is, wanted)
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
