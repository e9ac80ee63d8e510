package image

import (
	"encoding/json"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/berth-engine/berth/errdefs"
)

// Config is an image's configuration as directives change it: the OCI one and what Docker's has beyond it.
type Config struct {
	v1.ImageConfig
	OnBuild []string `json:"OnBuild,omitempty"`
}

// Change applies directives, as in --change 'CMD ["/bin/sh"]', to an image's configuration. They are those of a Dockerfile, or
// podman's form NAME=VALUE. ErrInvalidArgument for an unknown or malformed one; the configuration may be half changed then.
func Change(c *Config, changes []string) error {
	for _, change := range changes {
		name, value := splitChange(change)
		apply, ok := directives[name]
		switch {
		case !ok:
			return errdefs.Invalid("change %q: unknown directive: there are CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR", change)
		case value == "" && name != "CMD" && name != "ENTRYPOINT":
			return errdefs.Invalid("change %q: the directive needs a value", change)
		}
		if err := apply(c, value); err != nil {
			return errdefs.Invalid("change %q: %w", change, err)
		}
	}
	return nil
}

// splitChange splits "NAME VALUE" and "NAME=VALUE".
func splitChange(change string) (name, value string) {
	change = strings.TrimSpace(change)
	end := strings.IndexFunc(change, func(r rune) bool { return r == '=' || unicode.IsSpace(r) })
	if end < 0 {
		return strings.ToUpper(change), ""
	}
	return strings.ToUpper(change[:end]), strings.TrimSpace(change[end+1:])
}

var directives = map[string]func(c *Config, value string) error{
	"CMD":        func(c *Config, v string) error { c.Cmd = commandOf(v); return nil },
	"ENTRYPOINT": func(c *Config, v string) error { c.Entrypoint = commandOf(v); return nil },
	"ENV":        changeEnv,
	"EXPOSE":     changeExpose,
	"LABEL":      changeLabel,
	"STOPSIGNAL": func(c *Config, v string) error { c.StopSignal = v; return nil },
	"USER":       func(c *Config, v string) error { c.User = v; return nil },
	"VOLUME":     changeVolume,
	"WORKDIR":    changeWorkDir,
	"ONBUILD":    func(c *Config, v string) error { c.OnBuild = append(c.OnBuild, v); return nil },
}

// commandOf takes the JSON form, else a line for the shell.
func commandOf(value string) []string {
	var exec []string
	if json.Unmarshal([]byte(value), &exec) == nil {
		return exec
	}
	if value == "" {
		return nil
	}
	return []string{"/bin/sh", "-c", value}
}

func changeEnv(c *Config, value string) error {
	pairs, err := pairsOf(value)
	if err != nil {
		return err
	}
	for _, p := range pairs {
		c.Env = slices.DeleteFunc(c.Env, func(e string) bool { return strings.HasPrefix(e, p[0]+"=") })
		c.Env = append(c.Env, p[0]+"="+p[1])
	}
	return nil
}

func changeLabel(c *Config, value string) error {
	pairs, err := pairsOf(value)
	if err != nil {
		return err
	}
	for _, p := range pairs {
		if c.Labels == nil {
			c.Labels = map[string]string{}
		}
		c.Labels[p[0]] = p[1]
	}
	return nil
}

// pairsOf parses name=value pairs with quotes, and the older form of one name, a space and the value.
func pairsOf(value string) ([][2]string, error) {
	words, err := wordsOf(value)
	if err != nil {
		return nil, err
	}
	if len(words) > 0 && !strings.Contains(words[0], "=") {
		name, rest, ok := strings.Cut(value, " ")
		if !ok {
			return nil, errdefs.Invalid("%q is not of the form name=value", value)
		}
		return [][2]string{{name, strings.TrimSpace(rest)}}, nil
	}
	var pairs [][2]string
	for _, w := range words {
		name, v, ok := strings.Cut(w, "=")
		if !ok || name == "" {
			return nil, errdefs.Invalid("%q is not of the form name=value", w)
		}
		pairs = append(pairs, [2]string{name, v})
	}
	return pairs, nil
}

// wordsOf splits at spaces outside quotes, as a shell does, without expanding anything.
func wordsOf(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	var quote rune
	in, escaped := false, false
	for _, r := range s {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			in, escaped = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			in, quote = true, r
		case quote == 0 && unicode.IsSpace(r):
			if in {
				words = append(words, word.String())
				word.Reset()
			}
			in = false
		default:
			in = true
			word.WriteRune(r)
		}
	}
	if quote != 0 || escaped {
		return nil, errdefs.Invalid("a quote or backslash is not closed")
	}
	if in {
		words = append(words, word.String())
	}
	return words, nil
}

// listOf takes the JSON form, else words.
func listOf(value string) ([]string, error) {
	var list []string
	if json.Unmarshal([]byte(value), &list) == nil {
		return list, nil
	}
	return wordsOf(value)
}

func changeExpose(c *Config, value string) error {
	ports, err := listOf(value)
	if err != nil {
		return err
	}
	for _, p := range ports {
		port, err := exposedPort(p)
		if err != nil {
			return err
		}
		if c.ExposedPorts == nil {
			c.ExposedPorts = map[string]struct{}{}
		}
		c.ExposedPorts[port] = struct{}{}
	}
	return nil
}

// exposedPort is PORT/PROTOCOL of PORT[-PORT][/PROTOCOL].
func exposedPort(p string) (string, error) {
	number, proto, ok := strings.Cut(strings.ToLower(p), "/")
	if !ok {
		proto = "tcp"
	}
	first, last, isRange := strings.Cut(number, "-")
	if !isRange {
		last = first
	}
	a, errA := strconv.ParseUint(first, 10, 16)
	b, errB := strconv.ParseUint(last, 10, 16)
	if errA != nil || errB != nil || a == 0 || b < a || (proto != "tcp" && proto != "udp" && proto != "sctp") {
		return "", errdefs.Invalid("%q is not a port: give 80, 80/udp or 8000-8010", p)
	}
	return number + "/" + proto, nil
}

func changeVolume(c *Config, value string) error {
	paths, err := listOf(value)
	if err != nil {
		return err
	}
	for _, p := range paths {
		if p == "" {
			return errdefs.Invalid("a volume's path is empty")
		}
		if c.Volumes == nil {
			c.Volumes = map[string]struct{}{}
		}
		c.Volumes[p] = struct{}{}
	}
	return nil
}

// changeWorkDir takes a relative path from the directory before.
func changeWorkDir(c *Config, value string) error {
	if !path.IsAbs(value) {
		value = path.Join("/", c.WorkingDir, value)
	}
	c.WorkingDir = path.Clean(value)
	return nil
}
