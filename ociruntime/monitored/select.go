package monitored

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/host"
	"github.com/berth-engine/berth/ociruntime"
)

// places are searched after PATH, which may be anything when a service or a login shell made it.
var places = []string{
	"/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/sbin", "/bin", "/run/current-system/sw/bin",
}

// Select finds the OCI runtime to use. configured are names or paths in order of preference, which are used as they were asked
// for; without any it is crun where it fits the host, else runc. The error is ErrMissing, and says what to install. No
// program is started.
func Select(facts host.Facts, configured []string) (string, error) {
	candidates := configured
	if len(candidates) == 0 {
		candidates = []string{"crun", "runc"}
	}
	unfit := ""
	for _, name := range candidates {
		if len(configured) == 0 && name == "crun" && !crunFits(facts) {
			unfit = " (crun does not run on a host with cgroup v1 whose v2 tree has controllers as well)"
			continue
		}
		if path := find(name); path != "" {
			return path, nil
		}
	}
	return "", &failure{
		text:  "no OCI runtime found: looked for " + strings.Join(candidates, ", ") + unfit + "; " + installHint(candidates[len(candidates)-1]),
		is:    ociruntime.ErrMissing,
		class: errdefs.ErrUnavailable,
	}
}

// crunFits: crun (seen with 1.8) refuses a hybrid host on which controllers are left to the v2 tree.
func crunFits(facts host.Facts) bool {
	return facts.Cgroups.Mode != host.Hybrid || len(facts.Cgroups.V2Controllers) == 0
}

// installHint is the remedy for a program that is not there.
func installHint(name string) string {
	switch name {
	case "crun", "runc", "youki", "kata-runtime", "runsc":
		return "install the package " + name + " or name another runtime with --runtime"
	case "berth-monitor":
		return "install it beside berth"
	}
	return "install it, or name another runtime with --runtime"
}

// find looks for an executable by name in PATH and the usual places, or by path. Empty for none.
func find(name string) string {
	if strings.Contains(name, "/") {
		if executable(name) {
			return name
		}
		return ""
	}
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), places...) {
		if path := filepath.Join(dir, name); filepath.IsAbs(path) && executable(path) {
			return path
		}
	}
	return ""
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && unix.Access(path, unix.X_OK) == nil
}
