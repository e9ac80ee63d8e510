package runtimetest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/berth-engine/berth/ociruntime"
)

// times are the durations of single iterations: on a busy machine the mean says little.
type times []time.Duration

// measure runs fn and notes how long it took.
func (t *times) measure(fn func()) {
	begin := time.Now()
	fn()
	*t = append(*t, time.Since(begin))
}

func (t times) report(b *testing.B) {
	slices.Sort(t)
	b.ReportMetric(float64(t[0])/1e6, "min-ms")
	b.ReportMetric(float64(t[len(t)/2])/1e6, "median-ms")
}

// BenchmarkLifecycle creates, starts, waits for and deletes containers that run true.
func BenchmarkLifecycle(b *testing.B, factory Factory) {
	h := newHarness(b, factory)
	var each times
	for b.Loop() {
		x := h.box("/bin/true")
		x.request.Attached = &all
		each.measure(func() {
			x.create().start()
			h.hear(x.process.Conn)
			x.delete()
		})
		must(b, x.process.Conn.CleanedUp())
		x.process.Conn.Close()
		x.process = nil
	}
	each.report(b)
}

// BenchmarkBareLifecycle does the same with the runtime alone.
func BenchmarkBareLifecycle(b *testing.B, program string) {
	h, bundle := bare(b, []string{"/bin/true"})
	var each times
	for b.Loop() {
		each.measure(func() {
			bareRun(h, program, "create", "--bundle", bundle, "bare")
			bareRun(h, program, "start", "bare")
		})
		time.Sleep(5 * time.Millisecond) // the process ends
		deletion := times{}
		deletion.measure(func() { bareRun(h, program, "delete", "--force", "bare") })
		each[len(each)-1] += deletion[0]
	}
	each.report(b)
}

func bare(b *testing.B, args []string) (h *harness, bundle string) {
	h = &harness{TB: b, root: b.TempDir()}
	h.rootfs = filepath.Join(h.root, "rootfs")
	makeRootfs(b, h.rootfs)
	spec := newSpec(h.rootfs, "bare"+strconv.Itoa(os.Getpid()), args)
	config, err := json.Marshal(spec)
	must(b, err)
	must(b, os.WriteFile(filepath.Join(h.root, "config.json"), config, 0o600))
	return h, h.root
}

func bareRun(h *harness, program string, args ...string) {
	h.Helper()
	c := exec.Command(program, append([]string{"--root", h.root + "/state"}, args...)...)
	if err := c.Run(); err != nil {
		h.Fatalf("%s %q: %v", program, args, err)
	}
}

// BenchmarkExec runs true in a running container.
func BenchmarkExec(b *testing.B, factory Factory) {
	x := newHarness(b, factory).idle()
	var each times
	for b.Loop() {
		each.measure(func() { x.exec(func(p *specs.Process) { p.Args = []string{"/bin/true"} }).hear() })
	}
	each.report(b)
}

// BenchmarkBareExec does the same with the runtime alone.
func BenchmarkBareExec(b *testing.B, program string) {
	h, bundle := bare(b, []string{"/bin/sleep", "1000"})
	bareRun(h, program, "create", "--bundle", bundle, "bare")
	bareRun(h, program, "start", "bare")
	defer bareRun(h, program, "delete", "--force", "bare")
	var each times
	for b.Loop() {
		each.measure(func() { bareRun(h, program, "exec", "bare", "/bin/true") })
	}
	each.report(b)
}

// BenchmarkLog has a container write lines of a length in blocks of 64 KiB, 256 MiB an iteration.
func BenchmarkLog(b *testing.B, factory Factory, length int) {
	const total = 256 << 20
	h := newHarness(b, factory)
	block := make([]byte, 0, 64<<10)
	for len(block) < cap(block) {
		block = append(block, byte('a'+len(block)%26))
		if len(block)%length == 0 {
			block[len(block)-1] = '\n'
		}
	}
	must(b, os.WriteFile(filepath.Join(h.rootfs, "block"), block, 0o644))
	b.SetBytes(total)
	for b.Loop() {
		b.StopTimer()
		x := h.sh("i=0; while [ $i -lt 64 ]; do cat /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block /block; i=$((i+1)); done")
		x.request.Log = ociruntime.LogConfig{Driver: "k8s-file", Path: filepath.Join(h.root, x.id+".log")}
		x.create()
		c := x.attach(waitOnly)
		b.StartTimer()
		x.start()
		h.hear(c)
		b.StopTimer()
		must(b, os.Remove(x.request.Log.Path))
		b.StartTimer()
	}
}

// IdleMonitors starts containers that do nothing, each with a log and a clean-up command, and returns their monitors once they have rested.
func IdleMonitors(b *testing.B, factory Factory, n int) (pids []int) {
	h := newHarness(b, factory)
	for range n {
		x := h.box("/bin/sleep", "1000")
		x.request.Log = ociruntime.LogConfig{Driver: "k8s-file", Path: filepath.Join(h.root, x.id+".log")}
		x.request.Cleanup = []string{"/bin/true", "container", "cleanup", x.id}
		x.start()
		pids = append(pids, x.process.Monitor.Pid)
	}
	time.Sleep(2 * time.Second)
	return pids
}
