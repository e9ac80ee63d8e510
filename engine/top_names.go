package engine

import (
	"os"
	"strconv"
	"strings"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/host"
	"github.com/berth-engine/berth/rootfs"
)

// topNames are the names of users and groups for Top: the container's by the IDs in the container, the host's by those of the host.
type topNames struct {
	uidMap, gidMap        []container.IDMap
	users, groups         map[int]string
	hostUsers, hostGroups map[int]string
	lastCapability        uint64 // number of the highest that the kernel has
}

// topNames reads the names. The host's files are read as they are: no directory service is asked.
func (e *Engine) topNames(c *container.Container) *topNames {
	n := &topNames{uidMap: c.Config.Namespaces.UIDMap, gidMap: c.Config.Namespaces.GIDMap}
	n.hostUsers, n.hostGroups = idNames(text("/etc/passwd")), idNames(text("/etc/group"))
	n.lastCapability, _ = strconv.ParseUint(strings.TrimSpace(text("/proc/sys/kernel/cap_last_cap")), 10, 6)
	root, err := rootfs.OpenRoot(e.paths.rootfs(&c.Config))
	if err != nil {
		return n
	}
	defer root.Close()
	if passwd, group, err := rootfs.ReadUserFiles(root); err == nil {
		n.users, n.groups = idNames(string(passwd)), idNames(string(group))
	}
	return n
}

// idNames are the names by ID of passwd(5) or group(5), both of which have the ID in the third field. The first name of an ID counts.
func idNames(file string) map[int]string {
	names := map[int]string{}
	for line := range strings.Lines(file) {
		f := strings.Split(line, ":")
		if len(f) < 3 {
			continue
		}
		if id, err := strconv.Atoi(f[2]); err == nil && names[id] == "" {
			names[id] = f[0]
		}
	}
	return names
}

// inside is an ID of the host as the container has it, the overflow ID if it has none (user_namespaces(7)).
func inside(id int, maps []container.IDMap) int {
	if len(maps) == 0 {
		return id
	}
	for _, m := range maps {
		if offset := int64(id) - m.HostID; offset >= 0 && offset < m.Size {
			return int(m.ContainerID + offset)
		}
	}
	return overflowID
}

// overflowID stands for an ID that is not mapped.
const overflowID = 65534

// nameOf is the name of an ID, or the ID.
func nameOf(id int, names map[int]string) string {
	if name := names[id]; name != "" {
		return name
	}
	return strconv.Itoa(id)
}

// namesOf are the names of IDs of the host, translated first by maps, with commas between them.
func namesOf(ids string, maps []container.IDMap, names map[int]string) string {
	var list []string
	for field := range strings.FieldsSeq(ids) {
		if id, err := strconv.Atoi(field); err == nil {
			list = append(list, nameOf(inside(id, maps), names))
		}
	}
	return strings.Join(list, ",")
}

// capabilities is a set of /proc/PID/status in words: none, full, or the names with commas between them.
func (n *topNames) capabilities(set string) string {
	mask, err := strconv.ParseUint(set, 16, 64)
	if err != nil {
		return "?"
	}
	if mask == 0 {
		return "none"
	}
	if full := uint64(1)<<(n.lastCapability+1) - 1; n.lastCapability > 0 && mask&full == full {
		return "full"
	}
	names := host.CapabilityNames(mask)
	for i := range names {
		names[i] = strings.TrimPrefix(names[i], "CAP_")
	}
	return strings.Join(names, ",")
}

// securityLabel is a process's label of the host's security module; "?" where there is none.
func securityLabel(pid int) string {
	label, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/attr/current")
	if text := strings.Trim(string(label), "\x00\n"); err == nil && text != "" {
		return text
	}
	return "?"
}
