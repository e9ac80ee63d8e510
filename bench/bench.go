// Command bench measures Berth against the budgets of the design, side by side with podman, Docker and the bare OCI runtimes
// where they are installed, and prints the table as Markdown.
//
//	make bench
//	go run ./bench -berth bin -out docs/benchmarks.md
//
// The contestants take turns within every measurement, after a warm-up, so that what else the machine does falls on all of
// them; the figures are medians. Each has its own state in one temporary directory, and an image made from the same root file
// system. Everything runs in a mount namespace of its own, in which crun works on a host with hybrid control groups too.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/berth-engine/berth/test/private"
)

// inside is set in the process that has its own mount namespace.
const inside = "BERTH_BENCH_INSIDE"

func main() {
	var (
		programs = flag.String("berth", "bin", "the directory that has berth and berth-monitor")
		out      = flag.String("out", "", "also write the document to this file")
		only     = flag.String("only", "", "measure only the rows whose name contains this")
		engines  = flag.String("engines", "berth,podman,docker", "the contestants")
		quick    = flag.Bool("quick", false, "few rounds, few containers: to try the benchmark itself")
	)
	flag.Parse()
	if os.Getenv(inside) == "" {
		os.Exit(again())
	}
	if err := measure(*programs, *out, *only, strings.Split(*engines, ","), *quick); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// again runs this program in a mount namespace of its own and returns its exit code.
func again() int {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "bench: the benchmark runs containers and must run as root")
		return 1
	}
	runtime.LockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = private.Attributes()
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		return 1
	}
	return 0
}

func measure(programs, out, only string, engines []string, quick bool) error {
	if err := private.Mounts(); err != nil {
		return err
	}
	programs, err := filepath.Abs(programs)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	b := &bench{dir: dir, quick: quick, started: time.Now(), load: loadAverage()}
	defer b.end()
	if err := b.enter(programs, engines); err != nil {
		return err
	}
	var rows []row
	var failed error
	for _, m := range measurements {
		if !strings.Contains(m.name, only) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%6.1fs  %s\n", time.Since(b.started).Seconds(), m.name)
		r, err := m.run(b)
		if err != nil { // the others are worth having
			err = fmt.Errorf("%s: %w", m.name, err)
			fmt.Fprintln(os.Stderr, "bench:", err)
			failed = errors.Join(failed, err)
			continue
		}
		rows = append(rows, r...)
	}
	doc := b.document(rows)
	fmt.Print(doc)
	if out == "" || failed != nil {
		return failed
	}
	return replaceFigures(out, doc)
}

// bench is one run of the benchmark.
type bench struct {
	dir         string
	quick       bool
	started     time.Time
	load        string // when it began
	contestants []*contestant
	floors      []*floor
	atEnd       []func()
}

// rounds is how often something is measured.
func (b *bench) rounds(n int) int {
	if b.quick {
		return 2
	}
	return n
}

// many scales a number of containers.
func (b *bench) many(n int) int {
	if b.quick {
		return max(n/100, 2)
	}
	return n
}

// end stops what the benchmark started, last first, and removes the directory.
func (b *bench) end() {
	for i := len(b.atEnd) - 1; i >= 0; i-- {
		b.atEnd[i]()
	}
	b.unmountAll()
	if err := os.RemoveAll(b.dir); err != nil {
		fmt.Fprintln(os.Stderr, "bench: remove the temporary directory:", err)
	}
}
