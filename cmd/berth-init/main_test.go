package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "berth-init")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "berth-init")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		panic(string(out))
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func TestExitCodeIsTheCommands(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want int
	}{
		{"own", []string{"sh", "-c", "exit 7"}, 7},
		{"signal", []string{"sh", "-c", "kill -9 $$"}, 137},
		{"not found", []string{"no-such-command"}, 127},
		{"not to be run", []string{"/etc/passwd"}, 126},
		{"an orphan that ends later does not count", []string{"sh", "-c", "(exit 3) & exit 5"}, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := exec.Command(program, append([]string{"--"}, c.args...)...).Run()
			got := 0
			if exit, ok := err.(*exec.ExitError); ok {
				got = exit.ExitCode()
			} else if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("exit code %d, want %d", got, c.want)
			}
		})
	}
}

func TestSignalsReachTheCommand(t *testing.T) {
	cmd := exec.Command(program, "--", "sh", "-c", "trap 'echo caught; exit 4' TERM; echo ready; while :; do sleep 0.01; done")
	var out strings.Builder
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	n, _ := pipe.Read(buf)
	if string(buf[:n]) != "ready\n" {
		t.Fatalf("got %q, want ready", buf[:n])
	}
	cmd.Process.Signal(syscall.SIGTERM)
	deadline := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
	defer deadline.Stop()
	for {
		n, err := pipe.Read(buf)
		out.Write(buf[:n])
		if err != nil {
			break
		}
	}
	err = cmd.Wait()
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 4 || out.String() != "caught\n" {
		t.Errorf("ended with %v after printing %q; want exit code 4 and caught", err, out.String())
	}
}
