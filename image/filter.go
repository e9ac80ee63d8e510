package image

import (
	"context"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.podman.io/image/v5/docker/reference"

	"github.com/berth-engine/berth/errdefs"
)

// predicate reports whether a filter keeps an image.
type predicate func(img *Image, intermediate bool) bool

// filter makes one predicate of all filters.
func (s *Store) filter(ctx context.Context, filters map[string][]string) (predicate, error) {
	var all []predicate
	for _, key := range slices.Sorted(maps.Keys(filters)) {
		var any []predicate
		for _, value := range filters[key] {
			p, err := s.predicate(ctx, key, value)
			if err != nil {
				return nil, err
			}
			any = append(any, p)
		}
		every := key == "label" || key == "label!"
		all = append(all, func(img *Image, inter bool) bool {
			holds := func(p predicate) bool { return p(img, inter) }
			if every {
				return !slices.ContainsFunc(any, func(p predicate) bool { return !holds(p) })
			}
			return len(any) == 0 || slices.ContainsFunc(any, holds)
		})
	}
	return func(img *Image, inter bool) bool {
		return !slices.ContainsFunc(all, func(p predicate) bool { return !p(img, inter) })
	}, nil
}

func (s *Store) predicate(ctx context.Context, key, value string) (predicate, error) {
	switch key {
	case "reference":
		return referenceFilter(value)
	case "id":
		prefix := strings.TrimPrefix(value, "sha256:")
		return func(img *Image, _ bool) bool { return strings.HasPrefix(img.ID, prefix) }, nil
	case "digest":
		return func(img *Image, _ bool) bool { return img.Digest == value }, nil
	case "label", "label!":
		name, want, exact := strings.Cut(value, "=")
		return func(img *Image, _ bool) bool {
			has, ok := img.Labels[name]
			return (ok && (!exact || has == want)) == (key == "label")
		}, nil
	case "dangling":
		return boolFilter(key, value, func(img *Image, inter bool) bool { return img.Dangling && !inter })
	case "intermediate":
		return boolFilter(key, value, func(_ *Image, inter bool) bool { return inter })
	case "readonly":
		return boolFilter(key, value, func(img *Image, _ bool) bool { return img.ReadOnly })
	case "before", "since", "after":
		return s.ageFilter(ctx, key, value)
	case "until":
		t, err := parseTime(value, time.Now())
		return func(img *Image, _ bool) bool { return img.Created.Before(t) }, err
	}
	return nil, errdefs.Invalid("unknown image filter %q: there are reference, id, digest, label, label!, dangling, intermediate, readonly, before, since and until", key)
}

func boolFilter(key, value string, is predicate) (predicate, error) {
	want, err := strconv.ParseBool(value)
	if err != nil {
		return nil, errdefs.Invalid("filter %s=%s: the value must be true or false", key, value)
	}
	return func(img *Image, inter bool) bool { return is(img, inter) == want }, nil
}

func (s *Store) ageFilter(_ context.Context, key, ref string) (predicate, error) {
	if !s.exists() {
		return nil, unknown(ref)
	}
	rec, st, err := s.lookup(ref)
	if err != nil {
		return nil, err
	}
	other, err := read(st, rec)
	if err != nil {
		return nil, err
	}
	if key == "before" {
		return func(img *Image, _ bool) bool { return img.Created.Before(other.Created) }, nil
	}
	return func(img *Image, _ bool) bool { return img.Created.After(other.Created) }, nil
}

// referenceFilter matches names as Docker and podman do: a pattern of path.Match against the full name and every ending of its
// path, with the tag or without.
func referenceFilter(pattern string) (predicate, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, errdefs.Invalid("filter reference=%s: not a pattern: %w", pattern, err)
	}
	return func(img *Image, _ bool) bool {
		return slices.ContainsFunc(slices.Concat(img.Names, img.RepoDigests), func(name string) bool { return matchName(pattern, name) })
	}, nil
}

func matchName(pattern, name string) bool {
	candidates := []string{name}
	if named, err := reference.ParseNamed(name); err == nil {
		candidates = append(candidates, named.Name())
	}
	for _, full := range candidates {
		for rest := full; ; {
			if ok, _ := path.Match(pattern, rest); ok {
				return true
			}
			_, after, more := strings.Cut(rest, "/")
			if !more {
				break
			}
			rest = after
		}
	}
	return false
}

// parseTime takes RFC 3339 with or without time and zone, Unix seconds with a fraction, or how long before now ("24h").
// ErrInvalidArgument.
func parseTime(value string, now time.Time) (time.Time, error) {
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(form, value, time.Local); err == nil {
			return t, nil
		}
	}
	if sec, err := strconv.ParseFloat(value, 64); err == nil && sec >= 0 && sec < 1<<40 {
		return time.Unix(0, int64(sec*1e9)), nil
	}
	if d, err := time.ParseDuration(value); err == nil {
		return now.Add(-d.Abs()), nil
	}
	return time.Time{}, errdefs.Invalid("filter until=%s: not a time: give a date (2006-01-02), RFC 3339, Unix seconds or how long ago (24h)", value)
}
