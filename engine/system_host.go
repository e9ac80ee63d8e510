package engine

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// describeHost reads what Info says of the machine beyond host.Facts.
func describeHost() (HostInfo, error) {
	h := HostInfo{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU()}
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return h, errdefs.Internal("uname: %w", err)
	}
	h.Hostname = unix.ByteSliceToString(uts.Nodename[:])
	h.Kernel = unix.ByteSliceToString(uts.Release[:])
	h.Memory = parseMeminfo(text("/proc/meminfo"))
	h.CPU = parseCPUUse(text("/proc/stat"))
	h.Uptime = parseUptime(text("/proc/uptime"))
	release := text("/etc/os-release")
	if release == "" {
		release = text("/usr/lib/os-release")
	}
	h.Distribution = parseOSRelease(release)
	return h, nil
}

// text is the content of a small file, empty if it cannot be read.
func text(path string) string {
	b, _ := os.ReadFile(path)
	return string(b)
}

// parseMeminfo reads /proc/meminfo (proc(5)), whose numbers are in units of 1024 bytes.
func parseMeminfo(s string) Memory {
	var m Memory
	to := map[string]*int64{
		"MemTotal": &m.Total, "MemFree": &m.Free, "MemAvailable": &m.Available,
		"SwapTotal": &m.SwapTotal, "SwapFree": &m.SwapFree,
	}
	for line := range strings.Lines(s) {
		name, rest, _ := strings.Cut(line, ":")
		field := to[name]
		number := strings.Fields(rest)
		if field == nil || len(number) == 0 {
			continue
		}
		if n, err := strconv.ParseInt(number[0], 10, 54); err == nil && n >= 0 {
			*field = n * 1024
		}
	}
	return m
}

// parseCPUUse reads the first line of /proc/stat (proc(5)): user, nice, system, idle and more, in clock ticks since boot.
func parseCPUUse(s string) CPUUse {
	line, _, _ := strings.Cut(s, "\n")
	fields := strings.Fields(line)
	if len(fields) < 5 || fields[0] != "cpu" {
		return CPUUse{}
	}
	var ticks [10]float64
	var total float64
	for i := range ticks {
		if i+1 >= len(fields) || i >= 8 { // guest and guest_nice are in user and nice already
			break
		}
		n, _ := strconv.ParseUint(fields[i+1], 10, 64)
		ticks[i] = float64(n)
		total += ticks[i]
	}
	if total == 0 {
		return CPUUse{}
	}
	percent := func(n float64) float64 { return float64(int64(n/total*10000+0.5)) / 100 }
	return CPUUse{User: percent(ticks[0] + ticks[1]), System: percent(ticks[2]), Idle: percent(ticks[3])}
}

// parseUptime reads /proc/uptime (proc(5)).
func parseUptime(s string) time.Duration {
	fields := strings.Fields(s)
	if len(fields) == 0 {
		return 0
	}
	seconds, err := strconv.ParseFloat(fields[0], 64)
	if err != nil || !(seconds >= 0 && seconds < 1e9) {
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}

// parseOSRelease reads os-release(5): assignments as a shell would read them, without expansion.
func parseOSRelease(s string) Distribution {
	var d Distribution
	to := map[string]*string{
		"ID": &d.ID, "VERSION_ID": &d.Version, "VERSION_CODENAME": &d.Codename, "PRETTY_NAME": &d.PrettyName,
	}
	for line := range strings.Lines(s) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if field := to[name]; ok && field != nil {
			*field = unquoteShell(value)
		}
	}
	return d
}

// unquoteShell takes the quotes off a value in single or double quotes, and the backslashes within double ones.
func unquoteShell(v string) string {
	if len(v) < 2 || v[0] != v[len(v)-1] || v[0] != '"' && v[0] != '\'' {
		return v
	}
	inner := v[1 : len(v)-1]
	if v[0] == '\'' {
		return inner
	}
	var b strings.Builder
	for i := 0; i < len(inner); i++ {
		if inner[i] == '\\' && i+1 < len(inner) && strings.IndexByte("\\\"$`", inner[i+1]) >= 0 {
			i++
		}
		b.WriteByte(inner[i])
	}
	return b.String()
}

// fileSystem returns the size, the used bytes and the kind of the file system that holds path.
func fileSystem(path string) (allocated, used int64, kind string, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, 0, "", errdefs.Internal("statfs %s: %w", path, err)
	}
	kind, ok := fileSystemKinds[int64(st.Type)]
	if !ok {
		kind = "0x" + strconv.FormatInt(int64(st.Type), 16)
	}
	block := int64(st.Bsize)
	return int64(st.Blocks) * block, int64(st.Blocks-st.Bfree) * block, kind, nil
}

// fileSystemKinds names the magic numbers of statfs(2) that a store is likely to lie on.
var fileSystemKinds = map[int64]string{
	unix.EXT4_SUPER_MAGIC:      "extfs",
	unix.XFS_SUPER_MAGIC:       "xfs",
	unix.BTRFS_SUPER_MAGIC:     "btrfs",
	unix.TMPFS_MAGIC:           "tmpfs",
	unix.OVERLAYFS_SUPER_MAGIC: "overlayfs",
	unix.NFS_SUPER_MAGIC:       "nfs",
	unix.F2FS_SUPER_MAGIC:      "f2fs",
	0x2fc12fc1:                 "zfs",
}
