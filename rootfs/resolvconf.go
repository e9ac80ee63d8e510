package rootfs

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/berth-engine/berth/errdefs"
)

// ResolvInput is what a container's /etc/resolv.conf is made of.
type ResolvInput struct {
	// Host is the host's file (see HostResolvConf).
	Host []byte
	// Servers, Search and Options each replace the host's, if there are any. The search domain "." is no search.
	Servers, Search, Options []string
	// HostNetwork: the container reaches the host's own name servers at loopback addresses.
	HostNetwork bool
	// IPv6: the container can reach name servers over IPv6.
	IPv6 bool
}

// publicServers are asked when the host's own cannot be reached from the container, as podman and Docker have it.
var publicServers = []string{"8.8.8.8", "8.8.4.4"}

// ResolvConf is the content of /etc/resolv.conf (resolv.conf(5)). Name servers of the host that the container cannot reach are
// left out: loopback addresses, those with a zone, and IPv6 ones without IPv6. If none is left, it is Google's public ones.
// For --dns none there is no file to make, and this is not called. ErrInvalidArgument: a server that is not an IP address, a
// domain or an option with white space.
func ResolvConf(in ResolvInput) ([]byte, error) {
	servers, search, options := parseResolv(in.Host)
	if len(in.Servers) > 0 {
		servers = in.Servers
		for _, s := range servers {
			if a, err := netip.ParseAddr(s); err != nil || strings.ContainsFunc(a.Zone(), endsWord) {
				return nil, errdefs.Invalid("--dns %q is not an IP address", s)
			}
		}
	} else if !in.HostNetwork {
		servers = slices.DeleteFunc(servers, func(s string) bool { return !reachable(s, in.IPv6) })
		if len(servers) == 0 {
			servers = publicServers
		}
	}
	for flag, values := range map[string][]string{"--dns-search": in.Search, "--dns-option": in.Options} {
		for _, v := range values {
			if v == "" || strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
				return nil, errdefs.Invalid("%s %q is not one word", flag, v)
			}
		}
	}
	if len(in.Search) > 0 {
		search = in.Search
	}
	if slices.Contains(search, ".") {
		search = nil
	}
	if len(in.Options) > 0 {
		options = in.Options
	}
	return writeResolv(servers, search, options), nil
}

func writeResolv(servers, search, options []string) []byte {
	var out bytes.Buffer
	if len(search) > 0 {
		out.WriteString("search " + strings.Join(search, " ") + "\n")
	}
	for _, s := range servers {
		out.WriteString("nameserver " + s + "\n")
	}
	if len(options) > 0 {
		out.WriteString("options " + strings.Join(options, " ") + "\n")
	}
	return out.Bytes()
}

// reachable reports whether a process in a network namespace of its own could ask the server.
func reachable(server string, ipv6 bool) bool {
	addr, err := netip.ParseAddr(server)
	return err == nil && !addr.IsLoopback() && !addr.IsUnspecified() && addr.Zone() == "" && (addr.Is4() || ipv6)
}

// parseResolv reads what resolv.conf(5) has: every nameserver, the last search or domain line, all options.
func parseResolv(file []byte) (servers, search, options []string) {
	for line := range bytes.Lines(file) {
		text := string(line)
		if i := strings.IndexAny(text, "#;"); i >= 0 {
			text = text[:i]
		}
		fields := strings.Fields(text)
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "nameserver":
			if _, err := netip.ParseAddr(fields[1]); err == nil {
				servers = append(servers, fields[1])
			}
		case "search", "domain":
			search = fields[1:]
		case "options":
			options = append(options, fields[1:]...)
		}
	}
	return servers, search, options
}

// Where systemd-resolved writes the servers that it asks itself; /etc/resolv.conf then has only its own stub.
const (
	hostResolv   = "/etc/resolv.conf"
	resolvedFile = "/run/systemd/resolve/resolv.conf"
)

// HostResolvConf reads the host's resolv.conf: for a container in a network of its own behind systemd-resolved's stub, the
// file with the servers behind the stub. Empty if there is none.
func HostResolvConf(hostNetwork bool) ([]byte, error) {
	data, err := os.ReadFile(hostResolv)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, classed(err, "reading the host's resolver configuration")
	}
	servers, _, _ := parseResolv(data)
	if !hostNetwork && len(servers) == 1 && servers[0] == "127.0.0.53" {
		if behind, err := os.ReadFile(resolvedFile); err == nil {
			return behind, nil
		}
	}
	return data, nil
}
