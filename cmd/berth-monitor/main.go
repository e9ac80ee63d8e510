// Command berth-monitor holds one running container or exec session; see internal/monitor. It is started by Berth, not by people.
package main

import (
	"syscall"
	"unsafe"

	"github.com/berth-engine/berth/internal/monitor"
)

// version is set at link time.
var version = "dev"

func main() {
	args := texts("/proc/self/cmdline")
	if len(args) == 2 && args[1] == "--version" {
		syscall.Write(1, []byte("berth-monitor version "+version+"\n"))
		return
	}
	syscall.Exit(monitor.Main(args[min(1, len(args)):], texts("/proc/self/environ")))
}

// texts reads the command line or the environment where the kernel keeps it (proc(5)): package os, and a copy of each string, would
// cost a tenth of the memory that a monitor may take.
func texts(file string) []string {
	fd, err := syscall.Open(file, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer syscall.Close(fd)
	b := make([]byte, 0, 4096)
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := syscall.Read(fd, b[len(b):cap(b)])
		if err == syscall.EINTR {
			continue
		}
		if n <= 0 || err != nil {
			break
		}
		b = b[:len(b)+n]
	}
	all := unsafe.String(unsafe.SliceData(b), len(b)) // b does not change any more
	list := make([]string, 0, 64)
	for start, i := 0, 0; i < len(all); i++ {
		if all[i] == 0 {
			list = append(list, all[start:i])
			start = i + 1
		}
	}
	return list
}
