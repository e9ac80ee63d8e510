package container

import (
	"encoding/csv"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-engine/berth/errdefs"
)

// ParseMount parses --mount: KEY=VALUE pairs with commas between them, in which a pair with a comma of its own is put in double
// quotes (RFC 4180). type is bind, volume (the default) or tmpfs. Relative sources are relative to cwd. Keys are Docker's and
// podman's. ErrInvalidArgument, or ErrNotImplemented for types and keys that Berth does not have.
func ParseMount(s, cwd string) (Mount, error) {
	r := csv.NewReader(strings.NewReader(s))
	fields, err := r.Read()
	if err != nil || r.InputOffset() < int64(len(s)) {
		return Mount{}, errdefs.Invalid("mount %q is not a list of KEY=VALUE with commas between them", s)
	}
	p := mountFlag{text: s, cwd: cwd}
	p.mount.Type = Volume
	for _, field := range fields {
		key, value, hasValue := strings.Cut(strings.TrimSpace(field), "=")
		if strings.EqualFold(key, "type") {
			p.mount.Type = MountType(strings.ToLower(value))
			continue
		}
		p.pairs = append(p.pairs, pair{strings.TrimSpace(key), value, hasValue})
	}
	switch p.mount.Type {
	case Bind, Volume, Tmpfs:
	case "image", "glob", "devpts", "ramfs", "artifact", "npipe", "cluster":
		return Mount{}, errdefs.NotImplemented("mount %q: mounts of type %s are not supported; bind, volume and tmpfs are", s, p.mount.Type)
	default:
		return Mount{}, errdefs.Invalid("mount %q: unknown type %q; bind, volume and tmpfs are known", s, p.mount.Type)
	}
	if err := p.parse(); err != nil {
		return Mount{}, err
	}
	return p.mount, nil
}

type pair struct {
	key, value string
	hasValue   bool
}

type mountFlag struct {
	text, cwd string
	pairs     []pair
	mount     Mount
	words     []string // options by their names in -v, to find contradictions
}

func (p *mountFlag) parse() error {
	for _, kv := range p.pairs {
		known, err := p.set(kv)
		if err != nil {
			return err
		}
		if !known {
			return errdefs.Invalid("mount %q: unknown key %q for type %s", p.text, kv.key, p.mount.Type)
		}
	}
	if err := checkOptions("mount", p.text, p.words); err != nil {
		return err
	}
	return p.check()
}

// set takes one pair: the keys of all types first, then those of this one.
func (p *mountFlag) set(kv pair) (known bool, err error) {
	switch kv.key {
	case "src", "source":
		return true, p.setSource(kv.value)
	case "dst", "destination", "target":
		p.mount.Destination, err = checkDestination("mount", p.text, kv.value)
		return true, err
	case "ro", "readonly":
		return true, p.setFlag(kv, func(on bool) { p.setReadOnly(on) })
	case "rw":
		return true, p.setFlag(kv, func(on bool) { p.setReadOnly(!on) })
	case "U", "chown":
		return true, p.setFlag(kv, func(on bool) { p.mount.Chown = on })
	case "consistency":
		if !slices.Contains(consistencies, kv.value) {
			return true, errdefs.Invalid("mount %q: unknown consistency %q", p.text, kv.value)
		}
		return true, nil
	}
	if slices.Contains(plain, kv.key) && !kv.hasValue {
		p.option(kv.key)
		return true, nil
	}
	switch p.mount.Type {
	case Bind:
		return p.setBind(kv)
	case Volume:
		return p.setVolume(kv)
	}
	return p.setTmpfs(kv)
}

func (p *mountFlag) option(o string) {
	p.mount.Options = append(p.mount.Options, o)
	p.words = append(p.words, o)
}

func (p *mountFlag) setReadOnly(on bool) {
	p.mount.ReadOnly = on
	p.words = append(p.words, map[bool]string{true: "ro", false: "rw"}[on])
}

// setFlag takes a key alone or with a boolean.
func (p *mountFlag) setFlag(kv pair, set func(bool)) error {
	on := true
	if kv.hasValue {
		var err error
		if on, err = strconv.ParseBool(kv.value); err != nil {
			return errdefs.Invalid("mount %q: %s is true or false, not %q", p.text, kv.key, kv.value)
		}
	}
	set(on)
	return nil
}

