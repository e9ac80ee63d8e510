package monitored

import (
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// child is a process that we started. It is waited for through its pidfd, in the poller: a process that starts a thousand
// monitors has a thousand parked goroutines, and no thread for them.
type child struct {
	pid   int
	pidfd *os.File
}

// spawn starts a program. env replaces the environment.
func spawn(path string, args, env []string, files []uintptr, setsid bool) (*child, error) {
	pidfd := -1
	pid, err := syscall.ForkExec(path, append([]string{path}, args...), &syscall.ProcAttr{
		Env: env, Files: files, Sys: &syscall.SysProcAttr{Setsid: setsid, PidFD: &pidfd},
	})
	if err != nil {
		if err == syscall.ENOENT || err == syscall.EACCES || err == syscall.ENOTDIR {
			return nil, missingProgram(path, err)
		}
		return nil, errdefs.Internal("cannot run %s: %w", path, err)
	}
	if pidfd < 0 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		_, _ = syscall.Wait4(pid, nil, 0, nil)
		return nil, errdefs.NotImplemented("this kernel has no pidfds; Linux 5.6 or newer is needed")
	}
	_ = unix.SetNonblock(pidfd, true)
	return &child{pid: pid, pidfd: os.NewFile(uintptr(pidfd), "pidfd")}, nil
}

// wait waits for the process's end, and collects it.
func (c *child) wait() (syscall.WaitStatus, error) {
	var status syscall.WaitStatus
	raw, err := c.pidfd.SyscallConn()
	if err != nil {
		return status, err
	}
	var waitErr error
	err = raw.Read(func(uintptr) bool {
		for {
			var pid int
			pid, waitErr = syscall.Wait4(c.pid, &status, syscall.WNOHANG, nil)
			if waitErr != syscall.EINTR {
				return pid != 0
			}
		}
	})
	_ = c.pidfd.Close()
	if err == nil {
		err = waitErr
	}
	return status, err
}

func (c *child) kill() {
	raw, err := c.pidfd.SyscallConn()
	if err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, 0) })
	}
}

// exitError is how a program failed that was started and ended.
type exitError struct{ status syscall.WaitStatus }

func (e *exitError) Error() string {
	if e.status.Signaled() {
		return "killed by signal " + e.status.Signal().String()
	}
	return "failed"
}

// run runs a program to its end and returns what it wrote to standard output and standard error together. When ctx ends it is
// killed.
func run(ctx context.Context, path string, args, env []string) ([]byte, error) {
	return runWithInput(ctx, path, args, env, nil)
}

// runWithInput is run with a standard input; nil for none.
func runWithInput(ctx context.Context, path string, args, env []string, in *os.File) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// A file in memory takes the output of any size without anybody reading meanwhile.
	output, err := memoryFile("output", nil)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	if in == nil {
		if in, err = devNull(); err != nil {
			return nil, err
		}
	}
	c, err := spawn(path, args, environ(env), []uintptr{in.Fd(), output.Fd(), output.Fd()}, false)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, c.kill)
	status, err := c.wait()
	stop()
	if err != nil {
		return nil, errdefs.Internal("wait for %s: %w", path, err)
	}
	text, err := io.ReadAll(io.NewSectionReader(output, 0, 16<<20))
	switch {
	case ctx.Err() != nil && status.Signaled():
		return text, ctx.Err()
	case status.ExitStatus() != 0:
		return text, &exitError{status}
	}
	return text, err
}

// memoryFile is a file in memory with this content, to be read from its beginning.
func memoryFile(name string, content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, errdefs.Internal("cannot make a file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.WriteAt(content, 0); err != nil {
		f.Close()
		return nil, errdefs.Internal("cannot write a file in memory: %w", err)
	}
	return f, nil
}

var devNull = sync.OnceValues(func() (*os.File, error) { return os.OpenFile("/dev/null", os.O_RDWR, 0) })

// environ is this process's environment without what was meant for it alone, and with more. A runtime that finds LISTEN_FDS
// would pass descriptors on that it does not have.
func environ(more []string) []string {
	env := make([]string, 0, 32)
	for _, e := range os.Environ() {
		switch name, _, _ := strings.Cut(e, "="); name {
		case "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "GOMAXPROCS", "GOGC", "GOMEMLIMIT":
		default:
			env = append(env, e)
		}
	}
	return append(env, more...)
}
