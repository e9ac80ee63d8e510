package container

import (
	"strings"

	"github.com/berth-engine/berth/errdefs"
)

// DefaultDetachKeys leave an attached container.
const DefaultDetachKeys = "ctrl-p,ctrl-q"

// ParseDetachKeys returns the bytes that a terminal sends for the keys: characters, and ctrl- with one of a-z, @, [, \, ], ^ or _,
// with commas between them. The empty string is no keys. ErrInvalidArgument.
func ParseDetachKeys(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	var keys []byte
	for key := range strings.SplitSeq(s, ",") {
		b, ok := detachKey(key)
		if !ok {
			return nil, errdefs.Invalid("detach keys %q: %q is neither a character nor ctrl- with one of a-z @ [ \\ ] ^ _, as in %s", s, key, DefaultDetachKeys)
		}
		keys = append(keys, b)
	}
	return keys, nil
}

func detachKey(key string) (byte, bool) {
	if len(key) == 1 {
		return key[0], key[0] < 0x80
	}
	name, ok := strings.CutPrefix(strings.ToLower(key), "ctrl-")
	if !ok || len(name) != 1 {
		return 0, false
	}
	switch c := name[0]; {
	case c >= 'a' && c <= 'z':
		return c - 'a' + 1, true
	case c == '@':
		return 0, true
	case c >= '[' && c <= '_':
		return c - '@', true
	}
	return 0, false
}
