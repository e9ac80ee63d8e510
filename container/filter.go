package container

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berth-engine/berth/errdefs"
)

// Filter selects containers. The zero value selects all. It is immutable and may be used concurrently.
type Filter struct {
	tests      []test
	references []string
	ancestors  []string
	statuses   bool
}

// FilterContext is what a filter has to be told besides the record.
type FilterContext struct {
	// Status is the container's true one; empty for that of the record.
	Status Status
	// Created are the times of creation of the containers that Filter.References names, by that reference.
	Created map[string]time.Time
	// Images are, by each of Filter.Ancestors, the IDs of the image of that name and of those built on it. A reference that is not
	// in it is compared with the container's image by name.
	Images map[string][]string
	// PodName is the name of the container's pod.
	PodName string
}

// test is one key with all its values.
type test func(c *Container, x FilterContext) bool

// makers make the test of a key from its values.
var makers = map[string]func(f *Filter, values []string, now time.Time) (test, error){
	"id":             idFilter,
	"name":           nameFilter,
	"label":          labelFilter,
	"label!":         notLabelFilter,
	"status":         statusFilter,
	"exited":         exitedFilter,
	"ancestor":       ancestorFilter,
	"before":         beforeFilter,
	"since":          sinceFilter,
	"volume":         volumeFilter,
	"network":        networkFilter,
	"health":         healthFilter,
	"restart-policy": restartFilter,
	// podman's
	"should-start-on-boot": bootFilter,
	"until":                untilFilter,
	"command":              commandFilter,
	"pod":                  podFilter,
}

// ParseFilters parses the filters of ps: values by key. The values of one key are alternatives, but for label and label!, which
// must all hold; all keys must hold. now is what durations in until count from. ErrInvalidArgument for an unknown key or a
// value that the key cannot have.
func ParseFilters(filters map[string][]string, now time.Time) (Filter, error) {
	var f Filter
	for _, key := range slices.Sorted(maps.Keys(filters)) {
		maker, known := makers[key]
		if !known {
			return Filter{}, errdefs.Invalid("unknown filter %q: known are %s", key, strings.Join(slices.Sorted(maps.Keys(makers)), ", "))
		}
		values := filters[key]
		if len(values) == 0 {
			continue
		}
		t, err := maker(&f, values, now)
		if err != nil {
			return Filter{}, err
		}
		f.tests = append(f.tests, t)
	}
	return f, nil
}

// References are the containers that before and since name.
func (f Filter) References() []string { return f.references }

// Ancestors are the images that ancestor names.
func (f Filter) Ancestors() []string { return f.ancestors }

// SelectsStatus reports that a status is asked for: a listing then does not leave out what does not run.
func (f Filter) SelectsStatus() bool { return f.statuses }

// Match reports whether the filter selects the container.
func (f Filter) Match(c *Container, x FilterContext) bool {
	if x.Status == "" {
		x.Status = c.State.Status
	}
	for _, t := range f.tests {
		if !t(c, x) {
			return false
		}
	}
	return true
}

// anyOf is the test that one of the values passes.
func anyOf[T any](values []T, passes func(v T, c *Container, x FilterContext) bool) test {
	return func(c *Container, x FilterContext) bool {
		return slices.ContainsFunc(values, func(v T) bool { return passes(v, c, x) })
	}
}

// patterns compiles values that are regular expressions.
func patterns(key string, values []string) ([]*regexp.Regexp, error) {
	var list []*regexp.Regexp
	for _, v := range values {
		re, err := regexp.Compile(v)
		if err != nil {
			return nil, errdefs.Invalid("filter %s=%s is not a regular expression: %w", key, v, err)
		}
		list = append(list, re)
	}
	return list, nil
}

func idFilter(_ *Filter, values []string, _ time.Time) (test, error) {
	list, err := patterns("id", values)
	return anyOf(list, func(re *regexp.Regexp, c *Container, _ FilterContext) bool { return re.MatchString(c.Config.ID) }), err
}

