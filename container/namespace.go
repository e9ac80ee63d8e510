package container

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-engine/berth/errdefs"
)

// NamespaceKind is a kind of namespace, by the name of its flag.
type NamespaceKind string

// The kinds.
const (
	PIDNamespace     NamespaceKind = "pid"
	IPCNamespace     NamespaceKind = "ipc"
	UTSNamespace     NamespaceKind = "uts"
	CgroupNamespace  NamespaceKind = "cgroupns"
	UserNamespace    NamespaceKind = "userns"
	NetworkNamespace NamespaceKind = "network"
)

// modes are those that each kind has.
var modes = map[NamespaceKind][]NamespaceMode{
	PIDNamespace:     {Private, Host, FromContainer, FromPath},
	IPCNamespace:     {Private, Host, FromContainer, FromPath, None, Shareable},
	UTSNamespace:     {Private, Host, FromContainer, FromPath},
	CgroupNamespace:  {Private, Host, FromContainer, FromPath},
	UserNamespace:    {Private, Host, FromContainer, FromPath, Auto},
	NetworkNamespace: {Host, FromContainer, FromPath, None},
}

// ParseNamespace parses the value of --pid, --ipc, --uts, --cgroupns, --userns and --network: host, private, none, shareable,
// container:NAME, ns:PATH, and for users auto[:OPTIONS], whose options stay in Target (see ParseAutoMaps). Empty is the
// default. ErrInvalidArgument for a word that the kind does not have; ErrNotImplemented for what Berth does not do.
func ParseNamespace(kind NamespaceKind, s string) (Namespace, error) {
	word, target, hasTarget := strings.Cut(s, ":")
	n := Namespace{Mode: NamespaceMode(word), Target: target}
	if s == "" {
		return Namespace{}, nil
	}
	if kind == NetworkNamespace && word == "private" {
		n.Mode = None
	}
	if err := refusedMode(kind, s, word); err != nil {
		return Namespace{}, err
	}
	if !slices.Contains(modes[kind], n.Mode) {
		return Namespace{}, errdefs.Invalid("--%s %q is unknown: %s are known", kind, s, modeWords(kind))
	}
	switch n.Mode {
	case FromContainer:
		if target == "" {
			return Namespace{}, errdefs.Invalid("--%s %q names no container: it is container:NAME", kind, s)
		}
	case FromPath:
		if !path.IsAbs(target) {
			return Namespace{}, errdefs.Invalid("--%s %q: the path of a namespace is absolute, as in ns:/proc/1/ns/net", kind, s)
		}
	case Auto:
		if _, err := ParseAutoMaps(target); err != nil {
			return Namespace{}, err
		}
	default:
		if hasTarget {
			return Namespace{}, errdefs.Invalid("--%s %q: %s takes nothing after a colon", kind, s, word)
		}
	}
	return n, nil
}

// refusedMode is the error for words of other engines that have no meaning here.
func refusedMode(kind NamespaceKind, s, word string) error {
	switch {
	case kind == UserNamespace && (word == "keep-id" || word == "nomap"):
		return errdefs.NotImplemented("--userns %q is for users without root, which is not supported yet: use host, or auto", s)
	case kind == NetworkNamespace && (word == "slirp4netns" || word == "pasta"):
		return errdefs.NotImplemented("--network %q is for users without root, which is not supported yet: use none, host or container:NAME", s)
	case kind == NetworkNamespace && !slices.Contains(modes[kind], NamespaceMode(word)) && word != "private" && CheckName(word) == nil:
		return errdefs.NotImplemented("--network %q: bridge networks are not supported yet: use none, host, container:NAME or ns:PATH", s)
	}
	return nil
}

func modeWords(kind NamespaceKind) string {
	var words []string
	for _, m := range modes[kind] {
		switch m {
		case FromContainer:
			words = append(words, "container:NAME")
		case FromPath:
			words = append(words, "ns:PATH")
		case Auto:
			words = append(words, "auto[:OPTIONS]")
		default:
			words = append(words, string(m))
		}
	}
	return strings.Join(words, ", ")
}

// AutoMaps are what --userns auto is told of the maps that the engine chooses.
type AutoMaps struct {
	// Size is how many IDs; 0 for as many as the image needs.
	Size int64
	// UIDMap and GIDMap are entries that must be in the maps.
	UIDMap, GIDMap []IDMap
}

// ParseAutoMaps parses the options of --userns auto: size=N, uidmapping=CONTAINER:HOST:SIZE, gidmapping=CONTAINER:HOST:SIZE.
func ParseAutoMaps(options string) (AutoMaps, error) {
	var a AutoMaps
	if options == "" {
		return a, nil
	}
	for o := range strings.SplitSeq(options, ",") {
		key, value, _ := strings.Cut(o, "=")
		switch key {
		case "size":
			n, err := strconv.ParseInt(value, 10, 32)
			if err != nil || n <= 0 {
				return AutoMaps{}, errdefs.Invalid("--userns auto: size %q is not a number above 0", value)
			}
			a.Size = n
		case "uidmapping", "gidmapping":
			m, err := ParseIDMap(value)
			if err != nil {
				return AutoMaps{}, err
			}
			if key == "uidmapping" {
				a.UIDMap = append(a.UIDMap, m)
			} else {
				a.GIDMap = append(a.GIDMap, m)
			}
		default:
			return AutoMaps{}, errdefs.Invalid("--userns auto: unknown option %q; size, uidmapping and gidmapping are known", o)
		}
	}
	return a, nil
}

// ParseIDMap parses --uidmap and --gidmap: CONTAINER:HOST[:SIZE], with a size of 1 by default. ErrInvalidArgument.
func ParseIDMap(s string) (IDMap, error) {
	fields := strings.Split(s, ":")
	if len(fields) == 2 {
		fields = append(fields, "1")
	}
	var numbers [3]int64
	for i, f := range fields {
		n, err := strconv.ParseUint(f, 10, 32)
		if len(fields) != 3 || err != nil {
			return IDMap{}, errdefs.Invalid("ID map %q is not of the form CONTAINER:HOST[:SIZE], as in 0:100000:65536", s)
		}
		numbers[i] = int64(n)
	}
	m := IDMap{ContainerID: numbers[0], HostID: numbers[1], Size: numbers[2]}
	const space = 1<<32 - 1 // user_namespaces(7): the highest ID means none
	if m.Size == 0 || m.ContainerID+m.Size > space || m.HostID+m.Size > space {
		return IDMap{}, errdefs.Invalid("ID map %q is empty or goes beyond the highest ID", s)
	}
	return m, nil
}
