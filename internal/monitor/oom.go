package monitor

import "strconv"

// oomCounter is the count of processes that the kernel killed for want of memory in the control group of a process. systemd removes
// a group as soon as it is empty, and its files, though held open, cannot be read from then on: so the count is read whenever the
// kernel says that it has changed (cgroup v2), and again at the end.
type oomCounter struct {
	loop         *loop
	fd           int // -1: not known, or no longer
	start, count uint64
}

// open finds the memory control group of a process: memory.oom_control of cgroup v1 (line "N:memory:/path" of /proc/PID/cgroup)
// or memory.events of v2 ("0::/path"); both have a line "oom_kill N". scratch
// is memory to read into.
func (c *oomCounter) open(l *loop, pid int, scratch []byte) {
	c.loop, c.fd = l, -1
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
	c.follow()
}

// follow reads the count of fd and has the loop say when it changes. Before the reading every change is news.
func (c *oomCounter) follow() {
	if c.fd < 0 {
		return
	}
	c.ready(0)
	c.start = c.count
	if c.fd >= 0 {
		c.loop.watch(c.fd, eventPri, c)
	}
}

// killed reports whether the count has risen since open.
func (c *oomCounter) killed() bool { return c.count > c.start }

// ready reads the count. A group that has been removed is always ready and never read: that is the end of it.
func (c *oomCounter) ready(uint32) {
	if c.fd < 0 {
		return
	}
	var scratch [512]byte // the shared buffer may be on its way to a client
	n, err := pread(c.fd, scratch[:])
	if err != nil {
		c.loop.close(c.fd)
		c.fd = -1
		return
	}
	for rest, more := string(scratch[:n]), true; more; {
		var line string
		line, rest, more = cut(rest, '\n')
		if key, value, ok := cut(line, ' '); ok && key == "oom_kill" {
			c.count, _ = strconv.ParseUint(value, 10, 64)
			return
		}
	}
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
