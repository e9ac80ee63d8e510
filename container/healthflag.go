package container

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/berth-engine/berth/errdefs"
)

// healthActions are what can be done when a container becomes unhealthy.
var healthActions = []string{"none", "kill", "restart", "stop"}

// ParseHealthCommand parses --health-cmd: a JSON list of words is a command, or begins with CMD, CMD-SHELL or NONE as an image's
// does; "none" is no check; anything else is for the shell. ErrInvalidArgument.
func ParseHealthCommand(s string) ([]string, error) {
	text := strings.TrimSpace(s)
	if text == "" {
		return nil, errdefs.Invalid("the health command is empty: --no-healthcheck disables the check")
	}
	if strings.EqualFold(text, "none") {
		return []string{"NONE"}, nil
	}
	if !strings.HasPrefix(text, "[") {
		return []string{"CMD-SHELL", s}, nil
	}
	var words []string
	if err := json.Unmarshal([]byte(text), &words); err != nil {
		// [ is a command of its own: test(1).
		return []string{"CMD-SHELL", s}, nil
	}
	if len(words) == 0 {
		return nil, errdefs.Invalid("the health command %q has no words", s)
	}
	switch words[0] {
	case "NONE":
		return []string{"NONE"}, nil
	case "CMD":
		if len(words) == 1 {
			return nil, errdefs.Invalid("the health command %q has no words after CMD", s)
		}
		return words, nil
	case "CMD-SHELL":
		if len(words) != 2 {
			return nil, errdefs.Invalid("the health command %q has not one string after CMD-SHELL", s)
		}
		return words, nil
	}
	return append([]string{"CMD"}, words...), nil
}

// ParseHealthDuration parses the durations of the --health flags: Go's, as in 1m30s; "disable" is zero. ErrInvalidArgument for a
// negative one and one below a millisecond.
func ParseHealthDuration(flag, s string) (time.Duration, error) {
	if s == "disable" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, errdefs.Invalid("--%s %q is not a duration, as in 30s or 1m30s", flag, s)
	}
	if d < 0 || d > 0 && d < time.Millisecond {
		return 0, errdefs.Invalid("--%s %q: the least is a millisecond", flag, s)
	}
	return d, nil
}

// Validate checks a health check. ErrInvalidArgument.
func (h Health) Validate() error {
	if h.Retries < 0 {
		return errdefs.Invalid("the number of retries of the health check, %d, is negative", h.Retries)
	}
	for name, d := range map[string]time.Duration{
		"interval": h.Interval, "timeout": h.Timeout, "start period": h.StartPeriod, "start interval": h.StartInterval,
	} {
		if d < 0 || d > 0 && d < time.Millisecond {
			return errdefs.Invalid("the %s of the health check, %v, is below a millisecond", name, d)
		}
	}
	if h.OnFailure == "" {
		return nil
	}
	for _, action := range healthActions {
		if h.OnFailure == action {
			return nil
		}
	}
	return errdefs.Invalid("action on a failed health check %q is unknown: known are %s", h.OnFailure, strings.Join(healthActions, ", "))
}
