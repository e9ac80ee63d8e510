package monitored_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/berth-engine/berth/ociruntime/runtimetest"
)

// BenchmarkLifecycle compares create + start + exit + delete through the monitor with the bare runtime's, which is the floor.
func BenchmarkLifecycle(b *testing.B) {
	for _, name := range runtimes(b) {
		b.Run(name+"/monitored", func(b *testing.B) { runtimetest.BenchmarkLifecycle(b, factory(b, name)) })
		b.Run(name+"/bare", func(b *testing.B) { runtimetest.BenchmarkBareLifecycle(b, programOf(b, name)) })
	}
}

// BenchmarkExec compares one exec session with the bare runtime's exec.
func BenchmarkExec(b *testing.B) {
	for _, name := range runtimes(b) {
		b.Run(name+"/monitored", func(b *testing.B) { runtimetest.BenchmarkExec(b, factory(b, name)) })
		b.Run(name+"/bare", func(b *testing.B) { runtimetest.BenchmarkBareExec(b, programOf(b, name)) })
	}
}

// BenchmarkLog measures how fast one container's output goes into a k8s-file log, with lines of 100 bytes and of 1000.
func BenchmarkLog(b *testing.B) {
	for _, length := range []int{100, 1000} {
		b.Run(strconv.Itoa(length), func(b *testing.B) { runtimetest.BenchmarkLog(b, factory(b, runtimes(b)[0]), length) })
	}
}

// BenchmarkMemory reports the proportional set size of monitors that hold idle containers, as the mean of 50.
func BenchmarkMemory(b *testing.B) {
	const copies = 50
	monitors := runtimetest.IdleMonitors(b, factory(b, runtimes(b)[0]), copies)
	total, private := 0, 0
	for _, pid := range monitors {
		total += rollup(b, pid, "Pss:")
		private += rollup(b, pid, "Private_Dirty:")
	}
	for b.Loop() {
	}
	b.ReportMetric(float64(total)/copies, "KB-PSS")
	b.ReportMetric(float64(private)/copies, "KB-private")
	b.ReportMetric(0, "ns/op")
}

// runtimes are those that run here: crun only where it likes the control groups.
func runtimes(b *testing.B) []string {
	controllers, _ := os.ReadFile("/sys/fs/cgroup/unified/cgroup.controllers")
	if strings.TrimSpace(string(controllers)) == "" {
		return []string{"crun", "runc"}
	}
	return []string{"runc"}
}

func programOf(tb testing.TB, name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

// rollup reads one line of /proc/PID/smaps_rollup (proc(5)), in KB.
func rollup(tb testing.TB, pid int, key string) int {
	f, err := os.Open(filepath.Join("/proc", strconv.Itoa(pid), "smaps_rollup"))
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if fields := strings.Fields(s.Text()); fields[0] == key {
			n, _ := strconv.Atoi(fields[1])
			return n
		}
	}
	tb.Fatalf("no %s of process %d", key, pid)
	return 0
}
