package container

import (
	"slices"
	"time"
)

// HealthResult is the outcome of the health checks so far.
type HealthResult struct {
	Status        string `json:"status"` // HealthStarting, HealthHealthy or HealthUnhealthy
	FailingStreak int    `json:"failingStreak"`
	// Log are the last checks, at most HealthLogLength, the oldest first.
	Log []HealthCheck `json:"log,omitempty"`
}

// The words for a container's health.
const (
	HealthStarting  = "starting"
	HealthHealthy   = "healthy"
	HealthUnhealthy = "unhealthy"
)

// What is kept of the checks: podman's numbers.
const (
	HealthLogLength = 5
	HealthLogOutput = 500 // bytes of each check's output
)

// HealthCheck is one check that was made.
type HealthCheck struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
	// ExitCode is the command's; -1 if it could not be run or took too long.
	ExitCode int    `json:"exitCode"`
	Output   string `json:"output,omitempty"`
}

// Checks reports whether there is something to be run.
func (h *Health) Checks() bool {
	return h != nil && len(h.Test) > 0 && h.Test[0] != "NONE" && h.Test[0] != ""
}

// Command is what a check runs; CMD-SHELL's by the image's convention with /bin/sh.
func (h *Health) Command() []string {
	switch h.Test[0] {
	case "CMD":
		return h.Test[1:]
	case "CMD-SHELL":
		return append([]string{"/bin/sh", "-c"}, h.Test[1:]...)
	}
	return h.Test
}

// After returns the result with one more check: starting stays what it is while checks fail within the start period, which begins at started;
// the retries-th failure in a row is unhealthy, one success healthy (Docker, HEALTHCHECK). r may be nil.
func (r *HealthResult) After(c HealthCheck, h *Health, started time.Time) *HealthResult {
	next := HealthResult{Status: HealthStarting}
	if r != nil {
		next = *r
	}
	log := append(slices.Clone(next.Log), c)
	next.Log = log[max(0, len(log)-HealthLogLength):]
	switch {
	case c.ExitCode == 0:
		next.Status, next.FailingStreak = HealthHealthy, 0
	case next.Status == HealthStarting && c.Start.Sub(started) < h.StartPeriod:
	default:
		next.FailingStreak++
		if next.FailingStreak >= max(h.Retries, 1) {
			next.Status = HealthUnhealthy
		}
	}
	return &next
}
