package container

import (
	"strings"

	"github.com/berth-engine/berth/errdefs"
)

// ParseVolume parses -v: SOURCE:DESTINATION[:OPTIONS], or DESTINATION alone for an anonymous volume. A source that begins with
// a slash or a dot is a path of the host, relative ones to cwd; any other is a volume's name. A colon in a path is written \:.
// Options, with commas between them, are ro, rw, z, Z, U, nocopy, copy, idmap, bind, rbind, a propagation, and what mount(8)
// knows for any file system. ErrInvalidArgument, or ErrNotImplemented for podman's overlay option.
func ParseVolume(s, cwd string) (Mount, error) {
	fields := splitEscaped(s)
	var source, destination, options string
	switch len(fields) {
	case 1:
		destination = fields[0]
	case 2:
		source, destination = fields[0], fields[1]
	case 3:
		source, destination, options = fields[0], fields[1], fields[2]
	default:
		return Mount{}, errdefs.Invalid("volume %q has more than three parts: it is [SOURCE:]DESTINATION[:OPTIONS], and a colon in a path is written \\:", s)
	}
	if len(fields) > 1 && source == "" {
		return Mount{}, errdefs.Invalid("volume %q has an empty source: leave out the colon for an anonymous volume", s)
	}
	m, err := sourceMount(s, source, cwd)
	if err != nil {
		return Mount{}, err
	}
	if m.Destination, err = checkDestination("volume", s, destination); err != nil {
		return Mount{}, err
	}
	return m, m.applyAll(s, options)
}

// splitEscaped splits at the colons that no backslash precedes.
func splitEscaped(s string) []string {
	var fields []string
	var field strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == ':':
			field.WriteByte(':')
			i++
		case s[i] == ':':
			fields = append(fields, field.String())
			field.Reset()
		default:
			field.WriteByte(s[i])
		}
	}
	return append(fields, field.String())
}

// sourceMount is a bind mount of a path, or a volume.
func sourceMount(value, source, cwd string) (Mount, error) {
	if strings.ContainsRune(source, 0) {
		return Mount{}, errdefs.Invalid("volume %q: a path cannot hold a zero byte", value)
	}
	if strings.HasPrefix(source, "/") || strings.HasPrefix(source, ".") {
		return Mount{Type: Bind, Source: hostPath(source, cwd)}, nil
	}
	if source == "" {
		return Mount{Type: Volume}, nil
	}
	if err := CheckName(source); err != nil {
		return Mount{}, errdefs.Invalid("volume %q: %q is neither a path, which begins with / or ./, nor a volume's name: %w", value, source, err)
	}
	return Mount{Type: Volume, Source: source}, nil
}

func (m *Mount) applyAll(value, options string) error {
	list := strings.Split(options, ",")
	if err := checkOptions("volume", value, list); err != nil {
		return err
	}
	for _, o := range list {
		ok, err := m.apply(o)
		if err != nil {
			return err
		}
		if !ok {
			return errdefs.Invalid("volume %q: unknown option %q", value, o)
		}
	}
	return m.checkType("volume", value)
}

// checkType refuses options that the type of mount has no use for.
func (m *Mount) checkType(flag, value string) error {
	if m.Type == Bind && m.NoCopy {
		return errdefs.Invalid("%s %q: nocopy is for volumes, and a directory of the host is never filled", flag, value)
	}
	return nil
}
