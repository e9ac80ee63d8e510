package image

import (
	"go.podman.io/image/v5/pkg/sysregistriesv2"

	"github.com/berth-engine/berth/errdefs"
)

// Registries returns what registries.conf(5) says: the registries tried, in this order, for a name without one, and the
// prefixes of names that are blocked. ErrInvalidArgument if the file cannot be read.
func (s *Store) Registries() (search, blocked []string, err error) {
	sys := s.systemContext(Access{}, "")
	if search, err = sysregistriesv2.UnqualifiedSearchRegistries(sys); err != nil {
		return nil, nil, errdefs.Invalid("registries.conf: %w", err)
	}
	all, err := sysregistriesv2.GetRegistries(sys)
	if err != nil {
		return nil, nil, errdefs.Invalid("registries.conf: %w", err)
	}
	for _, r := range all {
		if r.Blocked {
			blocked = append(blocked, r.Prefix)
		}
	}
	return search, blocked, nil
}