// nameFilter: Docker's names begin with a slash, and people's patterns do.
func nameFilter(_ *Filter, values []string, _ time.Time) (test, error) {
	list, err := patterns("name", values)
	return anyOf(list, func(re *regexp.Regexp, c *Container, _ FilterContext) bool {
		return re.MatchString(c.Config.Name) || re.MatchString("/"+c.Config.Name)
	}), err
}

// commandFilter looks at the first word, as podman does.
func commandFilter(_ *Filter, values []string, _ time.Time) (test, error) {
	list, err := patterns("command", values)
	return anyOf(list, func(re *regexp.Regexp, c *Container, _ FilterContext) bool {
		args := c.Config.Process.Args()
		return len(args) > 0 && re.MatchString(args[0])
	}), err
}

func hasLabel(value string, c *Container) bool {
	key, want, hasValue := strings.Cut(value, "=")
	got, there := c.Config.Labels[key]
	return there && (!hasValue || got == want)
}

func labelFilter(_ *Filter, values []string, _ time.Time) (test, error) {
	return func(c *Container, _ FilterContext) bool {
		return !slices.ContainsFunc(values, func(v string) bool { return !hasLabel(v, c) })
	}, nil
}

func notLabelFilter(_ *Filter, values []string, _ time.Time) (test, error) {
	return func(c *Container, _ FilterContext) bool {
		return !slices.ContainsFunc(values, func(v string) bool { return hasLabel(v, c) })
	}, nil
}

// statusWords are those of podman and of Docker. No container is ever dead or unknown; asking for one is no error.
var statusWords = []string{
	"configured", "created", "dead", "exited", "initialized", "paused", "removing", "restarting", "running", "stopped", "stopping",
	"unknown",
}

func statusFilter(f *Filter, values []string, _ time.Time) (test, error) {
	f.statuses = true
	for _, v := range values {
		if !slices.Contains(statusWords, v) {
			return nil, errdefs.Invalid("filter status=%s: unknown status; known are %s", v, strings.Join(statusWords, ", "))
		}
	}
	return anyOf(values, func(v string, _ *Container, x FilterContext) bool {
		if v == "configured" { // podman's older word
			return x.Status == Created
		}
		return v == string(x.Status) || v == x.Status.Docker()
	}), nil
}

func exitedFilter(f *Filter, values []string, _ time.Time) (test, error) {
	f.statuses = true
	var codes []int
	for _, v := range values {
		n, err := strconv.Atoi(v)
		if err != nil {
			return nil, errdefs.Invalid("filter exited=%s: an exit code is a number", v)
		}
		codes = append(codes, n)
	}
	return anyOf(codes, func(code int, c *Container, x FilterContext) bool {
		return (x.Status == Exited || x.Status == Stopped) && c.State.ExitCode == code
	}), nil
}

func ancestorFilter(f *Filter, values []string, _ time.Time) (test, error) {
	f.ancestors = append(f.ancestors, values...)
	return anyOf(values, func(v string, c *Container, x FilterContext) bool {
		if ids, known := x.Images[v]; known {
			return slices.Contains(ids, c.Config.Image.ID)
		}
		return c.Config.Image.named(v)
	}), nil
}

// named reports whether the reference is the image's: its ID or the beginning of it, its name in full, or the end of its name
// from a slash on, with or without its tag.
func (i Image) named(reference string) bool {
	if reference == "" || i.ID == "" && i.Name == "" {
		return false
	}
	id := strings.TrimPrefix(reference, "sha256:")
	if len(id) >= minID && strings.HasPrefix(i.ID, id) || reference == i.RawName {
		return true
	}
	for _, name := range []string{i.Name, withoutTag(i.Name)} {
		if name == reference || strings.HasSuffix(name, "/"+reference) {
			return true
		}
	}
	return false
}

// minID is the shortest part of an ID that names an image here: shorter ones are more likely names.
const minID = 3

