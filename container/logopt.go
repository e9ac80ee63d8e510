package container

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-engine/berth/errdefs"
)

// logDrivers are the drivers that Berth has.
var logDrivers = []string{"k8s-file", "json-file", "none"}

// CheckLogDriver checks a driver's name. ErrNotImplemented for those of other engines, ErrInvalidArgument for unknown ones.
func CheckLogDriver(name string) error {
	if slices.Contains(logDrivers, name) {
		return nil
	}
	known := strings.Join(logDrivers, ", ")
	for _, other := range []string{"journald", "passthrough", "passthrough-tty", "syslog", "local", "fluentd", "gelf", "awslogs", "splunk", "gcplogs", "etwlogs", "logentries"} {
		if name == other {
			return errdefs.NotImplemented("log driver %s is not supported: use one of %s", name, known)
		}
	}
	return errdefs.Invalid("unknown log driver %q: known are %s", name, known)
}

// Apply adds one --log-opt, KEY=VALUE: max-size (bytes with a unit; 0 or -1 for no bound), max-file, path, tag; env, labels and
// their kin select nothing in these drivers' formats and are refused. ErrInvalidArgument.
func (l *Log) Apply(option string) error {
	key, value, ok := strings.Cut(option, "=")
	if !ok || value == "" {
		return errdefs.Invalid("log option %q is not of the form KEY=VALUE, as in max-size=10m", option)
	}
	switch key {
	case "max-size":
		n, err := ParseSizeOrUnlimited(value)
		if err != nil {
			return errdefs.Invalid("log option %q: %w", option, err)
		}
		l.MaxSize = max(n, 0)
	case "max-file":
		n, err := strconv.ParseUint(value, 10, 16)
		if err != nil || n == 0 {
			return errdefs.Invalid("log option %q: the number of files is a number from 1 on", option)
		}
		l.MaxFiles = int(n)
	case "path":
		if !filepath.IsAbs(value) || strings.ContainsRune(value, 0) {
			return errdefs.Invalid("log option %q: the path is not absolute", option)
		}
		l.Path = filepath.Clean(value)
	case "tag":
		if strings.ContainsAny(value, "\n\r\x00") {
			return errdefs.Invalid("log option %q: a tag is one line", option)
		}
		l.Tag = value
	default:
		return errdefs.Invalid("unknown log option %q: known are max-size, max-file, path and tag", key)
	}
	return nil
}
