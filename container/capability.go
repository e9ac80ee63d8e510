package container

import (
	"slices"
	"strings"
	"sync"

	"github.com/moby/sys/capability"

	"github.com/berth-engine/berth/errdefs"
)

// AllCapabilities is the word for all of them.
const AllCapabilities = "ALL"

// knownCapabilities are the names of capabilities(7), in kernel order.
var knownCapabilities = sync.OnceValue(func() []string {
	var names []string
	for _, c := range capability.ListKnown() {
		names = append(names, "CAP_"+strings.ToUpper(c.String()))
	}
	return names
})

// ParseCapability returns a capability's name as CAP_NAME in capitals, or ALL. The prefix and the case are left to the user.
// ErrInvalidArgument for a name that capabilities(7) does not have.
func ParseCapability(s string) (string, error) {
	name := strings.ToUpper(strings.TrimSpace(s))
	if name == AllCapabilities || name == "CAP_ALL" {
		return AllCapabilities, nil
	}
	if !strings.HasPrefix(name, "CAP_") {
		name = "CAP_" + name
	}
	if !slices.Contains(knownCapabilities(), name) {
		return "", errdefs.Invalid("unknown capability %q: capabilities(7) lists them, as in NET_ADMIN or CAP_NET_ADMIN", s)
	}
	return name, nil
}

// ParseCapabilities parses a list, each element of which may be a list itself with commas, and returns each name once.
func ParseCapabilities(list []string) ([]string, error) {
	var names []string
	for _, element := range list {
		for s := range strings.SplitSeq(element, ",") {
			name, err := ParseCapability(s)
			if err != nil {
				return nil, err
			}
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names, nil
}
