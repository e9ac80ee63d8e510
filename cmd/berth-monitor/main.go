// Command berth-monitor holds one running container or exec session; see internal/monitor. It is started by Berth, not by people.
package main

import (
	"runtime"
	"syscall"

	"github.com/berth-engine/berth/internal/monitor"
)

// version is set at link time.
var version = "dev"

// The loop stays on the main thread, which is the one that the kernel wakes for a signal: so that a child's end is seen.
func init() { runtime.LockOSThread() }

func main() {
	args := arguments()
	if len(args) == 1 && args[0] == "--version" {
		syscall.Write(1, []byte("berth-monitor version "+version+"\n"))
		return
	}
	syscall.Exit(monitor.Main(args, syscall.Environ()))
}

// arguments reads the command line where the kernel keeps it: package os would double the memory that a monitor takes for itself.
func arguments() []string {
	fd, err := syscall.Open("/proc/self/cmdline", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer syscall.Close(fd)
	text := make([]byte, 0, 1024)
	for {
		if len(text) == cap(text) {
			text = append(text, 0)[:len(text)]
		}
		n, err := syscall.Read(fd, text[len(text):cap(text)])
		if err == syscall.EINTR {
			continue
		}
		if n <= 0 || err != nil {
			break
		}
		text = text[:len(text)+n]
	}
	var args []string
	for start, i := 0, 0; i < len(text); i++ {
		if text[i] == 0 {
			args = append(args, string(text[start:i]))
			start = i + 1
		}
	}
	if len(args) == 0 {
		return nil
	}
	return args[1:]
}
