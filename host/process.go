package host

import (
	"bytes"
	"errors"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// StartTime is when the process was started, in clock ticks since boot (proc(5), /proc/PID/stat, field 22). Together with
// the process ID it names one process until the next boot. ErrNotFound if there is no such process; a zombie has a start
// time.
func StartTime(pid int) (uint64, error) {
	_, start, err := processStat(pid)
	return start, err
}

// Alive reports whether the process that had this ID and start time runs. A zombie does not.
func Alive(pid int, start uint64) bool {
	state, at, err := processStat(pid)
	return err == nil && at == start && state != 'Z' && state != 'X'
}

// processStat reads a process's state and start time, in three system calls: a listing does it for every container that runs.
func processStat(pid int) (state byte, start uint64, err error) {
	if pid <= 0 {
		return 0, 0, errdefs.NotFound("no such process: %d", pid)
	}
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, 0, processError(pid, err)
	}
	defer unix.Close(fd)
	var buf [1024]byte
	n, err := readRetrying(fd, buf[:])
	if err != nil {
		return 0, 0, processError(pid, err)
	}
	state, start, ok := parseStat(buf[:n])
	if !ok {
		return 0, 0, errdefs.Internal("/proc/%d/stat is not of the form that proc(5) describes", pid)
	}
	return state, start, nil
}

func readRetrying(fd int, p []byte) (int, error) {
	for {
		n, err := unix.Read(fd, p)
		if err != unix.EINTR {
			return n, err
		}
	}
}

func processError(pid int, err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
		return errdefs.NotFound("no such process: %d", pid)
	}
	return errdefs.Internal("reading /proc/%d/stat: %w", pid, err)
}

// parseStat takes fields 3 and 22 from the text of /proc/PID/stat. Field 2 is the command's name in parentheses and may hold
// blanks and parentheses itself, so that fields are counted from the last closing one.
func parseStat(stat []byte) (state byte, start uint64, ok bool) {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return 0, 0, false
	}
	field := 2
	for word := range bytes.FieldsSeq(stat[end+1:]) {
		switch field++; field {
		case 3:
			state = word[0]
		case 22:
			start, err := strconv.ParseUint(string(word), 10, 64)
			return state, start, err == nil
		}
	}
	return 0, 0, false
}
