package monitor

import (
	"errors"
	"strconv"
	"syscall"
)

// process is one that we watch.
type process struct {
	pid   int
	pidfd int
	start uint64 // in clock ticks since boot
	gone  bool   // its pidfd says that it has ended
}

func (p *process) ready(uint32) { p.gone = true }

// find opens the process whose number the runtime has written into a file.
// scratch is memory to read into.
func (p *process) find(file string, scratch []byte) error {
	text, err := readFile(file, scratch)
	if err != nil {
		return &sysError{"cannot read the runtime's PID file", err}
	}
	for len(text) > 0 && (text[len(text)-1] == '\n' || text[len(text)-1] == ' ') {
		text = text[:len(text)-1]
	}
	if p.pid, err = strconv.Atoi(string(text)); err != nil || p.pid <= 0 {
		return errors.New("the runtime's PID file holds no PID")
	}
	if p.pidfd, err = pidfdOpen(p.pid); err != nil {
		return &sysError{"cannot open the process", err}
	}
	p.start, err = startTime(p.pid, scratch)
	return err
}

func (p *process) kill() {
	if p.pid > 0 && p.pidfd >= 0 {
		syscall.Syscall6(sysPidfdSendSignal, uintptr(p.pidfd), uintptr(syscall.SIGKILL), 0, 0, 0, 0)
	}
}

// startTime reads field 22 of /proc/PID/stat (proc(5)). The second field, the name in parentheses, may hold anything.
func startTime(pid int, scratch []byte) (uint64, error) {
	stat, err := readFile("/proc/"+itoa(pid)+"/stat", scratch)
	if err != nil {
		return 0, &sysError{"cannot read the process's start time", err}
	}
	at := len(stat) - 1
	for at >= 0 && stat[at] != ')' {
		at--
	}
	rest := string(stat[at+1:])
	for field := 2; ; field++ {
		word, more, ok := cut(rest, ' ')
		if field == 22 {
			return strconv.ParseUint(word, 10, 64)
		}
		if !ok {
			return 0, errors.New("/proc/PID/stat is too short")
		}
		rest = more
	}
}

// readFile reads the beginning of a file into buf.
func readFile(name string, buf []byte) ([]byte, error) {
	fd, err := syscall.Open(name, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer syscall.Close(fd)
	n := 0
	for n < len(buf) {
		k, err := read(fd, buf[n:])
		if err != nil {
			return nil, err
		}
		if k == 0 {
			break
		}
		n += k
	}
	return buf[:n], nil
}

// wait is wait4(2) without waiting.
func wait(pid int, status *syscall.WaitStatus) (int, error) {
	for {
		got, err := syscall.Wait4(pid, status, syscall.WNOHANG, nil)
		if err != syscall.EINTR {
			return got, err
		}
	}
}

// exitCode is the process's exit code, or 128 and the signal's number.
func exitCode(status syscall.WaitStatus) int {
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}

// killChildren ends what a failed runtime has left behind. All of it is ours: a child whose parent dies becomes the subreaper's. scratch is
// memory to read into.
func killChildren(scratch []byte) {
	pid := itoa(syscall.Getpid())
	children := "/proc/" + pid + "/task/" + pid + "/children"
	for tries := 0; tries < 1000; tries++ {
		var status syscall.WaitStatus
		if got, err := wait(-1, &status); err != nil {
			return
		} else if got > 0 {
			continue
		}
		list, _ := readFile(children, scratch)
		for rest, more := string(list), true; more; {
			var word string
			word, rest, more = cut(rest, ' ')
			if child, err := strconv.Atoi(word); err == nil && child > 0 {
				syscall.Kill(child, syscall.SIGKILL)
			}
		}
		sleep(10)
	}
}

func sleep(milliseconds int) {
	ts := syscall.Timespec{Nsec: int64(milliseconds) * 1_000_000}
	syscall.Nanosleep(&ts, nil)
}
