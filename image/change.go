package image

import (
	"encoding/json"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"

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
		case strings.ContainsRune(change, 0):
			return errdefs.Invalid("change %q: it has a NUL byte", change)
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
	"CMD":        func(c *Config, v string) (err error) { c.Cmd, err = commandOf(v); return err },
	"ENTRYPOINT": func(c *Config, v string) (err error) { c.Entrypoint, err = commandOf(v); return err },
	"ENV":        changeEnv,
	"EXPOSE":     changeExpose,
	"LABEL":      changeLabel,
	"STOPSIGNAL": changeStopSignal,
	"USER":       changeUser,
	"VOLUME":     changeVolume,
	"WORKDIR":    changeWorkDir,
	"ONBUILD":    changeOnBuild,
}

// commandOf takes the JSON form, else a line for the shell. What is JSON, but no list of strings, is neither.
func commandOf(value string) ([]string, error) {
	if value == "" {
		return nil, nil
	}
	list, isJSON, err := jsonList(value)
	if err != nil || isJSON {
		return list, err
	}
	return []string{"/bin/sh", "-c", value}, nil
}

// jsonList parses the JSON form of a directive. What begins like it and is not JSON is not meant to be, as in a shell's [ -e x ].
func jsonList(value string) (list []string, isJSON bool, err error) {
	if !strings.HasPrefix(value, "[") || !json.Valid([]byte(value)) {
		return nil, false, nil
	}
	if json.Unmarshal([]byte(value), &list) != nil {
		return nil, true, errdefs.Invalid("%s is not a list of strings", value)
	}
	return list, true, nil
}

// signalRule matches the names of signals and the real-time ones; see signal(7).
var signalRule = regexp.MustCompile(`^(RTMIN(\+([0-9]|[12][0-9]|30))?|RTMAX(-([0-9]|[12][0-9]|30))?|[1-9]|[1-5][0-9]|6[0-4])$`)

func changeStopSignal(c *Config, value string) error {
	name := strings.TrimPrefix(strings.ToUpper(value), "SIG")
	if !signalRule.MatchString(name) && unix.SignalNum("SIG"+name) == 0 {
		return errdefs.Invalid("%q is not a signal: signal(7) lists them, as in TERM, SIGTERM, 15 or RTMIN+3", value)
	}
	c.StopSignal = value
	return nil
}

// userRule is USER[:GROUP], each a name or a number.
var userRule = regexp.MustCompile(`^[^\s:]+(:[^\s:]+)?$`)

func changeUser(c *Config, value string) error {
	if !userRule.MatchString(value) {
		return errdefs.Invalid("%q is not of the form user[:group]", value)
	}
	c.User = value
	return nil
}

// triggers are the instructions that an image can have carried out when others are built on it.
var triggers = []string{
	"ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME",
	"WORKDIR",
}

func changeOnBuild(c *Config, value string) error {
	name, _, _ := strings.Cut(strings.ToUpper(value), " ")
	if !slices.Contains(triggers, strings.TrimSpace(name)) {
		return errdefs.Invalid("%s cannot be put off: there are %s", name, strings.Join(triggers, ", "))
	}
	c.OnBuild = append(c.OnBuild, value)
	return nil
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
	list, isJSON, err := jsonList(value)
	if err != nil || isJSON {
		return list, err
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
		if path.Clean("/"+p) == "/" {
			return errdefs.Invalid("%q is no path of a volume", p)
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
