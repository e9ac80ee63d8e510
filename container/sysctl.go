package container

import (
	"slices"
	"strings"

	"github.com/berth-engine/berth/errdefs"
)

// ParseSysctl parses --sysctl's NAME=VALUE. Slashes instead of dots are accepted, as sysctl(8) does.
// ErrInvalidArgument if the parameter belongs to no namespace or could smuggle in another.
func ParseSysctl(s string) (name, value string, err error) {
	name, value, ok := strings.Cut(s, "=")
	if !ok {
		return "", "", errdefs.Invalid("sysctl %q is not of the form NAME=VALUE, as in net.ipv4.ip_forward=1", s)
	}
	name = dotted(strings.TrimSpace(name))
	if err := CheckSysctl(name, value); err != nil {
		return "", "", err
	}
	_, err = SysctlNamespace(name)
	return name, value, err
}

// dotted gives a name written with slashes its dots; in such a name, a dot is part of a word (net/ipv4/conf/eth0.1/mtu).
func dotted(name string) string {
	i := strings.IndexAny(name, "./")
	if i < 0 || name[i] == '.' {
		return name
	}
	return strings.Map(func(r rune) rune {
		switch r {
		case '/':
			return '.'
		case '.':
			return '/'
		}
		return r
	}, name)
}

// CheckSysctl refuses what is more than one name and one value. Runtimes have taken sysctls apart at '+' and at line ends
// (CVE-2022-0811), and make a path of the name.
func CheckSysctl(name, value string) error {
	for word := range strings.SplitSeq(name, ".") {
		if strings.Trim(word, "/") == "" || strings.HasPrefix(word, "/") || strings.HasSuffix(word, "/") || strings.Contains(word, "//") {
			return errdefs.Invalid("sysctl name %q is not words with dots between them, as in net.ipv4.ip_forward", name)
		}
	}
	if strings.IndexFunc(name, badInSysctlName) >= 0 {
		return errdefs.Invalid("sysctl name %q holds other characters than letters, digits, dots, hyphens and underscores", name)
	}
	if strings.ContainsAny(value, "+\n\r\x00") {
		return errdefs.Invalid("sysctl value %q of %s holds a plus sign or a line end", value, name)
	}
	return nil
}

func badInSysctlName(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("._-/", r):
		return false
	}
	return true
}

// ipcSysctls are the parameters of ipc_namespaces(7) besides those below fs.mqueue.
var ipcSysctls = []string{
	"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni",
	"kernel.shm_rmid_forced",
}

// SysctlNamespace is the kind of namespace that a kernel parameter belongs to: network, ipc or uts. ErrInvalidArgument for one
// that is the whole machine's.
func SysctlNamespace(name string) (string, error) {
	switch {
	case strings.HasPrefix(name, "net."):
		return "network", nil
	case strings.HasPrefix(name, "fs.mqueue."), slices.Contains(ipcSysctls, name):
		return "ipc", nil
	case name == "kernel.domainname":
		return "uts", nil
	case name == "kernel.hostname":
		return "", errdefs.Invalid("sysctl kernel.hostname is set by --hostname")
	}
	return "", errdefs.Invalid("sysctl %q cannot be set for a container: it is in no namespace and would change the whole machine (net.*, fs.mqueue.*, kernel.msg*, kernel.sem and kernel.shm* can)", name)
}
