package container

import (
	"path"
	"strconv"
	"strings"

	"github.com/berth-engine/berth/errdefs"
)

// Unconfined is the word for no profile.
const Unconfined = "unconfined"

// Apply adds one --security-opt: seccomp=PROFILE, apparmor=PROFILE, label=OPTION, no-new-privileges[=BOOL], mask=PATHS,
// unmask=PATHS or unmask=ALL, systempaths=unconfined; a colon instead of the first equals sign is the older form. PATHS have
// colons between them. Of a seccomp profile only the path is noted; who calls reads it. ErrInvalidArgument.
func (s *Security) Apply(option string) error {
	key, value, hasValue := cutOption(option)
	if key == "no-new-privileges" {
		return s.setNoNewPrivileges(option, value, hasValue)
	}
	if value == "" {
		return errdefs.Invalid("security option %q has no value: it is KEY=VALUE, as in seccomp=unconfined", option)
	}
	switch key {
	case "seccomp":
		s.Seccomp, s.SeccompProfile = value, ""
		if value == "builtin" || value == "default" {
			s.Seccomp = ""
		}
	case "apparmor":
		s.AppArmor = value
	case "label":
		return s.addLabel(option, value)
	case "mask":
		return s.addPaths(option, value, &s.Mask)
	case "unmask":
		if strings.EqualFold(value, AllCapabilities) {
			s.Unmask = append(s.Unmask, AllCapabilities)
			return nil
		}
		return s.addPaths(option, value, &s.Unmask)
	case "systempaths":
		if value != Unconfined {
			return errdefs.Invalid("security option %q: the only value of systempaths is unconfined", option)
		}
		s.Unmask = append(s.Unmask, AllCapabilities)
	case "proc-opts":
		return errdefs.NotImplemented("security option %q: options of /proc are not supported", option)
	default:
		return errdefs.Invalid("security option %q is unknown: seccomp, apparmor, label, no-new-privileges, mask, unmask and systempaths are known", option)
	}
	return nil
}

// cutOption cuts at the first equals sign or colon.
func cutOption(option string) (key, value string, hasValue bool) {
	i := strings.IndexAny(option, "=:")
	if i < 0 {
		return option, "", false
	}
	return option[:i], option[i+1:], true
}

func (s *Security) setNoNewPrivileges(option, value string, hasValue bool) error {
	on := true
	if hasValue {
		var err error
		if on, err = strconv.ParseBool(value); err != nil {
			return errdefs.Invalid("security option %q: no-new-privileges is true or false", option)
		}
	}
	s.NoNewPrivileges = on
	return nil
}

func (s *Security) addLabel(option, value string) error {
	key, v, hasValue := strings.Cut(value, ":")
	switch key {
	case "disable", "nested":
		if hasValue {
			return errdefs.Invalid("security option %q: %s takes no value", option, key)
		}
	case "user", "role", "type", "level", "filetype":
		if v == "" {
			return errdefs.Invalid("security option %q: %s has no value", option, key)
		}
	default:
		return errdefs.Invalid("security option %q: unknown label %q; user, role, type, level, filetype, disable and nested are known", option, key)
	}
	s.Labels = append(s.Labels, value)
	return nil
}

func (s *Security) addPaths(option, value string, list *[]string) error {
	for p := range strings.SplitSeq(value, ":") {
		if !path.IsAbs(p) || strings.ContainsRune(p, 0) {
			return errdefs.Invalid("security option %q: %q is not an absolute path", option, p)
		}
		if _, err := path.Match(p, ""); err != nil {
			return errdefs.Invalid("security option %q: %q is not a pattern: %w", option, p, err)
		}
		*list = append(*list, path.Clean(p))
	}
	return nil
}
