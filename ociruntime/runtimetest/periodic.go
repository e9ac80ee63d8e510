package runtimetest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

var periodicTests = []test{
	{"the periodic command runs when it is due, and not before it is scheduled", func(h *harness) {
		b, ran := h.periodic("echo ran")
		b.start()
		must(h, h.runtime.Schedule(h.ctx, b.run, 50*time.Millisecond))
		h.eventually("the command has run", func() bool { return lines(ran) == 1 })
		time.Sleep(200 * time.Millisecond)
		if n := lines(ran); n != 1 {
			h.Errorf("it has run %d times; expected once, since nobody has scheduled it again", n)
		}
		must(h, h.runtime.Schedule(h.ctx, b.run, time.Millisecond))
		h.eventually("the command has run again", func() bool { return lines(ran) == 2 })
	}},
	{"a time that is replaced is not kept", func(h *harness) {
		b, ran := h.periodic("echo ran")
		b.start()
		must(h, h.runtime.Schedule(h.ctx, b.run, 300*time.Millisecond))
		must(h, h.runtime.Schedule(h.ctx, b.run, 0))
		time.Sleep(600 * time.Millisecond)
		if n := lines(ran); n != 0 {
			h.Errorf("it has run %d times; expected never", n)
		}
	}},
	{"the periodic command does not run twice at a time, and schedules itself", func(h *harness) {
		// It finds the time that is set while it runs when it has ended.
		b, ran := h.periodic("[ ! -e $1/running ] || echo twice; : > $1/running; sleep 0.2; rm $1/running; echo ran")
		b.start()
		must(h, h.runtime.Schedule(h.ctx, b.run, time.Millisecond))
		h.eventually("it runs", func() bool { return exists(filepath.Join(b.run, "running")) })
		must(h, h.runtime.Schedule(h.ctx, b.run, time.Millisecond))
		h.eventually("it has run twice", func() bool { return lines(ran) == 2 })
		text, err := os.ReadFile(ran)
		must(h, err)
		h.expectText("runs", string(text), "ran\nran\n")
	}},
	{"a periodic command that cannot be run harms nothing", func(h *harness) {
		b := h.sh("sleep 0.5; exit 4")
		b.request.Periodic = []string{"/no/such/program"}
		b.start()
		conn := b.attach(waitOnly)
		must(h, h.runtime.Schedule(h.ctx, b.run, time.Millisecond))
		h.expectExit(h.hear(conn).exit, 4, 0, false)
	}},
	{"the exit is told while the periodic command runs", func(h *harness) {
		b, _ := h.periodic(": > $1/running; sleep 2")
		b.start()
		must(h, h.runtime.Schedule(h.ctx, b.run, time.Millisecond))
		h.eventually("it runs", func() bool { return exists(filepath.Join(b.run, "running")) })
		conn := b.attach(waitOnly)
		must(h, h.runtime.Kill(h.ctx, b.id, b.process.PID, 9, false))
		h.expectExit(h.hear(conn).exit, 137, 9, false)
	}},
	{"a schedule without a monitor is no error", func(h *harness) {
		must(h, h.runtime.Schedule(h.ctx, h.TempDir(), time.Millisecond))
	}},
}

// periodic is a container that sleeps, with a periodic command whose output goes to a file. $1 is the run directory.
func (h *harness) periodic(script string) (b *box, output string) {
	b = h.sh("sleep 1000")
	output = filepath.Join(h.root, b.id+".periodic")
	b.request.Periodic = []string{"/bin/sh", "-c", fmt.Sprintf("{ %s\n} >> %s", script, output), "sh", b.run}
	return b, output
}

func lines(file string) int {
	text, _ := os.ReadFile(file)
	return strings.Count(string(text), "\n")
}

func exists(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
}
