package container

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/berth-engine/berth/errdefs"
)

// cpuPeriod is the period, in microseconds, that --cpus is spread over, as with Docker and podman.
const cpuPeriod = 100000

// ParseCPUs turns --cpus, a number of CPUs with decimals, into a period and a quota in microseconds. Zero is no limit.
func ParseCPUs(s string) (period uint64, quota int64, err error) {
	n, ok := new(big.Rat).SetString(s)
	if !ok || strings.ContainsAny(s, "/eEpPxX_") || n.Sign() < 0 {
		return 0, 0, errdefs.Invalid("number of CPUs %q is not a decimal number, as in 1.5", s)
	}
	n.Mul(n, new(big.Rat).SetInt64(cpuPeriod))
	if n.Sign() == 0 {
		return 0, 0, nil
	}
	q := new(big.Int).Quo(n.Num(), n.Denom())
	if !q.IsInt64() {
		return 0, 0, errdefs.Invalid("number of CPUs %q is out of range", s)
	}
	if q.Int64() < minCPUQuota {
		return 0, 0, errdefs.Invalid("number of CPUs %q is too small: the least is 0.01", s)
	}
	return cpuPeriod, q.Int64(), nil
}

// checkCPUList checks the list format of cpuset(7): numbers and ranges with commas between them, as in 0-3,8.
func checkCPUList(what, list string) error {
	if list == "" {
		return nil
	}
	for part := range strings.SplitSeq(list, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		first, err1 := strconv.ParseUint(low, 10, 16)
		last, err2 := strconv.ParseUint(high, 10, 16)
		if err1 != nil || err2 != nil || first > last {
			return errdefs.Invalid("list of %s %q is not numbers and ranges with commas between them, as in 0-3,8", what, list)
		}
	}
	return nil
}
