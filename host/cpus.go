package host

import (
	"strconv"
	"strings"
)

const cpuDir = "sys/devices/system/cpu"

// maxCPUs bounds what is believed of a list of processors (the kernel's own bound is 8192).
const maxCPUs = 8192

// thermalThrottle lists the directories by the processors that are present; if the first has none, none has.
func thermalThrottle(t tree) []string {
	if !t.has(cpuDir + "/cpu0/thermal_throttle") {
		return nil
	}
	var dirs []string
	for _, n := range parseCPUList(t.text(cpuDir + "/present")) {
		dirs = append(dirs, "/"+cpuDir+"/cpu"+strconv.Itoa(n)+"/thermal_throttle")
	}
	return dirs
}

// parseCPUList parses the list format of cpuset(7), as in 0-3,8. What is not of the format is passed over.
func parseCPUList(list string) []int {
	var cpus []int
	for part := range strings.SplitSeq(list, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		first, err1 := strconv.Atoi(low)
		last, err2 := strconv.Atoi(high)
		if err1 != nil || err2 != nil || first < 0 || last >= maxCPUs {
			continue
		}
		for n := first; n <= last && len(cpus) < maxCPUs; n++ {
			cpus = append(cpus, n)
		}
	}
	return cpus
}
