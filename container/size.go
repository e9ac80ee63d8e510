package container

import (
	"math/big"
	"strings"

	"github.com/berth-engine/berth/errdefs"
)

// units are powers of two, as with Docker and podman, whatever their spelling: 1k, 1kb and 1KiB are 1024 bytes.
var units = map[string]int64{
	"": 1, "b": 1,
	"k": 1 << 10, "kb": 1 << 10, "kib": 1 << 10,
	"m": 1 << 20, "mb": 1 << 20, "mib": 1 << 20,
	"g": 1 << 30, "gb": 1 << 30, "gib": 1 << 30,
	"t": 1 << 40, "tb": 1 << 40, "tib": 1 << 40,
	"p": 1 << 50, "pb": 1 << 50, "pib": 1 << 50,
}

// ParseSize parses a number of bytes with an optional unit (b, k, m, g, t, p, in either case) and decimals, as in 512m or 1.5g.
// A fraction of a byte is dropped. ErrInvalidArgument for anything else, and for what 63 bits do not hold.
func ParseSize(s string) (int64, error) {
	bad := errdefs.Invalid("size %q is not a number of bytes with an optional unit of b, k, m, g, t or p, as in 512m", s)
	text := strings.TrimSpace(s)
	end := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		end = len(text)
	}
	unit, known := units[strings.ToLower(strings.TrimSpace(text[end:]))]
	if !known || end == 0 || end > 32 {
		return 0, bad
	}
	n, ok := new(big.Rat).SetString(text[:end])
	if !ok {
		return 0, bad
	}
	n.Mul(n, new(big.Rat).SetInt64(unit))
	whole := new(big.Int).Quo(n.Num(), n.Denom())
	if !whole.IsInt64() {
		return 0, errdefs.Invalid("size %q is too large", s)
	}
	return whole.Int64(), nil
}

// ParseSizeOrUnlimited is ParseSize with the value -1 for no limit.
func ParseSizeOrUnlimited(s string) (int64, error) {
	if strings.TrimSpace(s) == "-1" {
		return -1, nil
	}
	return ParseSize(s)
}
