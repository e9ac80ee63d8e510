package leak

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// A mountLine is what is needed of one line of /proc/PID/mountinfo (proc(5)).
type mountLine struct {
	root, point, fstype, source, super string
}

func parseMount(line string) (mountLine, bool) {
	left, right, found := strings.Cut(line, " - ")
	l, r := strings.Fields(left), strings.Fields(right)
	if !found || len(l) < 6 || len(r) < 2 {
		return mountLine{}, false
	}
	m := mountLine{root: unescape(l[3]), point: unescape(l[4]), fstype: r[0], source: unescape(r[1])}
	if len(r) > 2 {
		m.super = r[2]
	}
	return m, true
}

var octal = regexp.MustCompile(`\\[0-7]{3}`)

// unescape undoes mountinfo's octal escapes of space, tab, newline and backslash.
func unescape(s string) string {
	return octal.ReplaceAllStringFunc(s, func(e string) string {
		n, err := strconv.ParseUint(e[1:], 8, 8)
		if err != nil {
			return e
		}
		return string([]byte{byte(n)})
	})
}

func mounts() ([]mountLine, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var all []mountLine
	for _, line := range strings.Split(string(text), "\n") {
		if m, ok := parseMount(line); ok {
			all = append(all, m)
		}
	}
	return all, nil
}

// findMounts returns the mounts under the scope's directories and those whose layers or source lie there. A mount of a
// namespace (nsfs) is a namespace that is kept alive; so is every name in /run/netns.
func findMounts(s Scope, _ map[string]bool) ([]Leak, error) {
	all, err := mounts()
	if err != nil {
		return nil, err
	}
	var leaks []Leak
	for _, m := range all {
		switch {
		case m.fstype == "nsfs" && (s.mentions(m.point) || filepath.Dir(m.point) == "/run/netns"):
			leaks = append(leaks, Leak{Namespace, m.point, m.root})
		case s.onceABoot(m):
		case s.mentions(m.point) || s.mentions(m.source) || s.mentions(m.super):
			leaks = append(leaks, Leak{Mount, m.point, m.fstype})
		}
	}
	return leaks, nil
}

// MountPoints returns what is mounted below a directory, the last mounted first.
func MountPoints(dir string) ([]string, error) {
	all, err := mounts()
	if err != nil {
		return nil, err
	}
	var points []string
	for i := len(all) - 1; i >= 0; i-- {
		if strings.HasPrefix(all[i].point, dir+"/") {
			points = append(points, all[i].point)
		}
	}
	return points, nil
}

// onceABoot reports whether the mount is one that an engine keeps until the next boot: the OCI runtime on a read-only mount
// (DESIGN section 2).
func (s Scope) onceABoot(m mountLine) bool {
	rel, err := filepath.Rel(s.RunRoot, m.point)
	return err == nil && KeptUntilReboot.MatchString(rel)
}
