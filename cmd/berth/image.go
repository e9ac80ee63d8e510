package main

import (
	"context"
	"io"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/image"
)

// images is what the image commands need of the engine; *engine.Images has it.
type images interface {
	imageMover
	imageViewer
	imageNamer
	registryUser
}

// imageMover brings images in and out of the store.
type imageMover interface {
	Pull(ctx context.Context, ref string, o image.PullOptions) ([]string, error)
	Push(ctx context.Context, ref, destination string, o image.PushOptions) (digest string, err error)
	Load(ctx context.Context, r io.Reader, o image.LoadOptions) ([]image.Loaded, error)
	Save(ctx context.Context, refs []string, o image.SaveOptions) error
	Import(ctx context.Context, source string, o image.ImportOptions) (id string, err error)
}

// imageViewer looks at images.
type imageViewer interface {
	List(ctx context.Context, o image.ListOptions) ([]image.Image, error)
	Inspect(ctx context.Context, ref string) (*image.Image, error)
	History(ctx context.Context, ref string) ([]image.HistoryEntry, error)
	Diff(ctx context.Context, ref string) ([]engine.Change, error)
	Exists(ctx context.Context, ref string) (bool, error)
}

// imageNamer names, unnames and removes images.
type imageNamer interface {
	Tag(ctx context.Context, ref string, names []string) error
	Untag(ctx context.Context, ref string, names []string) error
	Remove(ctx context.Context, refs []string, o image.RemoveOptions) ([]image.RemoveReport, error)
	Prune(ctx context.Context, o image.PruneOptions) ([]image.RemoveReport, error)
}

// registryUser keeps credentials.
type registryUser interface {
	Login(ctx context.Context, o image.LoginOptions) error
	LoggedIn(ctx context.Context, o image.LoginOptions) (user string, err error)
	Logout(ctx context.Context, o image.LogoutOptions) error
}

// newImageCmd is the parent of the image commands; all but a few are at the top level too.
func newImageCmd(a *app) *cobra.Command {
	cmd := parentCmd("image", "Commands of images")
	ls := newImagesCmd(a)
	ls.Use, ls.Aliases = "ls"+strings.TrimPrefix(ls.Use, "images"), []string{"list"}
	rm := newRmiCmd(a)
	rm.Use, rm.Aliases = "rm"+strings.TrimPrefix(rm.Use, "rmi"), []string{"remove"}
	cmd.AddCommand(
		newImageExistsCmd(a), newHistoryCmd(a), newImageDiffCmd(a), newImportCmd(a), newImageInspectCmd(a), newLoadCmd(a), ls, newImagePruneCmd(a),
		newPullCmd(a), newPushCmd(a), rm, newSaveCmd(a), newTagCmd(a), newUntagCmd(a),
	)
	return cmd
}

// accessFlags are the flags of commands that talk to a registry.
type accessFlags struct {
	authfile, certDir, creds string
	tlsVerify                bool
}

// flags adds them.
func (f *accessFlags) flags(fl *pflag.FlagSet) {
	fl.StringVar(&f.authfile, "authfile", "", "Take credentials from this `file` (REGISTRY_AUTH_FILE)")
	fl.StringVar(&f.certDir, "cert-dir", "", "Take the client's certificates for the registry from this `dir`")
	fl.StringVar(&f.creds, "creds", "", "Use these credentials, `USER[:PASSWORD]`, instead of those of berth login")
	fl.BoolVar(&f.tlsVerify, "tls-verify", true, "Require HTTPS and a valid certificate (default: as registries.conf says)")
}

// access is what the flags say. A password that is missing is asked for.
func (f *accessFlags) access(a *app, fl *pflag.FlagSet) (image.Access, error) {
	access := image.Access{AuthFile: f.authfile, CertDir: f.certDir}
	if fl.Changed("tls-verify") {
		access.TLSVerify = &f.tlsVerify
	}
	if f.creds == "" {
		return access, nil
	}
	var given bool
	access.Username, access.Password, given = strings.Cut(f.creds, ":")
	if access.Username == "" {
		return access, errdefs.Invalid("--creds: it must be USER[:PASSWORD]")
	}
	if given {
		return access, nil
	}
	var err error
	access.Password, err = askSecret(a, "Password: ")
	return access, err
}

// askSecret asks for a line without showing it. ErrInvalidArgument without a terminal.
func askSecret(a *app, prompt string) (string, error) {
	fd, ok := terminalOf(a.in)
	if !ok {
		return "", errdefs.Invalid("standard input is not a terminal, so the password cannot be asked for: give --password-stdin or USER:PASSWORD")
	}
	if _, err := io.WriteString(a.err, prompt); err != nil {
		return "", err
	}
	secret, err := term.ReadPassword(fd)
	io.WriteString(a.err, "\n")
	if err != nil {
		return "", errdefs.Invalid("reading the password: %w", err)
	}
	return string(secret), nil
}

// platformFlags choose an image for another machine.
type platformFlags struct{ platform, os, arch, variant string }

// flags adds them.
func (f *platformFlags) flags(fl *pflag.FlagSet) {
	fl.StringVar(&f.platform, "platform", "", "Choose the image for this `OS/ARCH[/VARIANT]`")
	fl.StringVar(&f.os, "os", "", "Choose the image for this operating system")
	fl.StringVar(&f.arch, "arch", "", "Choose the image for this architecture")
	fl.StringVar(&f.variant, "variant", "", "Choose the image for this variant of the architecture")
}

// value is the platform in one word, empty for this machine's.
func (f *platformFlags) value(a *app) (string, error) {
	parts := f.os != "" || f.arch != "" || f.variant != ""
	if !parts {
		return f.platform, nil
	}
	if f.platform != "" {
		return "", errdefs.Invalid("--platform and --os, --arch, --variant exclude each other")
	}
	host := image.Platform{OS: "linux", Arch: runtime.GOARCH}
	if f.os != "" {
		host.OS = f.os
	}
	if f.arch != "" {
		host.Arch, host.Variant = f.arch, ""
	}
	if f.variant != "" {
		host.Variant = f.variant
	}
	return host.String(), nil
}

// splitName splits a full name into repository and tag.
func splitName(name string) (repository, tag string) {
	slash := strings.LastIndexByte(name, '/')
	if colon := strings.LastIndexByte(name, ':'); colon > slash {
		return name[:colon], name[colon+1:]
	}
	return name, "<none>"
}

// completeImages completes names and IDs of images.
func completeImages(a *app) cobra.CompletionFunc {
	return completeNames(func(ctx context.Context) ([]string, error) {
		s, err := a.services(ctx)
		if err != nil {
			return nil, err
		}
		found, err := s.Images.List(ctx, image.ListOptions{})
		var names []string
		for _, i := range found {
			names = append(names, i.Names...)
			for _, n := range i.Names {
				names = append(names, n[strings.LastIndexByte(n, '/')+1:])
			}
			if len(i.Names) == 0 {
				names = append(names, shortID(i.ID, false))
			}
		}
		return names, err
	})
}
