package container

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-engine/berth/errdefs"
)

// ParseTmpfs parses --tmpfs: DESTINATION[:OPTIONS], with the options of tmpfs(5) and mount(8), as in /run:size=64m,noexec.
// ErrInvalidArgument.
func ParseTmpfs(s string) (Mount, error) {
	destination, options, _ := strings.Cut(s, ":")
	m := Mount{Type: Tmpfs}
	var err error
	if m.Destination, err = checkDestination("tmpfs", s, destination); err != nil {
		return Mount{}, err
	}
	var words []string
	for o := range strings.SplitSeq(options, ",") {
		key, value, hasValue := strings.Cut(o, "=")
		words = append(words, o)
		switch {
		case o == "" || o == "rw":
			continue
		case o == "ro":
			m.ReadOnly = true
			continue
		case o == "U":
			m.Chown = true
			continue
		case slices.Contains(plain, o):
			m.Options = append(m.Options, o)
			continue
		}
		option, known, err := tmpfsOption(pair{key, value, hasValue})
		if err != nil {
			return Mount{}, errdefs.Invalid("tmpfs %q: %w", s, err)
		}
		if !known {
			return Mount{}, errdefs.Invalid("tmpfs %q: unknown option %q", s, o)
		}
		m.Options = append(m.Options, option)
	}
	return m, checkOptions("tmpfs", s, words)
}

// tmpfsOption checks an option of tmpfs(5) and returns it as the kernel reads it. known is false for another option.
func tmpfsOption(kv pair) (option string, known bool, err error) {
	switch kv.key {
	case "size":
		if strings.HasSuffix(kv.value, "%") {
			return percentage(kv)
		}
		n, err := ParseSize(kv.value)
		return "size=" + strconv.FormatInt(n, 10), true, err
	case "mode":
		n, err := strconv.ParseUint(kv.value, 8, 32)
		if err != nil || n > 0o7777 {
			return "", true, fmt.Errorf("mode %q is not an octal number up to 7777", kv.value)
		}
		return "mode=" + kv.value, true, nil
	case "uid", "gid", "nr_inodes", "nr_blocks":
		if _, err := ParseSize(kv.value); err != nil {
			return "", true, fmt.Errorf("%s %q is not a number", kv.key, kv.value)
		}
		return kv.key + "=" + kv.value, true, nil
	case "huge":
		if !slices.Contains([]string{"never", "always", "within_size", "advise"}, kv.value) {
			return "", true, fmt.Errorf("huge is never, always, within_size or advise, not %q", kv.value)
		}
		return "huge=" + kv.value, true, nil
	case "tmpcopyup", "notmpcopyup":
		if !kv.hasValue {
			return kv.key, true, nil
		}
	}
	return "", false, nil
}

// percentage is a size relative to the machine's memory.
func percentage(kv pair) (option string, known bool, err error) {
	n, err := strconv.ParseUint(strings.TrimSuffix(kv.value, "%"), 10, 7)
	if err != nil || n > 100 {
		return "", true, fmt.Errorf("size %q is not a percentage", kv.value)
	}
	return "size=" + kv.value, true, nil
}
