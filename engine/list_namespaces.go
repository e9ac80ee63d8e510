package engine

import (
	"os"
	"strconv"
	"strings"

	"github.com/berth-engine/berth/container"
)

// NamespaceIDs are the inode numbers of the namespaces of a container's first process, as lsns(8) shows them; empty where the container
// does not run.
type NamespaceIDs struct{ Cgroup, IPC, Mount, Network, PID, User, UTS string }

// namespaceIDs reads them from /proc/PID/ns (namespaces(7)).
func (e *Engine) namespaceIDs(c *container.Container) NamespaceIDs {
	if !c.State.Status.Alive() {
		return NamespaceIDs{}
	}
	id := func(kind string) string {
		link, err := os.Readlink("/proc/" + strconv.Itoa(c.State.PID) + "/ns/" + kind)
		if err != nil {
			return ""
		}
		_, number, _ := strings.Cut(link, ":")
		return strings.Trim(number, "[]")
	}
	ids := NamespaceIDs{
		Cgroup: id("cgroup"), IPC: id("ipc"), Mount: id("mnt"), Network: id("net"), PID: id("pid"), User: id("user"), UTS: id("uts"),
	}
	if !e.alive(c.State) {
		return NamespaceIDs{} // they may have been another process's by now
	}
	return ids
}
