package main

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/berth-engine/berth/errdefs"
)

// timeLayouts are the forms of a time that people write, the zone's being local where none is given.
var timeLayouts = []string{
	time.RFC3339Nano,
	"2006-01-02T15:04:05.999999999",
	"2006-01-02T15:04Z07:00",
	"2006-01-02T15:04",
	"2006-01-02 15:04:05.999999999 -0700 MST",
	"2006-01-02 15:04:05.999999999",
	"2006-01-02Z07:00",
	"2006-01-02",
}

// parseTime reads a time as Docker and podman take it: a date with or without time and zone, a number of seconds since 1970
// with an optional fraction, or a duration before now. ErrInvalidArgument.
func parseTime(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil && strings.ContainsAny(text, "hmsuµn") {
		return now.Add(-d), nil
	}
	if t, ok := parseSeconds(text); ok {
		return t, nil
	}
	for _, layout := range timeLayouts {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errdefs.Invalid("%q is not a time, such as 2006-01-02T15:04:05, 1136073845 or 10m", text)
}

// parseSeconds reads seconds since 1970 with up to nine digits of a fraction.
func parseSeconds(text string) (time.Time, bool) {
	whole, fraction, _ := strings.Cut(text, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || seconds < 0 || seconds > math.MaxInt64/2 || len(fraction) > 9 {
		return time.Time{}, false
	}
	var nanos int64
	if fraction != "" {
		n, err := strconv.ParseUint(fraction+strings.Repeat("0", 9-len(fraction)), 10, 32)
		if err != nil {
			return time.Time{}, false
		}
		nanos = int64(n)
	}
	return time.Unix(seconds, nanos), true
}
