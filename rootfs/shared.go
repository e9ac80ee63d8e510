package rootfs

import (
	"os"
	"path/filepath"
	"strings"
)

// Shared reports whether the mount that dir lies on is shared with other mount namespaces, so that what is mounted below dir shows
// there too (mount_namespaces(7)).
func Shared(dir string) (bool, error) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return false, classed(err, "looking for the mount of %s", dir)
	}
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false, classed(err, "reading the mounts")
	}
	best, shared := -1, false
	for line := range strings.Lines(string(info)) {
		point, tags, ok := parseMountInfo(line)
		if ok && len(point) >= best && (real == point || strings.HasPrefix(real, strings.TrimSuffix(point, "/")+"/")) {
			best, shared = len(point), strings.Contains(tags, "shared:")
		}
	}
	return shared, nil
}

// parseMountInfo takes the mount point and the optional fields from a line of /proc/PID/mountinfo (proc_pid_mountinfo(5)).
func parseMountInfo(line string) (point, tags string, ok bool) {
	before, _, ok := strings.Cut(line, " - ")
	f := strings.Fields(before)
	if !ok || len(f) < 6 {
		return "", "", false
	}
	return unescape(f[4]), strings.Join(f[6:], " "), true
}

// unescape undoes the octal escapes of mountinfo.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
