package container

import (
	"slices"
	"strconv"
	"strings"

	"github.com/berth-engine/berth/errdefs"
)

// limitNames are the limits of setrlimit(2).
var limitNames = []string{
	"as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime",
	"sigpending", "stack",
}

// HostLimits is the word that stands for the limits of who starts the container.
const HostLimits = "host"

// ParseUlimit parses --ulimit: NAME=SOFT[:HARD], each a number, or -1 or unlimited. Without HARD it is as SOFT.
// ErrInvalidArgument; the word HostLimits is the caller's to see first.
func ParseUlimit(s string) (Rlimit, error) {
	name, values, ok := strings.Cut(s, "=")
	name = strings.TrimPrefix(strings.ToLower(name), "rlimit_")
	if !ok {
		return Rlimit{}, errdefs.Invalid("ulimit %q is not of the form NAME=SOFT[:HARD], as in nofile=1024:4096", s)
	}
	if !slices.Contains(limitNames, name) {
		return Rlimit{}, errdefs.Invalid("ulimit %q: unknown limit %q; known are %s", s, name, strings.Join(limitNames, ", "))
	}
	soft, hard, both := strings.Cut(values, ":")
	if !both {
		hard = soft
	}
	r := Rlimit{Name: name, Asked: true}
	var ok1, ok2 bool
	r.Soft, ok1 = limitValue(soft)
	r.Hard, ok2 = limitValue(hard)
	if !ok1 || !ok2 {
		return Rlimit{}, errdefs.Invalid("ulimit %q: a limit is a number, or -1 for unlimited", s)
	}
	if r.Hard != -1 && (r.Soft == -1 || r.Soft > r.Hard) {
		return Rlimit{}, errdefs.Invalid("ulimit %q: the soft limit is above the hard one", s)
	}
	return r, nil
}

func limitValue(s string) (int64, bool) {
	if s == "unlimited" {
		return -1, true
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= -1
}
