package monitored

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/ociruntime"
)

// errGone: the process is not there, or another has its number.
var errGone = errors.New("no such process")

// signalProcess sends a signal to exactly this process. The descriptor is opened first and compared afterwards, so that the
// number cannot change hands in between.
func signalProcess(pid ociruntime.PID, sig syscall.Signal) error {
	if pid.Pid <= 0 {
		return errGone
	}
	fd, err := unix.PidfdOpen(pid.Pid, 0)
	if errors.Is(err, syscall.ESRCH) || errors.Is(err, syscall.EINVAL) { // EINVAL: the number of a thread
		return errGone
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if !alive(pid) {
		return errGone
	}
	if err = unix.PidfdSendSignal(fd, sig, nil, 0); errors.Is(err, syscall.ESRCH) {
		return errGone
	}
	return err
}

// alive reports whether the process is there, is this one, and has not ended (a zombie has).
func alive(pid ociruntime.PID) bool {
	state, start, err := processState(pid.Pid)
	return err == nil && start == pid.Start && state != 'Z' && state != 'X'
}

func startTime(pid int) (uint64, error) {
	_, start, err := processState(pid)
	return start, err
}

// processState reads fields 3 and 22 of /proc/PID/stat (proc(5)). The second field, the name in parentheses, may hold anything.
func processState(pid int) (state byte, start uint64, err error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, 0, err
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return 0, 0, errdefs.Internal("/proc/%d/stat is too short", pid)
	}
	start, err = strconv.ParseUint(string(fields[19]), 10, 64)
	return fields[0][0], start, err
}
