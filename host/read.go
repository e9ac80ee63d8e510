package host

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// Read finds out the facts about this machine. It reads a handful of small files and starts no process; what a file that is
// not there would have told is left at its zero value. ErrInternal if /proc is not mounted. It may be called concurrently.
func Read() (Facts, error) {
	f := Facts{UID: os.Geteuid(), Arch: runtime.GOARCH, Limits: processLimits()}
	f.Rootless = f.UID != 0
	if err := f.readTree(tree("/")); err != nil {
		return Facts{}, err
	}
	return f, nil
}

// tree is a root directory that facts are read below: "/", or a copy of parts of it in a test.
type tree string

func (t tree) path(name string) string { return filepath.Join(string(t), name) }

// text is the file's content without white space around it; empty when it cannot be read.
func (t tree) text(name string) string {
	b, err := os.ReadFile(t.path(name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func (t tree) has(name string) bool {
	return unix.Faccessat(unix.AT_FDCWD, t.path(name), unix.F_OK, 0) == nil
}

func (t tree) isDir(name string) bool {
	info, err := os.Stat(t.path(name))
	return err == nil && info.IsDir()
}

// readTree fills in what files tell.
func (f *Facts) readTree(t tree) error {
	status, err := os.ReadFile(t.path("proc/self/status"))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return errdefs.Internal("/proc is not mounted, and nothing about this machine can be read without it: mount -t proc proc /proc")
		}
		return errdefs.With(errdefs.ErrInternal, err)
	}
	f.readStatus(string(status))
	f.BootID = t.text("proc/sys/kernel/random/boot_id")
	f.Kernel = parseRelease(t.text("proc/sys/kernel/osrelease"))
	f.NROpen, _ = strconv.ParseInt(t.text("proc/sys/fs/nr_open"), 10, 64)
	f.OOMScoreAdj, _ = strconv.Atoi(t.text("proc/self/oom_score_adj"))
	f.Cgroups = readCgroups(t)
	f.ThermalThrottle = thermalThrottle(t)
	f.Systemd = t.isDir("run/systemd/system")
	f.AppArmor = strings.HasPrefix(t.text("sys/module/apparmor/parameters/enabled"), "Y")
	f.SELinux = t.has("sys/fs/selinux/enforce")
	f.SubUIDs, f.SubGIDs = readSubIDs(t, f.UID)
	return nil
}

// readStatus takes the capability sets and seccomp's presence from /proc/self/status (proc(5)).
func (f *Facts) readStatus(status string) {
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch name {
		case "CapEff":
			set, _ := strconv.ParseUint(value, 16, 64)
			f.CanRaiseLimits = set&(1<<unix.CAP_SYS_RESOURCE) != 0
		case "CapBnd":
			set, _ := strconv.ParseUint(value, 16, 64)
			f.Capabilities = CapabilityNames(set)
		case "Seccomp":
			f.Seccomp = true
		}
	}
}

// parseRelease takes major and minor from uname's release, as in 6.1.0-18-amd64 or 5.4-rc1.
func parseRelease(release string) KernelVersion {
	major, rest, _ := strings.Cut(release, ".")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end >= 0 {
		rest = rest[:end]
	}
	var v KernelVersion
	v.Major, _ = strconv.Atoi(major)
	v.Minor, _ = strconv.Atoi(rest)
	return v
}