func (p *mountFlag) setSource(value string) error {
	if strings.ContainsRune(value, 0) {
		return errdefs.Invalid("mount %q: a path cannot hold a zero byte", p.text)
	}
	switch p.mount.Type {
	case Tmpfs:
		return errdefs.Invalid("mount %q: a tmpfs has no source", p.text)
	case Bind:
		if value != "" {
			value = hostPath(value, p.cwd)
		}
	default:
		if value == "" {
			break
		}
		if err := CheckName(value); err != nil {
			return errdefs.Invalid("mount %q: the source of a volume is its name; a path needs type=bind: %w", p.text, err)
		}
	}
	p.mount.Source = value
	return nil
}

func (p *mountFlag) setBind(kv pair) (known bool, err error) {
	switch kv.key {
	case "bind-propagation":
		if !slices.Contains(propagations, kv.value) {
			return true, errdefs.Invalid("mount %q: unknown propagation %q", p.text, kv.value)
		}
		p.option(kv.value)
	case "bind-nonrecursive":
		return true, p.setFlag(kv, func(on bool) { p.option(map[bool]string{true: "bind", false: "rbind"}[on]) })
	case "bind-recursive":
		return true, p.setRecursive(kv.value)
	case "bind-create-src":
		return true, p.setFlag(kv, func(on bool) { p.mount.CreateSource = on })
	case "relabel":
		return true, p.setRelabel(kv.value)
	case "z", "Z", "idmap", "bind", "rbind":
		p.words = append(p.words, kv.key)
		if kv.hasValue {
			return p.mount.apply(kv.key + "=" + kv.value)
		}
		return p.mount.apply(kv.key)
	default:
		return false, nil
	}
	return true, nil
}

// setRecursive is Docker's: whether mounts below the source come along, and are read-only too.
func (p *mountFlag) setRecursive(value string) error {
	switch value {
	case "enabled", "writable":
		p.option("rbind")
	case "disabled":
		p.option("bind")
	case "readonly":
		p.option("rbind")
		p.mount.Options = append(p.mount.Options, "rro")
	default:
		return errdefs.Invalid("mount %q: bind-recursive is enabled, disabled, writable or readonly, not %q", p.text, value)
	}
	return nil
}

func (p *mountFlag) setRelabel(value string) error {
	switch value {
	case "shared":
		p.mount.Relabel = "z"
	case "private":
		p.mount.Relabel = "Z"
	default:
		return errdefs.Invalid("mount %q: relabel is shared or private, not %q", p.text, value)
	}
	return nil
}

func (p *mountFlag) setVolume(kv pair) (known bool, err error) {
	switch kv.key {
	case "volume-nocopy", "nocopy":
		return true, p.setFlag(kv, func(on bool) { p.mount.NoCopy = on })
	case "volume-subpath", "subpath":
		if path.IsAbs(kv.value) || slices.Contains(strings.Split(kv.value, "/"), "..") || kv.value == "" {
			return true, errdefs.Invalid("mount %q: subpath %q is not a path below the volume's root directory", p.text, kv.value)
		}
		p.mount.Subpath = path.Clean(kv.value)
	case "z", "Z", "idmap":
		p.words = append(p.words, kv.key)
		if kv.hasValue {
			return p.mount.apply(kv.key + "=" + kv.value)
		}
		return p.mount.apply(kv.key)
	case "relabel":
		return true, p.setRelabel(kv.value)
	case "volume-driver":
		if kv.value != "local" && kv.value != "" {
			return true, errdefs.NotImplemented("mount %q: volume driver %q is not supported; make the volume first", p.text, kv.value)
		}
	case "volume-opt", "volume-label":
		return true, errdefs.NotImplemented("mount %q: %s is not supported here; make the volume first", p.text, kv.key)
	default:
		return false, nil
	}
	return true, nil
}

func (p *mountFlag) setTmpfs(kv pair) (known bool, err error) {
	switch kv.key {
	case "tmpfs-size":
		kv.key = "size"
	case "tmpfs-mode":
		kv.key = "mode"
	}
	o, known, err := tmpfsOption(kv)
	if err != nil {
		return true, errdefs.Invalid("mount %q: %w", p.text, err)
	}
	if known {
		p.option(o)
	}
	return known, nil
}

// check sees that what the type needs is there.
func (p *mountFlag) check() error {
	if p.mount.Destination == "" {
		return errdefs.Invalid("mount %q names no directory in the container: give dst=", p.text)
	}
	if p.mount.Type == Bind && p.mount.Source == "" {
		return errdefs.Invalid("mount %q is a bind mount without a source: give src=", p.text)
	}
	return nil
}
