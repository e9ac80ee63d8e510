package host

import "golang.org/x/sys/unix"

// limitNumbers are the limits of getrlimit(2) by the names that --ulimit uses.
var limitNumbers = map[string]int{
	"as":         unix.RLIMIT_AS,
	"core":       unix.RLIMIT_CORE,
	"cpu":        unix.RLIMIT_CPU,
	"data":       unix.RLIMIT_DATA,
	"fsize":      unix.RLIMIT_FSIZE,
	"locks":      unix.RLIMIT_LOCKS,
	"memlock":    unix.RLIMIT_MEMLOCK,
	"msgqueue":   unix.RLIMIT_MSGQUEUE,
	"nice":       unix.RLIMIT_NICE,
	"nofile":     unix.RLIMIT_NOFILE,
	"nproc":      unix.RLIMIT_NPROC,
	"rss":        unix.RLIMIT_RSS,
	"rtprio":     unix.RLIMIT_RTPRIO,
	"rttime":     unix.RLIMIT_RTTIME,
	"sigpending": unix.RLIMIT_SIGPENDING,
	"stack":      unix.RLIMIT_STACK,
}

// processLimits are this process's limits. Go raises the soft limit of open files of its own process to the hard one, and
// that is what is seen here.
func processLimits() map[string]Limit {
	limits := make(map[string]Limit, len(limitNumbers))
	for name, number := range limitNumbers {
		var r unix.Rlimit
		if unix.Prlimit(0, number, nil, &r) == nil {
			limits[name] = Limit{Soft: fromRlimit(r.Cur), Hard: fromRlimit(r.Max)}
		}
	}
	return limits
}

func fromRlimit(n uint64) int64 {
	if n > 1<<63-1 { // RLIM_INFINITY, and what nobody can reach
		return -1
	}
	return int64(n)
}

// Clamp returns the limit nearest to want that a process started from here may have, and whether that differs from want.
// Without CAP_SYS_RESOURCE no limit can be raised above its hard value; with it, open files still end at fs.nr_open. A soft
// limit above the hard one is lowered to it. A limit that the facts say nothing of is returned as it is.
func (f Facts) Clamp(name string, want Limit) (got Limit, clamped bool) {
	got = want
	if ceiling, bounded := f.ceiling(name); bounded {
		got.Hard = lower(got.Hard, ceiling)
	}
	got.Soft = lower(got.Soft, got.Hard)
	return got, got != want
}

// ceiling is the highest hard limit that can be set.
func (f Facts) ceiling(name string) (int64, bool) {
	if !f.CanRaiseLimits {
		l, known := f.Limits[name]
		return l.Hard, known
	}
	if name == "nofile" && f.NROpen > 0 {
		return f.NROpen, true
	}
	return -1, false
}

// lower is the smaller of two limits of which -1 is the largest.
func lower(a, b int64) int64 {
	if a == -1 || b != -1 && b < a {
		return b
	}
	return a
}
