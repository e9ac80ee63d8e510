package container

import (
	"strconv"
	"strings"

	"github.com/berth-engine/berth/errdefs"
)

// The names of restart policies.
const (
	RestartNo            = "no"
	RestartAlways        = "always"
	RestartOnFailure     = "on-failure"
	RestartUnlessStopped = "unless-stopped"
)

// ParseRestart parses --restart: no, always, on-failure[:RETRIES] or unless-stopped. ErrInvalidArgument.
func ParseRestart(s string) (RestartPolicy, error) {
	name, retries, bounded := strings.Cut(s, ":")
	switch name {
	case "", RestartNo, RestartAlways, RestartUnlessStopped:
		if bounded {
			return RestartPolicy{}, errdefs.Invalid("restart policy %q: only on-failure has a number of retries", s)
		}
		return RestartPolicy{Name: name}, nil
	case RestartOnFailure:
		if !bounded {
			return RestartPolicy{Name: name}, nil
		}
		n, err := strconv.ParseUint(retries, 10, 31)
		if err != nil {
			return RestartPolicy{}, errdefs.Invalid("restart policy %q: the number of retries is a number from 0 on, as in on-failure:3", s)
		}
		return RestartPolicy{Name: name, MaxRetries: uint(n)}, nil
	}
	return RestartPolicy{}, errdefs.Invalid("restart policy %q is unknown: no, always, on-failure[:RETRIES] and unless-stopped are known", s)
}
