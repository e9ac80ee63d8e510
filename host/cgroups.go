package host

import (
	"os"
	"slices"
	"strings"
)

const cgroupRoot = "sys/fs/cgroup"

// v1Controllers are the controllers that version 1 of the control groups has (cgroups(7)).
var v1Controllers = []string{
	"blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory", "misc", "net_cls", "net_prio", "perf_event",
	"pids", "rdma",
}

// readCgroups tells the mode by the files that only a mounted hierarchy has: cgroup.controllers is version 2's.
func readCgroups(t tree) Cgroups {
	if t.has(cgroupRoot + "/cgroup.controllers") {
		// The root directory has no files of limits, so that the kernel's configuration has to tell.
		return Cgroups{Mode: Unified, Controllers: controllersIn(t, cgroupRoot), SwapLimit: t.has("proc/swaps"), BlkioWeight: true}
	}
	c := Cgroups{
		Mode:        NoneCG,
		Controllers: mountedV1(t),
		SwapLimit:   t.has(cgroupRoot + "/memory/memory.memsw.limit_in_bytes"),
		BlkioWeight: t.has(cgroupRoot+"/blkio/blkio.weight") || t.has(cgroupRoot+"/blkio/blkio.bfq.weight"),
	}
	if len(c.Controllers) > 0 {
		c.Mode = Legacy
	}
	if t.has(cgroupRoot + "/unified/cgroup.controllers") {
		c.Mode = Hybrid
		c.V2Controllers = controllersIn(t, cgroupRoot+"/unified")
	}
	return c
}

// controllersIn are those of a directory of the version 2 hierarchy, sorted.
func controllersIn(t tree, dir string) []string {
	names := strings.Fields(t.text(dir + "/cgroup.controllers"))
	slices.Sort(names)
	return names
}

// mountedV1 are the controllers of version 1 that have a hierarchy mounted, alone or together with others ("cpu,cpuacct").
func mountedV1(t tree) []string {
	entries, err := os.ReadDir(t.path(cgroupRoot))
	if err != nil {
		return nil
	}
	var found []string
	for _, e := range entries {
		if !t.has(cgroupRoot + "/" + e.Name() + "/cgroup.procs") {
			continue
		}
		for name := range strings.SplitSeq(e.Name(), ",") {
			if slices.Contains(v1Controllers, name) {
				found = append(found, name)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
