// Command berth-init is the first process of a container created with --init: it runs the container's command, passes signals on to
// it, reaps the processes that it leaves behind, and exits as it does. It is bind-mounted into the container.
//
//	berth-init -- COMMAND [ARG...]
//
// Its exit code is the command's, 128 plus the number of the signal that ended it, 127 if the command was not found and 126 if it
// could not be run.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// version is set at link time.
var version = "dev"

// signals are taken from as early on as a Go program can. One that comes before that, in its first millisecond, ends it with code 2
// instead of 128+N: the Go runtime has its handlers by then, and the first process of a PID namespace cannot kill itself as they want it
// to. Blocking signals before the program begins does not help, since the runtime unblocks those that end a program; what would is a
// first process that is no Go program.
var signals = notified()

func notified() chan os.Signal {
	c := make(chan os.Signal, 64)
	signal.Notify(c)
	return c
}

func main() {
	args := os.Args[1:]
	if len(args) == 1 && args[0] == "--version" {
		fmt.Println("berth-init version", version)
		return
	}
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fail(125, "usage: berth-init -- COMMAND [ARG...]")
	}
	os.Exit(run(args))
}

// run runs the command and returns its exit code.
func run(args []string) int {
	path, err := exec.LookPath(args[0])
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		fail(127, fmt.Sprintf("%s: command not found", args[0]))
	}
	var child int
	if err == nil {
		child, err = start(path, args)
	}
	if err != nil {
		fail(126, fmt.Sprintf("%s: %v", args[0], err))
	}
	for s := range signals {
		switch s {
		case syscall.SIGCHLD:
			if code, ended := reap(child); ended {
				return code
			}
		case syscall.SIGURG, syscall.SIGTTIN, syscall.SIGTTOU: // the Go runtime's own, and the terminal's for who writes to it
		default:
			syscall.Kill(child, s.(syscall.Signal))
		}
	}
	return 125
}

// start runs the command as a process group of its own, in the foreground of the terminal if there is one, so that a key's signal
// reaches it once.
func start(path string, args []string) (int, error) {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if _, err := unix.IoctlGetTermios(0, unix.TCGETS); err == nil {
		attr.Foreground, attr.Ctty = true, 0
	}
	return syscall.ForkExec(path, args, &syscall.ProcAttr{
		Env: os.Environ(), Files: inherited(), Sys: attr,
	})
}

// inherited are the descriptors that the container was given: the standard ones and those passed on by --preserve-fds.
func inherited() []uintptr {
	files := []uintptr{0, 1, 2}
	for fd := uintptr(3); ; fd++ {
		flags, err := unix.FcntlInt(fd, unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			return files
		}
		files = append(files, fd)
	}
}

// reap waits for all processes that have ended and reports the exit code of the child if it is among them.
func reap(child int) (code int, ended bool) {
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return code, ended
		}
		if pid != child {
			continue
		}
		ended, code = true, ws.ExitStatus()
		if ws.Signaled() {
			code = 128 + int(ws.Signal())
		}
	}
}

func fail(code int, message string) {
	fmt.Fprintln(os.Stderr, "berth-init:", message)
	os.Exit(code)
}
