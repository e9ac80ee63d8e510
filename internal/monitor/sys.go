package monitor

import (
	"syscall"
	"unsafe"

	"github.com/berth-engine/berth/internal/monitor/wire"
)

// Numbers that package syscall does not have. System calls from 424 on have one number on all architectures.
const (
	sysPidfdSendSignal = 424
	sysPidfdOpen       = 434
	sysCloseRange      = 436

	fOFDSetLock    = 37
	fSetPipeSize   = 1031
	fPipeSize      = 1032
	prSetSubreaper = 36
	clockRealtime  = 0
	clockMonotonic = 1
	sigIgnore      = 1
	sigsetBytes    = 8
	msgCloexec     = 0x40000000
	indexOfVEOF    = 4 // in Termios.Cc

	// Events of epoll(7), as the kernel types them.
	eventIn   = uint32(0x001)
	eventPri  = uint32(0x002)
	eventOut  = uint32(0x004)
	eventErr  = uint32(0x008)
	eventHup  = uint32(0x010)
	eventEdge = uint32(1 << 31)

	second = int64(1_000_000_000) // in nanoseconds
)

func pidfdOpen(pid int) (int, error) {
	fd, _, errno := syscall.Syscall(sysPidfdOpen, uintptr(pid), 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// closeFrom closes every descriptor from first on.
func closeFrom(first int) {
	if _, _, errno := syscall.RawSyscall(sysCloseRange, uintptr(first), uintptr(^uint32(0)), 0); errno == 0 {
		return
	}
	for fd := first; fd < 1<<16; fd++ {
		syscall.Close(fd)
	}
}

func setCloexec(fd int, on bool) {
	flags := 0
	if on {
		flags = syscall.FD_CLOEXEC
	}
	syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_SETFD, uintptr(flags))
}

func dupCloexec(fd int) (int, error) {
	n, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

// growPipe asks for a larger pipe; it is as well if the kernel will not.
func growPipe(fd, size int) {
	syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), fSetPipeSize, uintptr(size))
}

// pipeSize is how much can wait in a pipe, in bytes, or a terminal.
func pipeSize(fd int) int {
	n, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), fPipeSize, 0)
	if errno != 0 {
		return busyPipeSize
	}
	return int(n)
}

// unlockCreation releases wire.CreationLock, which came with standard error.
func unlockCreation() {
	lock := syscall.Flock_t{Type: syscall.F_UNLCK, Start: wire.CreationLock, Len: 1}
	syscall.FcntlFlock(2, fOFDSetLock, &lock)
}

func becomeSubreaper() error {
	if _, _, errno := syscall.Syscall(syscall.SYS_PRCTL, prSetSubreaper, 1, 0); errno != 0 {
		return errno
	}
	return nil
}

func clock(id int) (sec, nsec int64) {
	var ts syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, uintptr(id), uintptr(unsafe.Pointer(&ts)), 0)
	return int64(ts.Sec), int64(ts.Nsec)
}

// now is a monotonic time in nanoseconds.
func now() int64 {
	sec, nsec := clock(clockMonotonic)
	return sec*second + nsec
}

// sigaction is the kernel's, on the 64-bit architectures.
type sigaction struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

// ignoreSignal makes the process deaf to sig and returns what was.
func ignoreSignal(sig syscall.Signal) (was sigaction) {
	act := sigaction{handler: sigIgnore}
	syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&act)), uintptr(unsafe.Pointer(&was)), sigsetBytes, 0, 0)
	return was
}

func restoreSignal(sig syscall.Signal, was *sigaction) {
	syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(was)), 0, sigsetBytes, 0, 0)
}

// mapBuffer maps memory outside Go's heap, nil if there is none. Pages cost nothing until they are touched. (syscall.Mmap keeps
// books of its maps, on the heap.)
func mapBuffer(size int) []byte {
	address, _, errno := syscall.Syscall6(syscall.SYS_MMAP, 0, uintptr(size),
		syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE, ^uintptr(0), 0)
	if errno != 0 {
		return nil
	}
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&address)), size)
}

// unmap takes back the memory of a buffer; b may be a beginning of it.
func unmap(b []byte) {
	if cap(b) > 0 {
		syscall.Syscall(syscall.SYS_MUNMAP, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(cap(b)), 0)
	}
}

// releasePages gives a mapped buffer's memory back; it stays mapped and reads as zeros.
func releasePages(b []byte) {
	if len(b) > 0 {
		syscall.Syscall(syscall.SYS_MADVISE, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), syscall.MADV_DONTNEED)
	}
}

// read is syscall.Read that goes on after an interruption.
func read(fd int, p []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, p)
		if err != syscall.EINTR {
			return n, err
		}
	}
}

