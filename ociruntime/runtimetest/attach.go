package runtimetest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/ociruntime"
)

var attachTests = []test{
	{"whoever attaches before the start misses nothing", func(h *harness) {
		b := h.sh("echo first; echo second >&2").create()
		c := b.attach(all)
		b.start()
		s := h.hear(c)
		h.expectText("stdout", s.stdout.String(), "first\n")
		h.expectText("stderr", s.stderr.String(), "second\n")
	}},
	{"a client gets the streams it asked for", func(h *harness) {
		b := h.sh("echo out; echo err >&2").create()
		out, errs := b.attach(ociruntime.AttachOptions{Stdout: true}), b.attach(ociruntime.AttachOptions{Stderr: true})
		none := b.attach(waitOnly)
		b.start()
		for _, c := range []struct {
			conn        ociruntime.Conn
			out, stderr string
		}{{out, "out\n", ""}, {errs, "", "err\n"}, {none, "", ""}} {
			s := h.hear(c.conn)
			h.expectText("stdout", s.stdout.String(), c.out)
			h.expectText("stderr", s.stderr.String(), c.stderr)
		}
	}},
	{"a client that leaves does not end the process", func(h *harness) {
		b := h.sh("read line; echo got $line")
		b.request.Stdio.Stdin = true
		b.request.Attached = &everything
		b.create().start()
		b.process.Conn.Close()
		c := b.attach(everything)
		io.WriteString(c, "a line\n")
		s := h.hear(c)
		h.expectText("stdout", s.stdout.String(), "got a line\n")
	}},
	{"100 clients come and go", func(h *harness) {
		b := h.sh("while :; do echo some output; done").start()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 25 {
					c, err := h.runtime.Attach(h.ctx, b.run, all)
					if err != nil {
						h.Errorf("attach: %v", err)
						return
					}
					if m, err := c.Next(); err != nil || len(m.Data) == 0 {
						h.Errorf("got %q, %v; expected output", m.Data, err)
					}
					c.Close()
				}
			})
		}
		wg.Wait()
	}},
	{"clients that come and go leave nothing in the monitor's memory", func(h *harness) {
		b := h.box("/bin/sleep", "1000")
		b.request.Stdio.Stdin = true
		b.create().start()
		visit := func(times int) int {
			for range times {
				c, err := h.runtime.Attach(h.ctx, b.run, everything)
				must(h, err)
				c.Close()
			}
			return residentKB(h, b.process.Monitor.Pid)
		}
		before := visit(200)
		if after := visit(2000); after > before+256 {
			h.Errorf("the monitor has %d KB after 2000 more clients, and had %d KB; expected no more than 256 KB on top", after, before)
		}
	}},
	{"a stuck client is dropped and told so, and holds up no other for ever", func(h *harness) {
		b := h.sh("head -c 20971520 /dev/zero; echo -n end").create()
		stuck, well := b.attach(all), b.attach(all)
		b.start()
		n, tail, exit := count(h, well)
		if n != 20<<20+3 || tail != "end" {
			h.Errorf("got %d bytes ending in %q; expected %d ending in \"end\"", n, tail, 20<<20+3)
		}
		h.expectExit(exit, 0, 0, false)
		s := listen(stuck)
		if s.stdout.Len() == 0 || !errors.Is(s.err, errdefs.ErrUnavailable) || !strings.Contains(s.err.Error(), "dropped") {
			h.Errorf("the stuck client got %d bytes and %v; expected some and to be told that it was dropped", s.stdout.Len(), s.err)
		}
	}},
	{"the client from the start may be slow without limit", func(h *harness) {
		b := h.sh("head -c 20971520 /dev/zero; echo -n end")
		b.request.Attached = &all
		b.create().start()
		time.Sleep(3 * time.Second)
		n, tail, _ := count(h, b.process.Conn)
		if n != 20<<20+3 || tail != "end" {
			h.Errorf("got %d bytes ending in %q; expected %d ending in \"end\"", n, tail, 20<<20+3)
		}
	}},
	{"the exit is recorded while the client from the start does not read", func(h *harness) {
		// The writer fills everything that there is to fill, and is stuck when the first process ends.
		b := h.sh("head -c 8000000 /dev/zero & sleep 0.3; exit 3")
		b.request.Attached = &all
		b.create()
		waiting := b.attach(waitOnly)
		b.start()
		h.expectExit(h.hear(waiting).exit, 3, 0, false)
		n, _, exit := count(h, b.process.Conn)
		if n < 64<<10 || n > 8000000 {
			h.Errorf("got %d bytes; expected what fits into a pipe at least", n)
		}
		h.expectExit(exit, 3, 0, false)
	}},
	{"attaching to what has ended is not found", func(h *harness) {
		b := h.box("/bin/true")
		b.finish()
		h.eventually("the monitor ends", func() bool { return !running(b.process.Monitor) })
		if _, err := h.runtime.Attach(h.ctx, b.run, all); !errors.Is(err, errdefs.ErrNotFound) {
			h.Errorf("error %v; expected not found", err)
		}
	}},
	{"attaching works in a directory with a long name", func(h *harness) {
		h.root += "/" + strings.Repeat("long", 30)
		b := h.sh("stty size")
		b.request.Stdio = ociruntime.Stdio{Terminal: true, Width: 7, Height: 5, Stdin: true}
		b.create()
		c := b.attach(all)
		b.start()
		s := h.hear(c)
		h.expectText("terminal", s.stdout.String(), "5 7\r\n")
	}},
}

// residentKB is a process's resident memory (proc(5), status, VmRSS), in KB.
func residentKB(h *harness, pid int) (kb int) {
	h.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(h, err)
	for line := range strings.Lines(string(status)) {
		if n, err := fmt.Sscanf(line, "VmRSS: %d kB", &kb); n == 1 && err == nil {
			return kb
		}
	}
	h.Fatalf("no VmRSS of process %d", pid)
	return 0
}
