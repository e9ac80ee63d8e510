package container

import (
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berth-engine/berth/errdefs"
)

// propagations are the ways in which mounts made later spread (mount_namespaces(7)).
var propagations = []string{"private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable"}

// exclusive are groups of mount options of which a mount has at most one.
var exclusive = [][]string{
	{"ro", "rw"}, {"z", "Z"}, {"copy", "nocopy"}, {"exec", "noexec"}, {"suid", "nosuid"}, {"dev", "nodev"}, {"bind", "rbind"},
	propagations,
	{"tmpcopyup", "notmpcopyup"},
	{"relatime", "norelatime", "strictatime", "nostrictatime"},
	{"atime", "noatime"}, {"diratime", "nodiratime"}, {"sync", "async"},
}

// plain are the options that go to mount(8) as they are, for any type of mount.
var plain = []string{
	"exec", "noexec", "suid", "nosuid", "dev", "nodev", "private", "rprivate", "shared", "rshared", "slave", "rslave",
	"unbindable", "runbindable", "relatime", "norelatime", "strictatime", "nostrictatime", "atime", "noatime", "diratime",
	"nodiratime", "sync", "async",
}

// consistencies are Docker Desktop's; they say nothing on Linux.
var consistencies = []string{"consistent", "cached", "delegated", "default"}

// checkOptions refuses options that contradict each other and repeated ones. flag and value are for the message.
func checkOptions(flag, value string, options []string) error {
	for _, group := range exclusive {
		found := ""
		for _, o := range options {
			if !slices.Contains(group, o) {
				continue
			}
			if found != "" {
				return errdefs.Invalid("%s %q has both %s and %s: leave one out", flag, value, found, o)
			}
			found = o
		}
	}
	return nil
}

// apply sets what an option that volumes and bind mounts share says. ok is false for an option that is none of them.
func (m *Mount) apply(option string) (ok bool, err error) {
	switch {
	case option == "ro" || option == "readonly":
		m.ReadOnly = true
	case option == "rw":
		m.ReadOnly = false
	case option == "z" || option == "Z":
		m.Relabel = option
	case option == "U":
		m.Chown = true
	case option == "idmap":
		m.IDMap = true
	case strings.HasPrefix(option, "idmap="):
		return true, errdefs.NotImplemented("mount option %q: maps of a mount's own are not supported, only idmap, which uses the container's", option)
	case option == "nocopy":
		m.NoCopy = true
	case option == "copy", option == "", slices.Contains(consistencies, option):
	case option == "bind", option == "rbind", slices.Contains(plain, option):
		m.Options = append(m.Options, option)
	case option == "O", strings.HasPrefix(option, "upperdir="), strings.HasPrefix(option, "workdir="):
		return true, errdefs.NotImplemented("mount option %q: an overlay over a volume is not supported; mount it read-only (ro), or copy it", option)
	default:
		return false, nil
	}
	return true, nil
}

// checkDestination returns a clean path in the container.
func checkDestination(flag, value, destination string) (string, error) {
	switch {
	case destination == "":
		return "", errdefs.Invalid("%s %q names no directory in the container to mount at", flag, value)
	case !path.IsAbs(destination):
		return "", errdefs.Invalid("%s %q: %q is not an absolute path, and the container has no other", flag, value, destination)
	case path.Clean(destination) == "/":
		return "", errdefs.Invalid("%s %q: nothing can be mounted on the root directory of the container", flag, value)
	case strings.ContainsRune(destination, 0):
		return "", errdefs.Invalid("%s %q: a path cannot hold a zero byte", flag, value)
	}
	return path.Clean(destination), nil
}

// hostPath makes a path of the host absolute.
func hostPath(p, cwd string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(cwd, p)
}
