// Package disk lets a test see what another process writes to the files of one directory, make writes and syncs fail, and play a
// power cut: what a disk may hold when power fails after any of the writes.
//
// The process asks for it by Enter: from then on the kernel stops it at each pwrite64, ftruncate, fsync and fdatasync, and the
// test answers (seccomp_unotify(2)). Nothing of the program under test is replaced. It needs root and Linux 5.7.
package disk

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Kind is what a process does to a file.
type Kind int

// The kinds of operations.
const (
	Write    Kind = iota // Data at Offset
	Truncate             // to Offset bytes
	Sync                 // all that was written to File before it
)

// Op is one operation, before it is done.
type Op struct {
	Kind   Kind
	File   string // its name in the directory
	Offset int64
	Data   []byte
}

// The numbers of seccomp(2) and ioctl(2) that golang.org/x/sys/unix has not (linux/seccomp.h).
const (
	setModeFilter  = 1
	flagTsync      = 1 << 0
	flagListener   = 1 << 3
	flagTsyncESRCH = 1 << 4
	retAllow       = 0x7fff0000
	retUserNotif   = 0x7fc00000
	notifRecv      = 0xc0502100
	notifSend      = 0xc0182101
	goOn           = 1 // SECCOMP_USER_NOTIF_FLAG_CONTINUE
)

var watched = []uint32{unix.SYS_PWRITE64, unix.SYS_FTRUNCATE, unix.SYS_FSYNC, unix.SYS_FDATASYNC}

// socket is the descriptor on which a watched process hands its listener over.
const socket = 3

// Enter puts this process, for good, under the eyes of the one that started it by Watch.
func Enter() error {
	prog := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}} // the system call's number
	for i, nr := range watched {
		prog = append(prog, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: uint8(len(watched) - i), K: nr})
	}
	prog = append(prog, unix.SockFilter{Code: unix.BPF_RET, K: retAllow}, unix.SockFilter{Code: unix.BPF_RET, K: retUserNotif})
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, setModeFilter, flagTsync|flagListener|flagTsyncESRCH, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return fmt.Errorf("seccomp: %w: is this root, and may it use a listener?", errno)
	}
	defer unix.Close(int(fd))
	return unix.Sendmsg(socket, []byte{0}, unix.UnixRights(int(fd)), nil, 0)
}

// Watch starts a command that calls Enter, and asks judge about each of its operations on files of the directory: judge returns the
// error that the process is to get instead, or 0. It returns when the command has ended, with its error.
func Watch(cmd *exec.Cmd, dir string, judge func(op Op) unix.Errno) error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer ours.Close()
	cmd.ExtraFiles = []*os.File{theirs} // descriptor 3
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return err
	}
	listener, err := receive(pair[0])
	if err != nil {
		cmd.Process.Kill()
		return errors.Join(err, cmd.Wait())
	}
	w := &watch{listener: listener, dir: dir, judge: judge}
	err = w.serve()
	unix.Close(listener)
	return errors.Join(err, cmd.Wait())
}

// receive takes the listener from a process, which may end before it has sent one.
func receive(fd int) (int, error) {
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(fd, make([]byte, 1), oob, 0)
	if err != nil {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) == 0 {
		return -1, errors.Join(err, errors.New("the process has sent no listener"))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return -1, err
	}
	unix.CloseOnExec(fds[0])
	return fds[0], nil
}

// watch answers one process.
type watch struct {
	listener int
	dir      string
	judge    func(op Op) unix.Errno
}

// notification is struct seccomp_notif, answer struct seccomp_notif_resp (linux/seccomp.h).
type notification struct {
	id         uint64
	tid, flags uint32
	nr         int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

type answer struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// serve answers until the process has ended.
func (w *watch) serve() error {
	for {
		fds := []unix.PollFd{{Fd: int32(w.listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return err
		}
		if fds[0].Revents&unix.POLLIN == 0 {
			if fds[0].Revents != 0 { // nobody is under the filter any more
				return nil
			}
			continue
		}
		var n notification
		if errno := ioctl(w.listener, notifRecv, unsafe.Pointer(&n)); errno != 0 {
			if errno == unix.ENOENT || errno == unix.EINTR { // killed while it waited
				continue
			}
			return errno
		}
		a := answer{id: n.id, flags: goOn}
		if op, ok := w.operation(&n); ok {
			if errno := w.judge(op); errno != 0 {
				a.flags, a.errno = 0, -int32(errno)
			}
		}
		if errno := ioctl(w.listener, notifSend, unsafe.Pointer(&a)); errno != 0 && errno != unix.ENOENT {
			return errno
		}
	}
}

func ioctl(fd int, request uintptr, arg unsafe.Pointer) unix.Errno {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
	return errno
}

// operation is what a process asks for, if it is about a file of the directory.
func (w *watch) operation(n *notification) (Op, bool) {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", n.tid, int32(n.args[0])))
	if err != nil {
		return Op{}, false
	}
	if path == w.dir {
		return Op{Kind: Sync, File: "."}, uint32(n.nr) == unix.SYS_FSYNC
	}
	name, err := filepath.Rel(w.dir, path)
	if err != nil || strings.HasPrefix(name, "..") {
		return Op{}, false
	}
	op := Op{File: name}
	switch uint32(n.nr) {
	case unix.SYS_PWRITE64:
		op.Kind, op.Offset, op.Data = Write, int64(n.args[3]), make([]byte, n.args[2])
		if err := readMemory(int(n.tid), n.args[1], op.Data); err != nil {
			return Op{}, false
		}
	case unix.SYS_FTRUNCATE:
		op.Kind, op.Offset = Truncate, int64(n.args[1])
	default:
		op.Kind = Sync
	}
	return op, true
}

func readMemory(pid int, at uint64, into []byte) error {
	if len(into) == 0 {
		return nil
	}
	n, err := unix.ProcessVMReadv(pid, []unix.Iovec{{Base: &into[0], Len: uint64(len(into))}},
		[]unix.RemoteIovec{{Base: uintptr(at), Len: len(into)}}, 0)
	if err == nil && n != len(into) {
		err = unix.EFAULT
	}
	return err
}
