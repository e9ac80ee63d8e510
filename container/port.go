package container

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-engine/berth/errdefs"
)

// ParsePort parses --publish: [[IP:][HOSTPORT]:]CONTAINERPORT[/PROTOCOL]. A port may be a range with a hyphen, both of the same
// length; without a host port, or with an empty one, the engine chooses (HostPort is 0). An IPv6 address is in brackets. The
// protocol is tcp (the default), udp or sctp. ErrInvalidArgument.
func ParsePort(s string) (Port, error) {
	rest, protocol, hasProtocol := strings.Cut(s, "/")
	protocol = strings.ToLower(protocol)
	if !hasProtocol {
		protocol = "tcp"
	}
	if !slices.Contains([]string{"tcp", "udp", "sctp"}, protocol) {
		return Port{}, errdefs.Invalid("port %q: unknown protocol %q; tcp, udp and sctp are known", s, protocol)
	}
	address, hostPorts, containerPorts, err := splitPort(s, rest)
	if err != nil {
		return Port{}, err
	}
	first, count, ok := portRange(containerPorts)
	if !ok {
		return Port{}, errdefs.Invalid("port %q: %q is not a port, or a range of ports, from 1 to 65535", s, containerPorts)
	}
	p := Port{HostIP: address, ContainerPort: first, Range: count, Protocol: protocol}
	if hostPorts == "" || hostPorts == "0" {
		return p, nil
	}
	if p.HostPort, count, ok = portRange(hostPorts); !ok {
		return Port{}, errdefs.Invalid("port %q: %q is not a port, or a range of ports, from 1 to 65535", s, hostPorts)
	}
	if count != p.Range {
		return Port{}, errdefs.Invalid("port %q: the ranges of the host's and the container's ports are not of the same length", s)
	}
	return p, nil
}

// splitPort takes apart what is before the protocol.
func splitPort(s, rest string) (address, hostPorts, containerPorts string, err error) {
	i := strings.LastIndexByte(rest, ':')
	if i < 0 {
		return "", "", rest, nil
	}
	containerPorts = rest[i+1:]
	rest = rest[:i]
	i = strings.LastIndexByte(rest, ':')
	if i < 0 || strings.HasSuffix(rest, "]") {
		return "", rest, containerPorts, checkHostPorts(s, rest)
	}
	address, hostPorts = rest[:i], rest[i+1:]
	if address == "" {
		return "", hostPorts, containerPorts, nil
	}
	bracketed := strings.HasPrefix(address, "[") && strings.HasSuffix(address, "]")
	ip, parseErr := netip.ParseAddr(strings.Trim(address, "[]"))
	if parseErr != nil || ip.Zone() != "" || ip.Is6() != bracketed {
		return "", "", "", errdefs.Invalid("port %q: %q is not an IP address; an IPv6 address is in brackets, as in [::1]:80:80", s, address)
	}
	return ip.String(), hostPorts, containerPorts, nil
}

func checkHostPorts(s, rest string) error {
	if strings.ContainsAny(rest, "[]") {
		return errdefs.Invalid("port %q has an address and a container's port only: put an empty host port between them, as in [::1]::80", s)
	}
	return nil
}

// portRange parses a port or FIRST-LAST.
func portRange(s string) (first, count uint16, ok bool) {
	low, high, isRange := strings.Cut(s, "-")
	if !isRange {
		high = low
	}
	a, err1 := strconv.ParseUint(low, 10, 16)
	b, err2 := strconv.ParseUint(high, 10, 16)
	if err1 != nil || err2 != nil || a == 0 || a > b {
		return 0, 0, false
	}
	return uint16(a), uint16(b - a + 1), true
}
