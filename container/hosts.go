package container

import (
	"net/netip"
	"strings"

	"github.com/berth-engine/berth/errdefs"
)

// HostGateway is the word for the host's own address as containers see it.
const HostGateway = "host-gateway"

// ParseAddHost parses --add-host: NAME[;NAME…]:IP or NAME=IP, with an address or the word host-gateway, and returns NAME:IP for
// each name. An IPv6 address may be in brackets. ErrInvalidArgument.
func ParseAddHost(s string) ([]string, error) {
	i := strings.IndexAny(s, ":=")
	if i <= 0 {
		return nil, errdefs.Invalid("host %q is not of the form NAME:IP, as in db:10.0.0.2", s)
	}
	names, text := s[:i], s[i+1:]
	address := text
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		address = text[1 : len(text)-1]
	}
	if address != HostGateway {
		// The zone of an IPv6 address can be any text, for netip.
		if a, err := netip.ParseAddr(address); err != nil || strings.IndexFunc(a.Zone(), badInHostName) >= 0 {
			return nil, errdefs.Invalid("host %q: %q is neither an IP address nor %s", s, text, HostGateway)
		}
	}
	var hosts []string
	for name := range strings.SplitSeq(names, ";") {
		if name == "" || strings.IndexFunc(name, badInHostName) >= 0 {
			return nil, errdefs.Invalid("host %q: %q is not a host's name", s, name)
		}
		hosts = append(hosts, name+":"+address)
	}
	return hosts, nil
}

// badInHostName: what would end a word or a line of /etc/hosts, or begin a comment (hosts(5)).
func badInHostName(r rune) bool { return r <= ' ' || r == '#' || r == 0x7f || r == '/' }

// CheckHostname checks --hostname: labels of letters, digits, underscores and hyphens with dots between them, as a whole no longer
// than the kernel keeps (sethostname(2)). ErrInvalidArgument.
func CheckHostname(name string) error {
	if len(name) > 64 {
		return errdefs.Invalid("host name %q is longer than 64 characters", name)
	}
	for label := range strings.SplitSeq(name, ".") {
		bad := strings.IndexFunc(label, func(r rune) bool { return r == '.' || badInName(r) }) >= 0
		if label == "" || bad || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return errdefs.Invalid("host name %q is not words of letters, digits and hyphens with dots between them", name)
		}
	}
	return nil
}
