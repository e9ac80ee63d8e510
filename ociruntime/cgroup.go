package ociruntime

import (
	"path"
	"strings"
)

// CgroupPath is the control group, relative to the root of the hierarchies, that a runtime makes for a spec's linux.cgroupsPath:
// that path, or for SLICE:PREFIX:NAME, which the runtimes take with systemd, the scope PREFIX-NAME in the slice (README of
// opencontainers/runc's libcontainer, crun(1)). A slice lies in those that the parts of its name tell (systemd.slice(5)). Empty for
// an empty path.
func CgroupPath(cgroupsPath string) string {
	parts := strings.Split(cgroupsPath, ":")
	if len(parts) != 3 {
		return cgroupsPath
	}
	slice, prefix, name := parts[0], parts[1], parts[2]
	if slice == "" {
		slice = "system.slice"
	}
	if prefix != "" {
		name = prefix + "-" + name
	}
	return path.Join("/", slicePath(slice), name+".scope")
}

// slicePath is a slice's control group: a-b.slice lies in a.slice, -.slice is the root.
func slicePath(slice string) string {
	const suffix = ".slice"
	name := strings.TrimSuffix(slice, suffix)
	if name == "-" {
		return "/"
	}
	dir := "/"
	for i, c := range name {
		if c == '-' {
			dir = path.Join(dir, name[:i]+suffix)
		}
	}
	return path.Join(dir, name+suffix)
}
