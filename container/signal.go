package container

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// The real-time signals as glibc numbers them (signal(7)), and the highest of all.
const (
	rtMin = 34
	rtMax = 64
)

// ParseSignal returns the number of a signal given by number, or by name with or without SIG in either case, RTMIN+n and RTMAX-n
// included. ErrInvalidArgument.
func ParseSignal(s string) (int, error) {
	name := strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(s)), "SIG")
	if n, err := strconv.Atoi(name); err == nil {
		if n < 1 || n > rtMax || !isDigit(name[0]) {
			return 0, errdefs.Invalid("signal %q is not within 1 and %d", s, rtMax)
		}
		return n, nil
	}
	if n, ok := realTimeSignal(name); ok {
		return n, nil
	}
	if n := unix.SignalNum("SIG" + name); n != 0 {
		return int(n), nil
	}
	return 0, errdefs.Invalid("unknown signal %q: signal(7) lists them, as in TERM, SIGTERM, 15 or RTMIN+3", s)
}

func realTimeSignal(name string) (int, bool) {
	base := 0
	switch {
	case strings.HasPrefix(name, "RTMIN"):
		base = rtMin
	case strings.HasPrefix(name, "RTMAX"):
		base = rtMax
	default:
		return 0, false
	}
	offset := name[len("RTMIN"):]
	if offset == "" {
		return base, true
	}
	n, err := strconv.Atoi(offset)
	signed := offset[0] == '+' || offset[0] == '-'
	return base + n, err == nil && signed && base+n >= rtMin && base+n <= rtMax
}

// SignalName is the name of a signal with SIG; of one without a name, its number.
func SignalName(n int) string {
	switch {
	case n == rtMin:
		return "SIGRTMIN"
	case n == rtMax:
		return "SIGRTMAX"
	case n > rtMin && n < rtMax:
		return "SIGRTMIN+" + strconv.Itoa(n-rtMin)
	}
	if name := unix.SignalName(unix.Signal(n)); name != "" {
		return name
	}
	return strconv.Itoa(n)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