// withoutTag cuts what follows the last colon after the last slash, and a digest.
func withoutTag(name string) string {
	name, _, _ = strings.Cut(name, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		return name[:i]
	}
	return name
}

func beforeFilter(f *Filter, values []string, _ time.Time) (test, error) {
	f.references = append(f.references, values...)
	return anyOf(values, func(v string, c *Container, x FilterContext) bool {
		t, known := x.Created[v]
		return known && c.Config.Created.Before(t)
	}), nil
}

func sinceFilter(f *Filter, values []string, _ time.Time) (test, error) {
	f.references = append(f.references, values...)
	return anyOf(values, func(v string, c *Container, x FilterContext) bool {
		t, known := x.Created[v]
		return known && c.Config.Created.After(t)
	}), nil
}

func untilFilter(_ *Filter, values []string, now time.Time) (test, error) {
	if len(values) > 1 {
		return nil, errdefs.Invalid("filter until is given %d times: once is enough", len(values))
	}
	t, err := ParseTime(values[0], now)
	if err != nil {
		return nil, errdefs.Invalid("filter until=%s: %w", values[0], err)
	}
	return func(c *Container, _ FilterContext) bool { return c.Config.Created.Before(t) }, nil
}

// volumeFilter: a volume's name, a directory of the host, or a destination.
func volumeFilter(_ *Filter, values []string, _ time.Time) (test, error) {
	return anyOf(values, func(v string, c *Container, _ FilterContext) bool {
		return slices.ContainsFunc(c.Config.Mounts, func(m Mount) bool {
			return m.Type != Tmpfs && (m.Source == v || m.Destination == v)
		})
	}), nil
}

// networkFilter: none, host, or container:ID.
func networkFilter(_ *Filter, values []string, _ time.Time) (test, error) {
	return anyOf(values, func(v string, c *Container, _ FilterContext) bool {
		n := c.Config.Network.Namespace
		if n.Mode == Default {
			n.Mode = None
		}
		return v == string(n.Mode) || n.Target != "" && v == string(n.Mode)+":"+n.Target
	}), nil
}

func healthFilter(_ *Filter, values []string, _ time.Time) (test, error) {
	words := []string{"healthy", "none", "starting", "unhealthy"}
	for _, v := range values {
		if !slices.Contains(words, v) {
			return nil, errdefs.Invalid("filter health=%s: known are %s", v, strings.Join(words, ", "))
		}
	}
	return anyOf(values, func(v string, c *Container, _ FilterContext) bool {
		if c.State.Health == nil {
			return v == "none"
		}
		return v == c.State.Health.Status
	}), nil
}

func restartFilter(_ *Filter, values []string, _ time.Time) (test, error) {
	for _, v := range values {
		if _, err := ParseRestart(v); err != nil {
			return nil, err
		}
	}
	return anyOf(values, func(v string, c *Container, _ FilterContext) bool {
		name := c.Config.Restart.Name
		if name == "" {
			name = RestartNo
		}
		return v == name
	}), nil
}

func podFilter(_ *Filter, values []string, _ time.Time) (test, error) {
	return anyOf(values, func(v string, c *Container, x FilterContext) bool {
		return v != "" && c.Config.Pod != "" && (strings.HasPrefix(c.Config.Pod, v) || v == x.PodName)
	}), nil
}

// bootFilter: what the restart policy would have running after a reboot: always, and unless-stopped if no user stopped it.
func bootFilter(_ *Filter, values []string, _ time.Time) (test, error) {
	for _, v := range values {
		if _, err := strconv.ParseBool(v); err != nil {
			return nil, errdefs.Invalid("filter should-start-on-boot=%s: the value must be true or false", v)
		}
	}
	return anyOf(values, func(v string, c *Container, _ FilterContext) bool {
		want, _ := strconv.ParseBool(v)
		policy := c.Config.Restart.Name
		starts := policy == RestartAlways || policy == RestartUnlessStopped && !c.State.StoppedByUser
		return starts == want
	}), nil
}
