package container

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/berth-engine/berth/errdefs"
)

// timeLayouts are the forms of a time besides seconds and durations. Those without a zone are in the zone of now.
var timeLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02Z07:00",
	"2006-01-02", "2006-01-02 15:04:05.999999999 -0700 MST", "2006-01-02 15:04:05.999999999",
}

// ParseTime parses a point in time as --since, --until and the filter until take it: a date with or without a time and a zone
// (RFC 3339), seconds since 1970 with decimals, or a duration before now, as in 10m. ErrInvalidArgument.
func ParseTime(s string, now time.Time) (time.Time, error) {
	for _, layout := range timeLayouts {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	if t, ok := unixTime(s); ok {
		return t, nil
	}
	if d, err := time.ParseDuration(s); err == nil {
		return now.Add(-d), nil
	}
	return time.Time{}, errdefs.Invalid("time %q is neither a date (2006-01-02T15:04:05Z), nor seconds since 1970, nor a duration before now (1h30m)", s)
}

// unixTime parses seconds with up to nine decimals.
func unixTime(s string) (time.Time, bool) {
	whole, fraction, hasFraction := strings.Cut(s, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || seconds > math.MaxInt32*int64(1000) || seconds < math.MinInt32 {
		return time.Time{}, false
	}
	if !hasFraction {
		return time.Unix(seconds, 0), true
	}
	if len(fraction) == 0 || len(fraction) > 9 {
		return time.Time{}, false
	}
	nanos, err := strconv.ParseUint(fraction+strings.Repeat("0", 9-len(fraction)), 10, 64)
	if err != nil || strings.HasPrefix(whole, "-") {
		return time.Time{}, false
	}
	return time.Unix(seconds, int64(nanos)), true
}
