// Command probe makes system calls in a container and prints what they are answered, or, run as an init, its arguments.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

func main() {
	if filepath.Base(os.Args[0]) == ".berth-init" {
		fmt.Println("init", os.Getpid(), strings.Join(os.Args[1:], " "))
		return
	}
	const newUser = 0x10000000
	for _, call := range []struct {
		name       string
		trap       uintptr
		a1, a2, a3 uintptr
	}{
		{"unknown", 999, 0, 0, 0},
		{"keyctl", syscall.SYS_KEYCTL, 0, 0, 0},
		{"mount", syscall.SYS_MOUNT, 0, 0, 0},
		{"clone-newuser", syscall.SYS_CLONE, newUser | uintptr(syscall.SIGCHLD), 0, 0},
		{"clone3", 435, 0, 0, 0},
		{"socket-vsock", syscall.SYS_SOCKET, 40, 1, 0},
		{"socket-unix", syscall.SYS_SOCKET, 1, 1, 0},
	} {
		r, _, errno := syscall.RawSyscall(call.trap, call.a1, call.a2, call.a3)
		if errno == 0 && call.name == "clone-newuser" && r == 0 {
			syscall.RawSyscall(syscall.SYS_EXIT, 0, 0, 0)
		}
		fmt.Printf("call %s %d\n", call.name, errno)
	}
}
