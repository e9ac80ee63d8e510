package image

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/pkg/docker/config"

	"github.com/berth-engine/berth/errdefs"
)

// LoginOptions say where to log in, and as whom.
type LoginOptions struct {
	// Access has the user name and the password.
	Access
	// Registry is host[:port], or host[:port]/path for credentials of a part of it; docker.io when empty.
	Registry string
}

// LogoutOptions say which credentials to forget.
type LogoutOptions struct {
	Access
	// Registry as in LoginOptions; All forgets every registry.
	Registry string
	All      bool
}

// Login tries the credentials at the registry and keeps them if it takes them, in $REGISTRY_AUTH_FILE,
// $XDG_RUNTIME_DIR/containers/auth.json or /run/containers/0/auth.json (auth.json(5)).
//
// ErrPermissionDenied: the registry does not take them; ErrUnavailable: it cannot be reached; ErrInvalidArgument.
func (s *Store) Login(ctx context.Context, opts LoginOptions) error {
	key, host, err := registryKey(opts.Registry)
	if err != nil {
		return err
	}
	if opts.Username == "" || opts.Password == "" {
		return errdefs.Invalid("logging in to %s: a user name and a password are needed", key)
	}
	sys := s.systemContext(opts.Access, "")
	sys.DockerAuthConfig = nil
	doing := "logging in to " + key
	if err := docker.CheckAuth(ctx, sys, opts.Username, opts.Password, host); err != nil {
		var refused docker.ErrUnauthorizedForCredentials
		if errors.As(err, &refused) {
			return errdefs.Denied("%s: user name or password is wrong: %w", doing, err)
		}
		return registryError(err, doing, host)
	}
	if _, err := config.SetCredentials(sys, key, opts.Username, opts.Password); err != nil {
		return fileError(oneLine(err), doing+": keeping the credentials")
	}
	return nil
}

// LoggedIn returns the user name that is kept for the registry. ErrNotFound.
func (s *Store) LoggedIn(_ context.Context, opts LoginOptions) (string, error) {
	key, _, err := registryKey(opts.Registry)
	if err != nil {
		return "", err
	}
	auth, err := config.GetCredentials(s.systemContext(opts.Access, ""), key)
	if err != nil {
		return "", fileError(oneLine(err), "reading the credentials for "+key)
	}
	if auth.Username == "" && auth.IdentityToken == "" {
		return "", errdefs.NotFound("not logged in to %s", key)
	}
	if auth.Username == "" {
		return "<token>", nil
	}
	return auth.Username, nil
}

// Logout forgets credentials. ErrNotFound if there are none.
func (s *Store) Logout(_ context.Context, opts LogoutOptions) error {
	sys := s.systemContext(opts.Access, "")
	if opts.All {
		if err := config.RemoveAllAuthentication(sys); err != nil {
			return fileError(oneLine(err), "logging out of all registries")
		}
		return nil
	}
	key, _, err := registryKey(opts.Registry)
	if err != nil {
		return err
	}
	err = config.RemoveAuthentication(sys, key)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, config.ErrNotLoggedIn):
		return fileError(oneLine(err), "logging out of "+key)
	}
	auth, err := config.GetCredentials(sys, key)
	if err == nil && auth.Username != "" {
		return errdefs.Conflict("the credentials for %s are not kept by berth login: remove them where they come from, for example docker logout", key)
	}
	return errdefs.NotFound("not logged in to %s", key)
}

// registryKey is what credentials are kept under, and the host to ask.
func registryKey(registry string) (key, host string, err error) {
	key = strings.TrimPrefix(strings.TrimPrefix(registry, "https://"), "http://")
	key = strings.TrimSuffix(key, "/")
	switch key {
	case "", "index.docker.io", "index.docker.io/v1", "registry-1.docker.io":
		key = "docker.io"
	}
	host, _, _ = strings.Cut(key, "/")
	if host == "" || strings.ContainsAny(key, " \t@") {
		return "", "", errdefs.Invalid("%q is not a registry: give its host, as in registry.example.com:5000", registry)
	}
	return key, host, nil
}

// oneLine folds what libraries spread over lines.
func oneLine(err error) error {
	text := err.Error()
	if !strings.Contains(text, "\n") {
		return err
	}
	return fmt.Errorf("%s%.0w", strings.Join(strings.Fields(text), " "), err)
}
