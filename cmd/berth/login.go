package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/image"
)

// defaultRegistry is the one that login and logout mean without an argument, as with Docker.
const defaultRegistry = "docker.io"

// loginFlags are the flags of login.
type loginFlags struct {
	authfile, certDir, username, password string
	passwordStdin, tlsVerify, getLogin    bool
}

// newLoginCmd is berth login.
func newLoginCmd(a *app) *cobra.Command {
	var f loginFlags
	cmd := &cobra.Command{
		Use:   "login [FLAGS] [REGISTRY]",
		Short: "Log in to a registry",
		Long: `Ask the registry whether it takes a user name and a password, and keep them for pull and push. Without
REGISTRY it is docker.io. What is not given is asked for; the password is not shown.

They are kept where podman and other tools keep them, readable by this user alone: --authfile,
REGISTRY_AUTH_FILE, or the runtime directory's containers/auth.json.`,
		Example: "berth login registry.example.com\npass show registry | berth login -u me --password-stdin registry.example.com",
		Args:    rangeArgs(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o := image.LoginOptions{Registry: registryArg(args)}
			o.AuthFile, o.CertDir = f.authfile, f.certDir
			if cmd.Flags().Changed("tls-verify") {
				o.TLSVerify = &f.tlsVerify
			}
			if f.passwordStdin && f.password != "" {
				return usageFault(cmd, errdefs.Invalid("--password and --password-stdin exclude each other"))
			}
			if f.passwordStdin && f.username == "" {
				return usageFault(cmd, errdefs.Invalid("--password-stdin needs --username"))
			}
			if f.getLogin {
				return showLogin(cmd.Context(), a, o)
			}
			return login(cmd.Context(), a, f, o)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.authfile, "authfile", "", "Keep the credentials in this `file` (REGISTRY_AUTH_FILE)")
	fl.StringVar(&f.certDir, "cert-dir", "", "Take the client's certificates for the registry from this `dir`")
	fl.StringVarP(&f.username, "username", "u", "", "Log in as this user")
	fl.StringVarP(&f.password, "password", "p", "", "With this password, which others can see in the list of processes: prefer --password-stdin")
	fl.BoolVar(&f.passwordStdin, "password-stdin", false, "Read the password from standard input")
	fl.BoolVar(&f.getLogin, "get-login", false, "Print the user that is logged in, and do nothing else")
	fl.BoolVar(&f.tlsVerify, "tls-verify", true, "Require HTTPS and a valid certificate (default: as registries.conf says)")
	return cmd
}

// registryArg is the registry that was named, without a scheme or a path.
func registryArg(args []string) string {
	if len(args) == 0 {
		return defaultRegistry
	}
	name := args[0]
	for _, scheme := range []string{"https://", "http://", "docker://"} {
		name = strings.TrimPrefix(name, scheme)
	}
	return strings.TrimSuffix(name, "/")
}

func login(ctx context.Context, a *app, f loginFlags, o image.LoginOptions) error {
	var err error
	if o.Username, o.Password, err = credentials(a, f); err != nil {
		return err
	}
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	if err := s.Images.Login(ctx, o); err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, "Login Succeeded!")
	return err
}

// showLogin prints who is logged in.
func showLogin(ctx context.Context, a *app, o image.LoginOptions) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	user, err := s.Images.LoggedIn(ctx, o)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.out, user)
	return err
}

// credentials are the flags', and what is asked for in their place.
func credentials(a *app, f loginFlags) (user, password string, err error) {
	user, password = f.username, f.password
	if user == "" {
		if !isTerminal(a.in) {
			return "", "", errdefs.Invalid("standard input is not a terminal, so the user name cannot be asked for: give --username and --password-stdin")
		}
		fmt.Fprint(a.err, "Username: ")
		line, err := bufio.NewReader(a.in).ReadString('\n')
		if err != nil {
			return "", "", errdefs.Invalid("reading the user name: %w", err)
		}
		user = strings.TrimSpace(line)
	}
	switch {
	case user == "":
		return "", "", errdefs.Invalid("the user name is empty")
	case f.passwordStdin:
		password, err = readSecret(a.in)
	case password == "":
		password, err = askSecret(a, "Password: ")
	}
	if err == nil && password == "" {
		err = errdefs.Invalid("the password is empty")
	}
	return user, password, err
}

// secretLimit is the longest password, or token, that is read from standard input.
const secretLimit = 64 << 10

// readSecret reads all of the input, without the newline at its end.
func readSecret(in io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(in, secretLimit+1))
	if err != nil {
		return "", errdefs.Invalid("reading the password: %w", err)
	}
	if len(b) > secretLimit {
		return "", errdefs.Invalid("the password is longer than %d bytes", secretLimit)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// newLogoutCmd is berth logout.
func newLogoutCmd(a *app) *cobra.Command {
	var authfile string
	var all bool
	cmd := &cobra.Command{
		Use:   "logout [FLAGS] [REGISTRY]",
		Short: "Forget the credentials for a registry",
		Long:  "Forget the credentials that login has kept for a registry, docker.io if none is given.",
		Args:  rangeArgs(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if all && len(args) > 0 {
				return usageFault(cmd, errdefs.Invalid("name a registry or give --all, not both"))
			}
			s, err := a.services(cmd.Context())
			if err != nil {
				return err
			}
			o := image.LogoutOptions{Registry: registryArg(args), All: all, Access: image.Access{AuthFile: authfile}}
			if err := s.Images.Logout(cmd.Context(), o); err != nil {
				return err
			}
			if all {
				_, err = fmt.Fprintln(a.out, "Removed login credentials for all registries")
			} else {
				_, err = fmt.Fprintln(a.out, "Removed login credentials for", o.Registry)
			}
			return err
		},
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "Forget all credentials")
	cmd.Flags().StringVar(&authfile, "authfile", "", "Forget those in this `file` (REGISTRY_AUTH_FILE)")
	return cmd
}
