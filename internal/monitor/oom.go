package monitor

import "strconv"

// oomCounter is the count of processes that the kernel killed for want of memory in the control group of a process. The file is
// held open, since systemd may remove the group as soon as it is empty.
type oomCounter struct {
	fd    int // -1: not known
	start uint64
}

// open finds the memory control group of a process: memory.oom_control of cgroup v1 (line "N:memory:/path" of /proc/PID/cgroup)
// or memory.events of v2 ("0::/path"); both have a line "oom_kill N". scratch
// is memory to read into.
func (c *oomCounter) open(pid int, scratch []byte) {
	c.fd = -1
	list, err := readFile("/proc/"+itoa(pid)+"/cgroup", scratch)
	if err != nil {
		return
	}
	unified := ""
	for rest, more := string(list), true; more && c.fd < 0; {
		var line string
		line, rest, more = cut(rest, '\n')
		number, group, _ := cut(line, ':')
		controllers, path, ok := cut(group, ':')
		switch {
		case !ok:
		case number == "0" && controllers == "":
			unified = path
		case listed(controllers, "memory"):
			c.fd = openRead("/sys/fs/cgroup/memory" + path + "/memory.oom_control")
		}
	}
	if c.fd < 0 && unified != "" {
		c.fd = openRead("/sys/fs/cgroup" + unified + "/memory.events")
	}
	c.start = c.read(scratch)
}

// killed reports whether the count has risen since open.
func (c *oomCounter) killed(scratch []byte) bool { return c.read(scratch) > c.start }

func (c *oomCounter) read(scratch []byte) uint64 {
	if c.fd < 0 {
		return 0
	}
	n, err := pread(c.fd, scratch)
	if err != nil {
		return 0
	}
	for rest, more := string(scratch[:n]), true; more; {
		var line string
		line, rest, more = cut(rest, '\n')
		if key, value, ok := cut(line, ' '); ok && key == "oom_kill" {
			count, _ := strconv.ParseUint(value, 10, 64)
			return count
		}
	}
	return 0
}

// listed reports whether name is one of a comma-separated list.
func listed(list, name string) bool {
	for more := true; more; {
		var item string
		item, list, more = cut(list, ',')
		if item == name {
			return true
		}
	}
	return false
}
