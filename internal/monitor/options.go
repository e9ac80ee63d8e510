package monitor

import (
	"errors"
	"strconv"
)

// options are the command line, which ociruntime/monitored writes. It is all there is to read in ps(1), so it is in words.
type options struct {
	id        string // of the container or exec session
	container string // the container of an exec session; empty for a container
	runtime   string // the OCI runtime's path
	stateRoot string // the runtime's --root
	systemd   bool
	noCgroup  bool
	run       string // the run directory; becomes the working directory
	bundle    string
	process   string // the process document of an exec session

	terminal, stdin, stdinOnce bool
	width, height              uint16

	logDriver, logPath, logTag string
	logMaxSize                 int64
	logMaxFiles                int
	zone                       string // see zone.go

	syncFD, attachFD int   // -1 for none
	stdio            fdSet // three, for passthrough
	hold, extra      fdSet
	env              []string // added to the runtime's environment
	cleanup          []string
	periodic         []string // see ticker.go
}

// fdSet is n descriptors from first on.
type fdSet struct{ first, n int }

func (s fdSet) end() int { return s.first + s.n }

func (s fdSet) passthrough() bool { return s.n == 3 }

// parse reads the command line.
func (o *options) parse(args []string) error {
	o.syncFD, o.attachFD = -1, -1
	for i := 0; i < len(args); i++ {
		name := args[i]
		if name == "--" {
			o.cleanup = args[i+1:]
			break
		}
		if flag := o.flag(name); flag != nil {
			*flag = true
			continue
		}
		i++
		if i == len(args) {
			return errors.New(name + " needs a value, or is not an option")
		}
		if err := o.set(name, args[i]); err != nil {
			return err
		}
	}
	if o.id == "" || o.runtime == "" || o.run == "" || o.syncFD < 0 {
		return errors.New("--id, --runtime, --run and --sync-fd are needed")
	}
	return nil
}

func (o *options) flag(name string) *bool {
	switch name {
	case "--systemd-cgroup":
		return &o.systemd
	case "--no-cgroup":
		return &o.noCgroup
	case "--terminal":
		return &o.terminal
	case "--stdin":
		return &o.stdin
	case "--stdin-once":
		return &o.stdinOnce
	}
	return nil
}

func (o *options) text(name string) *string {
	switch name {
	case "--id":
		return &o.id
	case "--container":
		return &o.container
	case "--runtime":
		return &o.runtime
	case "--state-root":
		return &o.stateRoot
	case "--run":
		return &o.run
	case "--bundle":
		return &o.bundle
	case "--process":
		return &o.process
	case "--log-driver":
		return &o.logDriver
	case "--log-path":
		return &o.logPath
	case "--log-tag":
		return &o.logTag
	case "--zone":
		return &o.zone
	}
	return nil
}

func (o *options) set(name, value string) error {
	if p := o.text(name); p != nil {
		*p = value
		return nil
	}
	var err error
	switch name {
	case "--sync-fd":
		o.syncFD, err = strconv.Atoi(value)
	case "--attach-fd":
		o.attachFD, err = strconv.Atoi(value)
	case "--stdio-fds":
		o.stdio, err = parseFDs(value)
	case "--hold-fds":
		o.hold, err = parseFDs(value)
	case "--extra-fds":
		o.extra, err = parseFDs(value)
	case "--size":
		o.width, o.height, err = parseSize(value)
	case "--log-max-size":
		o.logMaxSize, err = strconv.ParseInt(value, 10, 64)
	case "--log-max-files":
		o.logMaxFiles, err = strconv.Atoi(value)
	case "--periodic":
		o.periodic = append(o.periodic, value)
	case "--runtime-env":
		o.env = append(o.env, value)
	default:
		return errors.New("unknown option " + name)
	}
	if err != nil {
		return errors.New(name + ": " + err.Error())
	}
	return nil
}

// parseFDs reads FIRST+COUNT.
func parseFDs(s string) (fdSet, error) {
	first, count, ok := cut(s, '+')
	a, errA := strconv.Atoi(first)
	b, errB := strconv.Atoi(count)
	if !ok || errA != nil || errB != nil || a < 3 || b < 1 || a > 1<<16 || b > 1<<16 {
		return fdSet{}, errors.New("want FIRST+COUNT, not " + s)
	}
	return fdSet{a, b}, nil
}

// parseSize reads WIDTHxHEIGHT.
func parseSize(s string) (width, height uint16, err error) {
	w, h, _ := cut(s, 'x')
	a, errA := strconv.ParseUint(w, 10, 16)
	b, errB := strconv.ParseUint(h, 10, 16)
	if errA != nil || errB != nil {
		return 0, 0, errors.New("want WIDTHxHEIGHT, not " + s)
	}
	return uint16(a), uint16(b), nil
}

func cut(s string, sep byte) (before, after string, found bool) {
	for i := 0; i < len(s); i++ {
		if s[i] == sep {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// highestFD is the largest descriptor that the starter meant for us.
func (o *options) highestFD() int {
	return max(2, o.syncFD, o.attachFD, o.stdio.end()-1, o.hold.end()-1, o.extra.end()-1)
}
