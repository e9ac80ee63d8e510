package image

import (
	"log/slog"
	"os"
	"runtime"
	"strings"

	"go.podman.io/image/v5/types"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/host"
)

// Options say where the images are and which configuration files apply. An empty path is the usual one of containers/image:
// registries.conf(5), policy.json(5), auth.json(5) and certs.d(5) in /etc/containers and the caller's home.
type Options struct {
	// Root keeps the images and RunRoot what a reboot voids. They are Berth's own: graphroot and runroot of storage.conf(5) are
	// not looked at, its driver, driver options and additional image stores are ($CONTAINERS_STORAGE_CONF names another file).
	Root    string
	RunRoot string
	// Driver is the storage driver; empty for storage.conf's, else overlay.
	Driver string

	RegistriesConf    string
	RegistriesConfDir string
	ShortNameAliases  string
	Policy            string
	// AuthFile is read and written instead of the usual credential files; $REGISTRY_AUTH_FILE when empty.
	AuthFile string
	CertsDir string

	// Facts are the machine's; the zero value is a machine of GOARCH run by root.
	Facts host.Facts
	// Logger receives what goes wrong without being an error of any call; nil for nowhere.
	Logger *slog.Logger
}

// Access is how a registry is reached in one call. The zero value is what the configuration says.
type Access struct {
	// AuthFile overrides Options.AuthFile.
	AuthFile string
	// Username and Password are used instead of stored credentials.
	Username, Password string
	// CertDir has a client's certificates and authorities for this registry (certs.d(5)).
	CertDir string
	// TLSVerify false allows plain HTTP and certificates that nobody signed; nil for what registries.conf says.
	TLSVerify *bool
}

// systemContext is containers/image's view of the options, with temporary files in tmp.
func (s *Store) systemContext(a Access, tmp string) *types.SystemContext {
	sys := &types.SystemContext{
		SystemRegistriesConfPath:    s.opts.RegistriesConf,
		SystemRegistriesConfDirPath: s.opts.RegistriesConfDir,
		UserShortNameAliasConfPath:  s.opts.ShortNameAliases,
		SignaturePolicyPath:         s.opts.Policy,
		AuthFilePath:                s.authFile(a),
		DockerPerHostCertDirPath:    s.opts.CertsDir,
		DockerCertPath:              a.CertDir,
		DockerRegistryUserAgent:     "berth",
		BlobInfoCacheDir:            s.opts.Root + "/cache",
		BigFilesTemporaryDir:        tmp,
		OSChoice:                    "linux",
		ArchitectureChoice:          s.arch(),
	}
	if a.Username != "" {
		sys.DockerAuthConfig = &types.DockerAuthConfig{Username: a.Username, Password: a.Password}
	}
	if a.TLSVerify != nil {
		sys.DockerInsecureSkipTLSVerify = types.NewOptionalBool(!*a.TLSVerify)
		sys.OCIInsecureSkipTLSVerify = !*a.TLSVerify
	}
	return sys
}

func (s *Store) authFile(a Access) string {
	for _, path := range []string{a.AuthFile, s.opts.AuthFile, os.Getenv("REGISTRY_AUTH_FILE")} {
		if path != "" {
			return path
		}
	}
	return ""
}

func (s *Store) arch() string {
	if s.opts.Facts.Arch != "" {
		return s.opts.Facts.Arch
	}
	return runtime.GOARCH
}

// Platform is what an image is made for: os/arch[/variant], in the words of Go and of the OCI image specification.
type Platform struct{ OS, Arch, Variant string }

// ParsePlatform parses os/arch[/variant] or arch alone. Common names of other tools (x86_64, aarch64, armhf) are understood.
// ErrInvalidArgument.
func ParsePlatform(s string) (Platform, error) {
	parts := strings.Split(strings.ToLower(s), "/")
	for _, p := range parts {
		if p == "" {
			return Platform{}, errdefs.Invalid("platform %q is not of the form os/arch[/variant], as in linux/arm64", s)
		}
	}
	p := Platform{OS: "linux"}
	switch len(parts) {
	case 1:
		if parts[0] == "linux" {
			p.Arch = runtime.GOARCH
		} else {
			p.Arch = parts[0]
		}
	case 2:
		p.OS, p.Arch = parts[0], parts[1]
	case 3:
		p.OS, p.Arch, p.Variant = parts[0], parts[1], parts[2]
	default:
		return Platform{}, errdefs.Invalid("platform %q is not of the form os/arch[/variant], as in linux/arm64", s)
	}
	return p.normal(), nil
}

// normal gives architectures the names that Go uses.
func (p Platform) normal() Platform {
	switch p.Arch {
	case "x86_64", "x86-64":
		p.Arch = "amd64"
	case "aarch64":
		p.Arch = "arm64"
	case "i386", "i686", "x86":
		p.Arch = "386"
	case "armhf":
		p.Arch, p.Variant = "arm", "v7"
	case "armel":
		p.Arch, p.Variant = "arm", "v6"
	}
	if p.Arch == "arm64" && p.Variant == "v8" {
		p.Variant = ""
	}
	return p
}

// String is os/arch[/variant].
func (p Platform) String() string {
	s := p.OS + "/" + p.Arch
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// Fits reports whether an image for p can be used where want is asked for: empty parts of either are not compared.
func (p Platform) Fits(want Platform) bool {
	same := func(a, b string) bool { return a == "" || b == "" || a == b }
	p, want = p.normal(), want.normal()
	return same(p.OS, want.OS) && same(p.Arch, want.Arch) && same(p.Variant, want.Variant)
}

// Host is this machine's platform.
func (s *Store) Host() Platform { return Platform{OS: "linux", Arch: s.arch()} }

// Platform is what the image says that it is for.
func (i *Image) Platform() Platform {
	return Platform{OS: i.Config.OS, Arch: i.Config.Architecture, Variant: i.Config.Variant}
}

// Check returns ErrInvalidArgument, saying what to do, if the image is for another platform than want.
func (i *Image) Check(want Platform) error {
	if i.Platform().Fits(want) {
		return nil
	}
	return wrongPlatform(i.display(), i.Platform(), want)
}

func wrongPlatform(name string, has, want Platform) error {
	return errdefs.Invalid("image %s is for %s, not for %s: choose another image, or ask for it with --platform %s if this machine can run it", name, has, want, has)
}

// display is the image's first name, else its ID, short.
func (i *Image) display() string {
	if len(i.Names) > 0 {
		return i.Names[0]
	}
	return shortID(i.ID)
}

func shortID(id string) string {
	if len(id) > 12 {
		return id[:12]
	}
	return id
}
