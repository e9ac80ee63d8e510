package runtimetest

import (
	"io"

	"github.com/berth-engine/berth/ociruntime"
)

var terminalTests = []test{
	{"the terminal has the first size", func(h *harness) {
		s := h.terminal("stty size").finish()
		h.expectText("terminal", s.stdout.String(), "24 80\r\n")
	}},
	{"the terminal follows a resize", func(h *harness) {
		b := h.terminal("trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done")
		b.request.Attached = &everything
		b.create().start()
		c := b.process.Conn
		h.expectNext(c, "ready\r\n")
		must(h, c.Resize(132, 43))
		s := h.hear(c)
		h.expectText("terminal", s.stdout.String(), "43 132\r\n")
	}},
	{"20 MB over the terminal arrives to the last byte", func(h *harness) {
		b := h.terminal("head -c 20971520 /dev/zero; echo -n end")
		b.request.Attached = &all
		b.create().start()
		n, tail, exit := count(h, b.process.Conn)
		if n != 20<<20+3 || tail != "end" {
			h.Errorf("got %d bytes ending in %q; expected %d ending in \"end\"", n, tail, 20<<20+3)
		}
		h.expectExit(exit, 0, 0, false)
	}},
	{"what is typed arrives, and the end of input", func(h *harness) {
		b := h.terminal("stty -echo; echo ready; cat; echo done")
		b.request.Attached = &everything
		b.create().start()
		c := b.process.Conn
		h.expectNext(c, "ready\r\n")
		io.WriteString(c, "no newline")
		must(h, c.CloseStdin())
		s := h.hear(c)
		h.expectText("terminal", s.stdout.String(), "no newlinedone\r\n")
	}},
	{"in raw mode the end of input types nothing", func(h *harness) {
		b := h.terminal("stty raw -echo; echo -n ready; head -c 1 | od -c | head -n 1")
		b.request.Attached = &everything
		b.create().start()
		c := b.process.Conn
		h.expectNext(c, "ready")
		must(h, c.CloseStdin())
		next := b.attach(ociruntime.AttachOptions{Stdin: true})
		io.WriteString(next, "x")
		s := h.hear(c)
		h.expectText("terminal", s.stdout.String(), "0000000   x\n")
	}},
	{"a terminal that nobody has open may be opened again", func(h *harness) {
		b := h.terminal("exec 3>/tmp/log 0<&- 1>&- 2>&-; sleep 0.3; exec 1>/dev/console; echo back")
		s := b.finish()
		h.expectText("terminal", s.stdout.String(), "back\r\n")
	}},
	{"the signal of the terminal's end does not reach the monitor", func(h *harness) {
		s := h.terminal("trap '' HUP; echo hello").finish()
		h.expectText("terminal", s.stdout.String(), "hello\r\n")
	}},
}

// terminal is a container with a terminal that runs a shell script.
func (h *harness) terminal(script string) *box {
	b := h.sh(script)
	b.request.Stdio = ociruntime.Stdio{Terminal: true, Stdin: true, Width: 80, Height: 24}
	return b
}
