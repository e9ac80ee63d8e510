package rootfs

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/berth-engine/berth/errdefs"
)

// HostsInput is what a container's /etc/hosts is made of.
type HostsInput struct {
	// Base is another hosts file that the container's begins from: the host's own by default, as podman has it; nil for none.
	Base []byte
	// Add are NAME:IP as a user wrote them (--add-host). Several names are separated by semicolons, and the word
	// host-gateway stands for Gateway.
	Add []string
	// Addresses are the container's own, and Names what it is called: its host name and its name. Without a network the
	// address is 127.0.0.1; in the host's network there are none.
	Addresses []netip.Addr
	Names     []string
	// Gateway is where the container reaches the host; zero if it cannot, as without a network.
	Gateway netip.Addr
}

// hostNames are the names by which a container knows its host: podman's and Docker's.
var hostNames = []string{"host.containers.internal", "host.docker.internal"}

// HostsFile is the content of /etc/hosts: what the user added, then the base, then what the engine knows. A name that an
// earlier part has is not repeated in a later one. ErrInvalidArgument: an entry of Add that is not NAME:IP, or that needs a
// gateway when there is none.
func HostsFile(in HostsInput) ([]byte, error) {
	var h hosts
	for _, spec := range in.Add {
		names, addr, err := ParseAddHost(spec)
		if err != nil {
			return nil, err
		}
		if !addr.IsValid() {
			if addr = in.Gateway; !addr.IsValid() {
				return nil, errdefs.Invalid("--add-host %s: this network has no gateway to the host", spec)
			}
		}
		h.add(addr.String(), names)
	}
	h.user = slices.Clone(h.names)
	foreign := slices.Concat(hostNames, h.user)
	if len(in.Addresses) > 0 {
		foreign = append(foreign, in.Names...)
	}
	h.base(in.Base, foreign)
	h.addNew("127.0.0.1", "localhost")
	if !slices.Contains(h.lines6, "localhost") && !slices.Contains(h.user, "localhost") {
		h.add("::1", h.missing([]string{"localhost", "ip6-localhost", "ip6-loopback"}, h.user))
	}
	if in.Gateway.IsValid() {
		h.addNew(in.Gateway.String(), hostNames...)
	}
	own := h.missing(in.Names, h.user)
	for _, a := range in.Addresses {
		h.add(a.String(), own)
	}
	return h.out.Bytes(), nil
}

// hosts is a hosts file in the making.
type hosts struct {
	out    bytes.Buffer
	names  []string // all that have a line
	user   []string // of these, the user's
	lines6 []string // of the base, those with an IPv6 address
}

func (h *hosts) add(addr string, names []string) {
	if len(names) > 0 {
		fmt.Fprintf(&h.out, "%s\t%s\n", addr, strings.Join(names, " "))
		h.names = append(h.names, names...)
	}
}

// addNew adds those names that have no line yet.
func (h *hosts) addNew(addr string, names ...string) { h.add(addr, h.missing(names, h.names)) }

// missing are those names, each once, that have does not have.
func (h *hosts) missing(names, have []string) []string {
	var out []string
	for _, n := range names {
		if n != "" && !slices.Contains(have, n) && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// base takes over the lines of another file, without comments, what is not an entry, and names that get, or have, an address
// elsewhere.
func (h *hosts) base(file []byte, elsewhere []string) {
	for line := range bytes.Lines(file) {
		text, _, _ := strings.Cut(string(line), "#")
		fields := strings.Fields(text)
		if len(fields) < 2 {
			continue
		}
		addr, err := netip.ParseAddr(fields[0])
		if err != nil {
			continue
		}
		names := h.missing(fields[1:], elsewhere)
		if addr.Is6() {
			h.lines6 = append(h.lines6, names...)
		}
		h.add(fields[0], names)
	}
}

// ParseAddHost reads NAME[;NAME…]:IP. The address is zero for the word host-gateway. An IPv6 address may stand in brackets.
func ParseAddHost(spec string) (names []string, addr netip.Addr, err error) {
	list, ip, ok := strings.Cut(spec, ":")
	names = strings.Split(list, ";")
	for _, n := range names {
		if n == "" || strings.ContainsFunc(n, endsWord) {
			ok = false
		}
	}
	if !ok {
		return nil, addr, errdefs.Invalid("--add-host %q is not NAME:IP", spec)
	}
	if ip == "host-gateway" {
		return names, addr, nil
	}
	if len(ip) > 2 && ip[0] == '[' && ip[len(ip)-1] == ']' {
		ip = ip[1 : len(ip)-1]
	}
	// The zone of an IPv6 address can be any text, for netip.
	if addr, err = netip.ParseAddr(ip); err != nil || strings.ContainsFunc(addr.Zone(), endsWord) {
		return nil, addr, errdefs.Invalid("--add-host %q: %q is not an IP address", spec, ip)
	}
	return names, addr, nil
}

// endsWord: what would end a word or a line of hosts(5) or resolv.conf(5), or begin a comment.
func endsWord(r rune) bool { return r <= ' ' || r == 0x7f || r == '#' }

// ContainerEnvInput is what /run/.containerenv tells.
type ContainerEnvInput struct {
	Engine                   string // name-version
	Name, ID, Image, ImageID string
	Rootless                 bool
	// Privileged: only such a container is told anything, as podman has it.
	Privileged bool
}

// ContainerEnv is the content of /run/.containerenv in podman's format. The file's presence is what programs look for; it is
// empty in a container that is not privileged.
func ContainerEnv(in ContainerEnvInput) []byte {
	if !in.Privileged {
		return nil
	}
	rootless := 0
	if in.Rootless {
		rootless = 1
	}
	return fmt.Appendf(nil, "engine=%q\nname=%q\nid=%q\nimage=%q\nimageid=%q\nrootless=%d\n",
		in.Engine, in.Name, in.ID, in.Image, in.ImageID, rootless)
}
