package image

import (
	"context"
	"slices"
	"strings"

	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/storage"

	"github.com/berth-engine/berth/errdefs"
)

// Tag gives an image further names and returns its ID. A name that another image has moves; names without a registry are put
// under localhost/. ErrNotFound, ErrInvalidArgument.
func (s *Store) Tag(_ context.Context, ref string, names []string) (id string, err error) {
	rec, st, err := s.record(ref)
	if err != nil {
		return "", err
	}
	var full []string
	for _, n := range names {
		named, err := normalName(n)
		if err != nil {
			return "", err
		}
		if _, ok := named.(reference.Digested); ok {
			return "", errdefs.Invalid("%q has a digest: a name is a repository and a tag", n)
		}
		full = append(full, named.String())
	}
	if err := st.AddNames(rec.ID, full); err != nil {
		return "", storeError(err, "tagging image "+ref)
	}
	s.forget()
	return rec.ID, nil
}

// Untag takes names off an image, all of them if none is given, and returns its ID. The image stays, if need be without a
// name. ErrNotFound: no such image, or a name that is not its.
func (s *Store) Untag(_ context.Context, ref string, names []string) (id string, err error) {
	rec, st, err := s.record(ref)
	if err != nil {
		return "", err
	}
	full := rec.Names
	if len(names) > 0 {
		if full, err = s.ownNames(rec, names); err != nil {
			return "", err
		}
	}
	if err := st.RemoveNames(rec.ID, full); err != nil {
		return "", storeError(err, "untagging image "+ref)
	}
	s.forget()
	return rec.ID, nil
}

// ownNames are the image's names that are meant.
func (s *Store) ownNames(rec *storage.Image, names []string) ([]string, error) {
	var full []string
	for _, n := range names {
		own, err := s.ownNameOf(rec, n)
		if err != nil {
			return nil, err
		}
		if own == "" {
			return nil, errdefs.NotFound("image %s has no name %s", shortID(rec.ID), n)
		}
		full = append(full, own)
	}
	return full, nil
}

// ownNameOf is the one of the image's names that ref means, empty if ref is an ID or means none of them.
func (s *Store) ownNameOf(rec *storage.Image, ref string) (string, error) {
	if isFullID(strings.TrimPrefix(ref, "sha256:")) {
		return "", nil
	}
	candidates, err := s.localNames(ref)
	if err != nil {
		return "", err
	}
	for _, c := range candidates {
		if slices.Contains(rec.Names, c.String()) {
			return c.String(), nil
		}
	}
	for _, n := range rec.Names {
		if isSuffix(ref, n) {
			return n, nil
		}
	}
	return "", nil
}
