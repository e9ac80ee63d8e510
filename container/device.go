package container

import (
	"path"
	"strings"

	"github.com/berth-engine/berth/errdefs"
)

// ParseDevice parses --device: SOURCE[:DESTINATION][:ACCESS], with ACCESS a subset of rwm (all of it by default). SOURCE may be
// a directory, of which every device is meant; whether it is, the engine looks up. ErrInvalidArgument, or ErrNotImplemented for
// a device of the Container Device Interface.
func ParseDevice(s string) (Device, error) {
	if !strings.HasPrefix(s, "/") {
		if vendor, _, ok := strings.Cut(s, "="); ok && strings.Contains(vendor, "/") {
			return Device{}, errdefs.NotImplemented("device %q: devices of the Container Device Interface are not supported; name the device's path", s)
		}
		return Device{}, errdefs.Invalid("device %q does not begin with an absolute path, as in /dev/fuse", s)
	}
	fields := strings.Split(s, ":")
	d := Device{Source: path.Clean(fields[0]), Destination: path.Clean(fields[0]), Access: "rwm"}
	switch len(fields) {
	case 1:
	case 2:
		if isAccess(fields[1]) {
			d.Access = fields[1]
		} else {
			d.Destination = fields[1]
		}
	case 3:
		d.Destination, d.Access = fields[1], fields[2]
	default:
		return Device{}, errdefs.Invalid("device %q has more than three parts: it is SOURCE[:DESTINATION][:ACCESS]", s)
	}
	if !isAccess(d.Access) {
		return Device{}, errdefs.Invalid("device %q: access %q is not made of r (read), w (write) and m (make a node)", s, d.Access)
	}
	if !path.IsAbs(d.Destination) || strings.ContainsRune(s, 0) {
		return Device{}, errdefs.Invalid("device %q: %q is neither an absolute path in the container nor an access of r, w and m", s, d.Destination)
	}
	d.Destination = path.Clean(d.Destination)
	return d, nil
}

// isAccess reports whether s has each of r, w and m at most once, and nothing else.
func isAccess(s string) bool {
	return s != "" && strings.Trim(s, "rwm") == "" &&
		strings.Count(s, "r") <= 1 && strings.Count(s, "w") <= 1 && strings.Count(s, "m") <= 1
}
