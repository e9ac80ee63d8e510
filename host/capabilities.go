package host

import (
	"strings"

	"github.com/moby/sys/capability"
)

// CapabilityNames are the names of the bits of a set of /proc/PID/status, in kernel order. A capability newer than this
// program has no name yet and is left out.
func CapabilityNames(set uint64) []string {
	var names []string
	for _, c := range capability.ListKnown() {
		if set&(1<<uint(c)) != 0 {
			names = append(names, "CAP_"+strings.ToUpper(c.String()))
		}
	}
	return names
}
