package main

import (
	"strings"
	"time"

	"github.com/docker/go-units"
)

// shortIDLen is how many digits of an ID are shown without --no-trunc.
const shortIDLen = 12

// shortID is an ID as tables show it. A "sha256:" before it goes too.
func shortID(id string, noTrunc bool) string {
	if noTrunc {
		return id
	}
	id = strings.TrimPrefix(id, "sha256:")
	if len(id) > shortIDLen {
		return id[:shortIDLen]
	}
	return id
}

// ago is how long before now t was, in words: "3 minutes ago". Empty for the zero time.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return units.HumanDuration(max(now.Sub(t), 0)) + " ago"
}

// humanSize is a number of bytes in decimal units with three digits: 4.21MB.
func humanSize(bytes int64) string {
	return units.HumanSizeWithPrecision(float64(bytes), 3)
}

// binarySize is a number of bytes in binary units with four digits: 4.014MiB.
func binarySize(bytes int64) string { return units.BytesSize(float64(bytes)) }

// stamp is a time as Docker's and podman's CreatedAt show it.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05 -0700 MST")
}