func pread(fd int, p []byte) (int, error) { return syscall.Pread(fd, p, 0) }

// openRead opens a file for reading, or returns -1.
func openRead(name string) int {
	fd, err := syscall.Open(name, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

// write is syscall.Write that goes on after an interruption.
func write(fd int, p []byte) (int, error) {
	for {
		n, err := syscall.Write(fd, p)
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// sendPacket sends kind and data as one packet, without waiting and without allocating.
func sendPacket(fd int, kind byte, data []byte) error {
	var iov [2]syscall.Iovec
	iov[0].Base = &kind
	iov[0].SetLen(1)
	var msg syscall.Msghdr
	msg.Iov = &iov[0]
	msg.Iovlen = 1
	if len(data) > 0 {
		iov[1].Base = &data[0]
		iov[1].SetLen(len(data))
		msg.Iovlen = 2
	}
	for {
		_, _, errno := syscall.Syscall(syscall.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
		switch errno {
		case 0:
			return nil
		case syscall.EINTR:
		default:
			return errno
		}
	}
}

// packet is what receivePacket gets: n bytes in data, and at most one descriptor, else -1.
type packet struct {
	data    [32]byte
	control [64]byte
	n       int
	fd      int
}

// receive gets one packet without waiting. A packet of length 0 is the end. Descriptors beyond the first are closed.
func (p *packet) receive(sock int) error {
	var iov syscall.Iovec
	var msg syscall.Msghdr
	iov.Base = &p.data[0]
	iov.SetLen(len(p.data))
	msg.Iov = &iov
	msg.Iovlen = 1
	msg.Control = &p.control[0]
	msg.SetControllen(len(p.control))
	p.fd = -1
	for {
		n, _, errno := syscall.Syscall(syscall.SYS_RECVMSG, uintptr(sock), uintptr(unsafe.Pointer(&msg)), syscall.MSG_DONTWAIT|msgCloexec)
		if errno == syscall.EINTR {
			continue
		}
		if errno != 0 {
			return errno
		}
		p.n = int(n)
		p.takeDescriptors(int(msg.Controllen))
		return nil
	}
}

func (p *packet) takeDescriptors(length int) {
	header := int(syscall.SizeofCmsghdr)
	if length < header+4 {
		return
	}
	h := (*syscall.Cmsghdr)(unsafe.Pointer(&p.control[0]))
	if h.Level != syscall.SOL_SOCKET || h.Type != syscall.SCM_RIGHTS {
		return
	}
	end := min(int(h.Len), length)
	for at := header; at+4 <= end; at += 4 {
		fd := int(*(*int32)(unsafe.Pointer(&p.control[at])))
		if p.fd < 0 {
			p.fd = fd
		} else {
			syscall.Close(fd)
		}
	}
}

// accept takes one connection without waiting.
func accept(sock int) (int, error) {
	for {
		fd, _, errno := syscall.Syscall6(syscall.SYS_ACCEPT4, uintptr(sock), 0, 0, syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0, 0)
		switch errno {
		case 0:
			return int(fd), nil
		case syscall.EINTR, syscall.ECONNABORTED:
		default:
			return -1, errno
		}
	}
}

// listenSocket makes a socket at a path relative to the working directory, which is how a path of any length is reached.
func listenSocket(kind int, name string) (int, error) {
	fd, err := syscall.Socket(syscall.AF_UNIX, kind|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	syscall.Unlink(name)
	was := syscall.Umask(0o177)
	err = syscall.Bind(fd, &syscall.SockaddrUnix{Name: name})
	syscall.Umask(was)
	if err == nil {
		err = syscall.Listen(fd, 128)
	}
	if err != nil {
		syscall.Close(fd)
		return -1, err
	}
	return fd, nil
}

type windowSize struct{ rows, cols, x, y uint16 }

func setWindowSize(fd int, width, height uint16) {
	ws := windowSize{rows: height, cols: width}
	syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.TIOCSWINSZ, uintptr(unsafe.Pointer(&ws)))
}

// endOfFileKey returns the terminal's VEOF character, and whether it means the end of input now (canonical mode).
func endOfFileKey(fd int) (byte, bool) {
	var t syscall.Termios
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.TCGETS, uintptr(unsafe.Pointer(&t)))
	return t.Cc[indexOfVEOF], errno == 0 && t.Lflag&syscall.ICANON != 0
}

// peerUser is the effective user of a unix socket's other end.
func peerUser(fd int) (uint32, error) {
	cred, err := syscall.GetsockoptUcred(fd, syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	if err != nil {
		return 0, err
	}
	return cred.Uid, nil
}
