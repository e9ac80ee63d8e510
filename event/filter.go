package event

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/berth-engine/berth/errdefs"
)

// Filter selects events. Its zero value matches all.
type Filter struct {
	tests []test
}

// test is one key of a filter.
type test func(Event) bool

// keys are the filters there are: those of docker events and podman events, and id.
var keys = map[string]func(values []string) (test, error){
	"container": object(Container),
	"image":     image,
	"pod":       object(Pod),
	"volume":    object(Volume),
	"network":   object(Network),
	"event":     action,
	"status":    action,
	"type":      kind,
	"label":     label,
	"name":      oneOf(func(e Event, v string) bool { return e.Name == v }),
	"id":        oneOf(func(e Event, v string) bool { return strings.HasPrefix(e.ID, v) }),
	"daemon":    oneOf(func(e Event, v string) bool { return e.Type == System && (e.Name == v || e.ID == v) }),
	"scope":     scope,
	"config":    nothing,
	"node":      nothing,
	"plugin":    nothing,
	"secret":    nothing,
	"service":   nothing,
}

// ParseFilters reads filters as docker events and podman events take them: from a key to its values. An event must pass every
// key; it passes a key if one of its values fits, but all of them for label.
//
//   - container, pod, volume, network: an object of this type, by its name or the beginning of its ID
//   - image: an image, or a container made from one, by its name (with or without registry and tag) or the beginning of its ID
//   - event, status: an action, by Docker's or podman's word for it; words for actions that Berth does not have match nothing
//   - type: container, image, pod, volume, network, system (also daemon, as Docker calls it)
//   - label: KEY or KEY=VALUE
//   - name, id: an object of any type, by its name or the beginning of its ID
//   - scope: local, which all are, or swarm, which none is
//   - daemon: the system's events, by its name or ID
//   - config, node, plugin, secret, service: nothing, since there are no such objects here
//
// ErrInvalidArgument for other keys and types, and for empty values.
func ParseFilters(filters map[string][]string) (Filter, error) {
	var f Filter
	for _, key := range slices.Sorted(maps.Keys(filters)) {
		values := filters[key]
		parse, ok := keys[key]
		if !ok {
			return Filter{}, errdefs.Invalid("unknown filter %q: events can be filtered by %s", key, strings.Join(slices.Sorted(maps.Keys(keys)), ", "))
		}
		if slices.Contains(values, "") {
			return Filter{}, errdefs.Invalid("filter %q: a value is missing, write %s=VALUE", key, key)
		}
		if len(values) == 0 {
			continue
		}
		t, err := parse(values)
		if err != nil {
			return Filter{}, fmt.Errorf("filter %q: %w", key, err)
		}
		f.tests = append(f.tests, t)
	}
	return f, nil
}

// Match reports whether the filter selects the event.
func (f Filter) Match(e Event) bool {
	for _, t := range f.tests {
		if !t(e) {
			return false
		}
	}
	return true
}

// oneOf is a key that an event passes if fits is true for one of the values.
func oneOf(fits func(e Event, value string) bool) func([]string) (test, error) {
	return func(values []string) (test, error) {
		return func(e Event) bool {
			return slices.ContainsFunc(values, func(v string) bool { return fits(e, v) })
		}, nil
	}
}

// object is a key that names objects of one type.
func object(t Type) func([]string) (test, error) {
	return oneOf(func(e Event, v string) bool {
		return e.Type == t && (e.Name == v || strings.HasPrefix(e.ID, v))
	})
}

func image(values []string) (test, error) {
	return oneOf(func(e Event, v string) bool {
		switch e.Type {
		case Image:
			id := strings.TrimPrefix(v, "sha256:")
			return isImage(e.Name, v) || id != "" && strings.HasPrefix(strings.TrimPrefix(e.ID, "sha256:"), id)
		case Container:
			return isImage(e.Image, v)
		}
		return false
	})(values)
}

// isImage reports whether v is the reference, or the end of it from a slash on, with or without its tag and digest.
func isImage(reference, v string) bool {
	for _, r := range []string{reference, untagged(reference)} {
		if r != "" && (r == v || strings.HasSuffix(r, "/"+v)) {
			return true
		}
	}
	return false
}

// untagged is a reference without its tag and digest.
func untagged(reference string) string {
	reference, _, _ = strings.Cut(reference, "@")
	if i := strings.LastIndexByte(reference, ':'); i > strings.LastIndexByte(reference, '/') {
		reference = reference[:i]
	}
	return reference
}

func scope(values []string) (test, error) {
	for _, v := range values {
		if v != "local" && v != "swarm" {
			return nil, errdefs.Invalid("the scope of an event is local or swarm, not %q", v)
		}
	}
	return func(Event) bool { return slices.Contains(values, "local") }, nil
}

func nothing([]string) (test, error) { return func(Event) bool { return false }, nil }

func action(values []string) (test, error) {
	var wanted []Action
	for _, v := range values {
		wanted = append(wanted, actions(v)...)
	}
	return func(e Event) bool { return slices.Contains(wanted, e.Action) }, nil
}

func kind(values []string) (test, error) {
	var wanted []Type
	for _, v := range values {
		switch t := Type(v); t {
		case Container, Image, Pod, Volume, Network, System:
			wanted = append(wanted, t)
		case "daemon":
			wanted = append(wanted, System)
		case "builder", "config", "machine", "node", "plugin", "secret", "service": // there are no such events here
		default:
			return nil, errdefs.Invalid("there are no events of type %q, only of container, image, pod, volume, network, system", v)
		}
	}
	return func(e Event) bool { return slices.Contains(wanted, e.Type) }, nil
}

func label(values []string) (test, error) {
	return func(e Event) bool {
		for _, v := range values {
			key, want, exact := strings.Cut(v, "=")
			got, ok := e.Attributes[key]
			if !ok || exact && got != want {
				return false
			}
		}
		return true
	}, nil
}
