package engine

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berth-engine/berth/errdefs"
)

// topColumns are podman's format descriptors (podman-top(1)), as far as /proc tells them.
var topColumns = map[string]struct {
	title string
	of    func(*process) string
}{
	"user":    {"USER", func(p *process) string { return nameOf(p.uid(), p.names.users) }},
	"uid":     {"UID", func(p *process) string { return strconv.Itoa(p.uid()) }},
	"huser":   {"HUSER", func(p *process) string { return nameOf(firstNumber(p.status["Uid"]), p.names.hostUsers) }},
	"group":   {"GROUP", func(p *process) string { return nameOf(p.gid(), p.names.groups) }},
	"gid":     {"GID", func(p *process) string { return strconv.Itoa(p.gid()) }},
	"hgroup":  {"HGROUP", func(p *process) string { return nameOf(firstNumber(p.status["Gid"]), p.names.hostGroups) }},
	"groups":  {"GROUPS", func(p *process) string { return namesOf(p.status["Groups"], p.names.gidMap, p.names.groups) }},
	"hgroups": {"HGROUPS", func(p *process) string { return namesOf(p.status["Groups"], nil, p.names.hostGroups) }},
	"pid":     {"PID", func(p *process) string { return strconv.Itoa(p.pid) }},
	"ppid":    {"PPID", func(p *process) string { return strconv.Itoa(p.ppid) }},
	"hpid":    {"HPID", func(p *process) string { return strconv.Itoa(p.hpid) }},
	"pgid":    {"PGID", func(p *process) string { return p.stat[4] }},
	"nice":    {"NI", func(p *process) string { return p.stat[18] }},
	"rss":     {"RSS", func(p *process) string { return strconv.Itoa(p.number(23) * os.Getpagesize() / 1024) }},
	"vsz":     {"VSZ", func(p *process) string { return strconv.Itoa(p.number(22) / 1024) }},
	"state":   {"STATE", func(p *process) string { return p.stat[2] }},
	"stime":   {"STIME", func(p *process) string { return p.started.Format("15:04") }},
	"etime":   {"ELAPSED", func(p *process) string { return time.Since(p.started).Round(time.Second).String() }},
	"time":    {"TIME", func(p *process) string { return p.cpu.Round(time.Second).String() }},
	"pcpu":    {"%CPU", func(p *process) string { return fmt.Sprintf("%.3f", p.percent()) }},
	"tty":     {"TTY", func(p *process) string { return p.tty() }},
	"comm":    {"COMMAND", func(p *process) string { return p.comm }},
	"args":    {"COMMAND", func(p *process) string { return p.args }},
	"seccomp": {"SECCOMP", func(p *process) string { return seccompWord(p.status["Seccomp"]) }},
	"capeff":  {"EFFECTIVE CAPS", func(p *process) string { return p.names.capabilities(p.status["CapEff"]) }},
	"capbnd":  {"BOUNDING CAPS", func(p *process) string { return p.names.capabilities(p.status["CapBnd"]) }},
	"capprm":  {"PERMITTED CAPS", func(p *process) string { return p.names.capabilities(p.status["CapPrm"]) }},
	"capamb":  {"AMBIENT CAPS", func(p *process) string { return p.names.capabilities(p.status["CapAmb"]) }},
	"label":   {"LABEL", func(p *process) string { return securityLabel(p.hpid) }},
	"capinh":  {"INHERITED CAPS", func(p *process) string { return p.names.capabilities(p.status["CapInh"]) }},
}

// aixColumns are the descriptors by the one-letter codes of ps(1), which podman takes too.
var aixColumns = map[string]string{
	"%C": "pcpu", "%G": "group", "%P": "ppid", "%U": "user", "%a": "args", "%c": "comm", "%n": "nice", "%p": "pid", "%r": "pgid",
	"%t": "etime", "%x": "time", "%y": "tty", "%z": "vsz",
}

var defaultColumns = []string{"user", "pid", "ppid", "pcpu", "etime", "tty", "time", "args"}

