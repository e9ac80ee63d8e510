// Package cgroup reads what the processes of one control group have used, from the files of either version of the control groups.
//
// It knows the kernel's files and nothing of containers; making, limiting and removing groups is for the OCI runtime.
package cgroup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berth-engine/berth/errdefs"
)

// Usage is what a control group, with those below it, has used since it was made. A value that no controller of this host counts
// is zero.
type Usage struct {
	// CPU is the processor time; CPUUser and CPUSystem are how much of it was spent in programs and in the kernel.
	CPU, CPUUser, CPUSystem time.Duration
	// Memory is in use now, in bytes, without what of the page cache would be given up first (inactive_file).
	Memory uint64
	// MemoryLimit is in bytes, 0 for none.
	MemoryLimit uint64
	// PIDs is how many processes and threads there are now.
	PIDs uint64
	// BlockRead and BlockWritten are bytes read from and written to block devices.
	BlockRead, BlockWritten uint64
}

// Root is where the hierarchies are mounted.
const Root = "/sys/fs/cgroup"

// Read reads the group of this path in the hierarchies mounted below root, Root on a host: version 2's if root is one of that version,
// else those of version 1's controllers. ErrNotFound if no hierarchy has such a group. It may be called concurrently.
func Read(root, path string) (Usage, error) {
	path = filepath.Clean("/" + path)
	if exists(filepath.Join(root, "cgroup.controllers")) {
		return readUnified(group(filepath.Join(root, path)))
	}
	return readLegacy(root, path)
}

// readUnified reads a group of version 2 (Linux, admin-guide/cgroup-v2, sections CPU, Memory, IO and PID).
func readUnified(g group) (Usage, error) {
	if !exists(string(g)) {
		return Usage{}, errdefs.NotFound("no such control group: %s", g)
	}
	cpu := g.pairs("cpu.stat")
	u := Usage{
		CPU:       microseconds(cpu["usage_usec"]),
		CPUUser:   microseconds(cpu["user_usec"]),
		CPUSystem: microseconds(cpu["system_usec"]),
		Memory:    without(g.number("memory.current"), g.pairs("memory.stat")["inactive_file"]),
		PIDs:      g.number("pids.current"),
	}
	u.MemoryLimit = g.number("memory.max") // the word max is no number
	u.BlockRead, u.BlockWritten = parseIOStat(g.text("io.stat"))
	return u, nil
}

// noLimit is from where on a limit of version 1 is none: the kernel writes the largest number of whole pages.
const noLimit = 1 << 62

// readLegacy reads a group of version 1 (Linux, admin-guide/cgroup-v1: cpuacct, memory, pids, blkio-controller).
func readLegacy(root, path string) (Usage, error) {
	in := func(controller string) group { return group(filepath.Join(hierarchy(root, controller), path)) }
	cpu, memory, pids, blkio := in("cpuacct"), in("memory"), in("pids"), in("blkio")
	if !slices.ContainsFunc([]group{cpu, memory, pids, blkio}, func(g group) bool { return exists(string(g)) }) {
		return Usage{}, errdefs.NotFound("no such control group below %s: %s", root, path)
	}
	u := Usage{
		CPU:         nanoseconds(cpu.number("cpuacct.usage")),
		CPUUser:     nanoseconds(cpu.number("cpuacct.usage_user")),
		CPUSystem:   nanoseconds(cpu.number("cpuacct.usage_sys")),
		Memory:      without(memory.number("memory.usage_in_bytes"), memory.pairs("memory.stat")["total_inactive_file"]),
		MemoryLimit: memory.number("memory.limit_in_bytes"),
		PIDs:        pids.number("pids.current"),
	}
	if u.MemoryLimit >= noLimit {
		u.MemoryLimit = 0
	}
	// Which file counts depends on the scheduler of the device; the throttling layer sees every request of any.
	for _, file := range []string{"blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"} {
		if text := blkio.text(file); text != "" {
			u.BlockRead, u.BlockWritten = parseServiceBytes(text)
			break
		}
	}
	return u, nil
}

// hierarchy is the directory on which the controller is mounted, alone, or with others ("cpu,cpuacct").
func hierarchy(root, controller string) string {
	dir := filepath.Join(root, controller)
	if exists(dir) {
		return dir
	}
	entries, _ := os.ReadDir(root)
	for _, e := range entries {
		if slices.Contains(strings.Split(e.Name(), ","), controller) {
			return filepath.Join(root, e.Name())
		}
	}
	return dir
}

// parseIOStat sums over the devices of io.stat: "8:0 rbytes=1 wbytes=2 …".
func parseIOStat(text string) (read, written uint64) {
	for field := range strings.FieldsSeq(text) {
		switch key, value, _ := strings.Cut(field, "="); key {
		case "rbytes":
			read += number(value)
		case "wbytes":
			written += number(value)
		}
	}
	return read, written
}

// parseServiceBytes sums over the devices of blkio's io_service_bytes: "8:0 Read 1".
func parseServiceBytes(text string) (read, written uint64) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 3 {
			continue // the total
		}
		switch f[1] {
		case "Read":
			read += number(f[2])
		case "Write":
			written += number(f[2])
		}
	}
	return read, written
}

// group is the directory of one control group.
type group string

// text is a file's content; empty when it cannot be read, as when the controller is not there.
func (g group) text(file string) string {
	b, err := os.ReadFile(filepath.Join(string(g), file))
	if err != nil {
		return ""
	}
	return string(b)
}

func (g group) number(file string) uint64 { return number(strings.TrimSpace(g.text(file))) }

// pairs reads a file with a name and a number a line.
func (g group) pairs(file string) map[string]uint64 {
	pairs := map[string]uint64{}
	for line := range strings.Lines(g.text(file)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			pairs[name] = number(value)
		}
	}
	return pairs
}

// number is 0 for what is none.
func number(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// without subtracts; the two numbers may have been read at different instants.
func without(all, part uint64) uint64 {
	if part > all {
		return 0
	}
	return all - part
}

// maxNanoseconds is the longest Duration.
const maxNanoseconds = 1<<63 - 1

func microseconds(n uint64) time.Duration {
	return time.Duration(min(n, maxNanoseconds/1000)) * time.Microsecond
}

func nanoseconds(n uint64) time.Duration { return time.Duration(min(n, maxNanoseconds)) }

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
