package rules

import (
	"encoding/json"
	"math"
	"time"

	"github.com/berth-engine/berth/errdefs"
)

// Encode makes the JSON of a record.
func Encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, errdefs.Internal("a record cannot be encoded: %w", err)
	}
	return b, nil
}

// Nanos is t in nanoseconds since 1970, as near as they reach.
func Nanos(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}