// TopColumns are the descriptors that Top knows, sorted.
func TopColumns() []string {
	var names []string
	for name := range topColumns {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Top lists the container's processes, read from the host's /proc: no program of the container's is run (SECURITY: an image's ps
// or nsenter is not to be trusted).
//
// ErrInvalidArgument for an unknown descriptor, ErrConflict if the container does not run.
func (s *Containers) Top(ctx context.Context, ref string, descriptors []string) (TopResult, error) {
	e := s.e
	columns, err := parseColumns(descriptors)
	if err != nil {
		return TopResult{}, err
	}
	c, err := e.lookup(ctx, ref)
	if err != nil {
		return TopResult{}, err
	}
	if !e.trueStatus(c).Alive() {
		return TopResult{}, errdefs.Conflict("container %s is not running: it has no processes", c.Config.Name)
	}
	rt, err := e.runtimeOf(c)
	if err != nil {
		return TopResult{}, err
	}
	pids, err := rt.Processes(ctx, c.Config.ID)
	if err != nil {
		return TopResult{}, err
	}
	var result TopResult
	for _, name := range columns {
		result.Titles = append(result.Titles, topColumns[name].title)
	}
	names := e.topNames(c)
	for _, pid := range pids {
		p, err := readProc(pid, names)
		if err != nil {
			continue // it has just ended
		}
		row := make([]string, len(columns))
		for i, name := range columns {
			row[i] = topColumns[name].of(p)
		}
		result.Processes = append(result.Processes, row)
	}
	return result, nil
}

func parseColumns(descriptors []string) ([]string, error) {
	if len(descriptors) == 0 {
		return defaultColumns, nil
	}
	var columns []string
	for _, d := range descriptors {
		for _, name := range strings.FieldsFunc(d, func(r rune) bool { return r == ',' || r == ' ' }) {
			if full, ok := aixColumns[name]; ok {
				name = full
			}
			if _, ok := topColumns[name]; !ok {
				return nil, errdefs.Invalid("unknown descriptor %q: use %s", name, strings.Join(TopColumns(), ", "))
			}
			columns = append(columns, name)
		}
	}
	return columns, nil
}

// process is what /proc says of one process.
type process struct {
	names           *topNames
	hpid, pid, ppid int
	comm, args      string
	stat            []string // proc(5)'s fields of stat, from index 0; the command is empty
	status          map[string]string
	started         time.Time
	cpu             time.Duration
}

// clockTicks is the kernel's USER_HZ, which is 100 on every architecture that Go runs on.
const clockTicks = 100

func readProc(pid int, names *topNames) (*process, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return nil, err
	}
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return nil, err
	}
	cmdline, err := os.ReadFile(dir + "/cmdline")
	if err != nil {
		return nil, err
	}
	p := &process{names: names, hpid: pid, status: parseStatus(string(status))}
	open, end := strings.IndexByte(string(stat), '('), strings.LastIndexByte(string(stat), ')')
	if open < 0 || end < open {
		return nil, errdefs.Internal("unexpected %s/stat", dir)
	}
	p.comm = string(stat[open+1 : end])
	p.stat = append([]string{strconv.Itoa(pid), ""}, strings.Fields(string(stat[end+1:]))...)
	p.args = strings.TrimSpace(strings.ReplaceAll(string(cmdline), "\x00", " "))
	if p.args == "" {
		p.args = "[" + p.comm + "]"
	}
	p.fill()
	return p, nil
}

func parseStatus(text string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		m[name] = strings.TrimSpace(value)
	}
	return m
}

// fill derives what people read.
func (p *process) fill() {
	p.pid = lastNumber(p.status["NSpid"])
	if parent := p.number(3); parent > 0 && p.pid != 1 {
		if data, err := os.ReadFile("/proc/" + strconv.Itoa(parent) + "/status"); err == nil {
			if ns := strings.Fields(parseStatus(string(data))["NSpid"]); len(ns) == len(strings.Fields(p.status["NSpid"])) {
				p.ppid = lastNumber(ns[len(ns)-1])
			}
		}
	}
	p.cpu = time.Duration(p.number(13)+p.number(14)) * time.Second / clockTicks
	p.started = bootTime().Add(time.Duration(p.number(21)) * time.Second / clockTicks)
}

// uid and gid are the real IDs in the container.
func (p *process) uid() int { return inside(firstNumber(p.status["Uid"]), p.names.uidMap) }
func (p *process) gid() int { return inside(firstNumber(p.status["Gid"]), p.names.gidMap) }

// number is a field of stat.
func (p *process) number(field int) int {
	if field >= len(p.stat) {
		return 0
	}
	n, _ := strconv.Atoi(p.stat[field])
	return n
}

func (p *process) percent() float64 {
	up := time.Since(p.started).Seconds()
	if up <= 0 {
		return 0
	}
	return p.cpu.Seconds() / up * 100
}

// tty is the controlling terminal, by proc(5)'s coding of its device number.
func (p *process) tty() string {
	device := p.number(6)
	major, minor := device>>8&0xfff, device&0xff|device>>12&0xfff00
	switch {
	case device == 0:
		return "?"
	case major >= 136 && major <= 143:
		return "pts/" + strconv.Itoa((major-136)<<8|minor)
	case major == 4:
		return "tty" + strconv.Itoa(minor)
	}
	return strconv.Itoa(major) + "/" + strconv.Itoa(minor)
}

func seccompWord(mode string) string {
	switch mode {
	case "0":
		return "disabled"
	case "1":
		return "strict"
	case "2":
		return "filter"
	}
	return "?"
}

func firstNumber(fields string) int {
	f := strings.Fields(fields)
	if len(f) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(f[0])
	return n
}

func lastNumber(fields string) int {
	f := strings.Fields(fields)
	if len(f) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(f[len(f)-1])
	return n
}

// bootTime is when the machine was started.
func bootTime() time.Time {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "btime "); ok {
			return time.Unix(int64(firstNumber(rest)), 0)
		}
	}
	return time.Time{}
}
