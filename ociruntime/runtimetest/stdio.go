package runtimetest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/berth-engine/berth/ociruntime"
)

// hundredMB of output, so that no buffer between the process and the client can hold it.
const hundredMB = 100 << 20

var stdioTests = []test{
	{"output of both streams arrives", func(h *harness) {
		s := h.sh("echo out; echo err >&2; exit 5").finish()
		h.expectText("stdout", s.stdout.String(), "out\n")
		h.expectText("stderr", s.stderr.String(), "err\n")
		h.expectExit(s.exit, 5, 0, false)
	}},
	{"100 MB and exit at once arrives to the last byte", func(h *harness) {
		b := h.sh("head -c 104857600 /dev/zero | tr '\\0' 'x'; echo -n end")
		b.spec.Process.Env = append(b.spec.Process.Env, "PATH=/bin")
		b.request.Attached = &all
		b.create().start()
		n, tail, exit := count(h, b.process.Conn)
		if n != hundredMB+3 || tail != "end" {
			h.Errorf("got %d bytes ending in %q; expected %d ending in \"end\"", n, tail, hundredMB+3)
		}
		h.expectExit(exit, 0, 0, false)
	}},
	{"50 readers each get every byte", func(h *harness) {
		b := h.sh("head -c 10485760 /dev/zero; echo -n end")
		b.create()
		const readers = 50
		var conns []ociruntime.Conn
		for range readers {
			conns = append(conns, b.attach(ociruntime.AttachOptions{Stdout: true}))
		}
		b.start()
		var wg sync.WaitGroup
		for i, c := range conns {
			wg.Go(func() {
				n, tail, _ := count(h, c)
				if n != 10<<20+3 || tail != "end" {
					h.Errorf("reader %d got %d bytes ending in %q; expected %d ending in \"end\"", i, n, tail, 10<<20+3)
				}
			})
		}
		wg.Wait()
	}},
	{"without stdin it is /dev/null", func(h *harness) {
		s := h.sh("cat; ls -l /proc/self/fd/0 | sed 's/.*-> //'").finish()
		h.expectText("stdout", s.stdout.String(), "/dev/null\n")
	}},
	{"stdin arrives and ends", func(h *harness) {
		b := h.box("/bin/cat")
		b.request.Stdio = ociruntime.Stdio{Stdin: true, StdinOnce: true}
		b.request.Attached = &everything
		b.create().start()
		c := b.process.Conn
		text := strings.Repeat("0123456789abcdef", 1<<18)
		go func() {
			io.WriteString(c, text)
			c.CloseStdin()
		}()
		s := h.hear(c)
		if s.stdout.String() != text {
			h.Errorf("got %d bytes back; expected the %d that were sent", s.stdout.Len(), len(text))
		}
		h.expectExit(s.exit, 0, 0, false)
	}},
	{"stdin ends for a client that leaves, once", func(h *harness) {
		b := h.box("/bin/cat")
		b.request.Stdio = ociruntime.Stdio{Stdin: true, StdinOnce: true}
		b.create().start()
		reader := b.attach(all)
		writer := b.attach(ociruntime.AttachOptions{Stdin: true})
		io.WriteString(writer, "last words")
		writer.Close()
		s := h.hear(reader)
		h.expectText("stdout", s.stdout.String(), "last words")
	}},
	{"stdin stays open for the next client", func(h *harness) {
		b := h.box("/bin/cat")
		b.request.Stdio = ociruntime.Stdio{Stdin: true}
		b.create().start()
		reader := b.attach(all)
		for _, word := range []string{"one ", "two "} {
			writer := b.attach(ociruntime.AttachOptions{Stdin: true})
			io.WriteString(writer, word)
			writer.Close()
			h.expectNext(reader, word)
		}
		last := b.attach(ociruntime.AttachOptions{Stdin: true})
		io.WriteString(last, "three")
		must(h, last.CloseStdin())
		s := h.hear(reader)
		h.expectText("stdout", s.stdout.String(), "three")
	}},
	{"a process that does not read holds up nothing but stdin", func(h *harness) {
		b := h.sh("echo started; sleep 0.2; echo still here; exec sleep 0.2")
		b.request.Stdio = ociruntime.Stdio{Stdin: true}
		b.request.Attached = &everything
		b.create().start()
		c := b.process.Conn
		written := make(chan error, 1)
		go func() {
			_, err := c.Write(make([]byte, 8<<20))
			written <- err
		}()
		s := h.hear(c)
		h.expectText("stdout", s.stdout.String(), "started\nstill here\n")
		if err := <-written; !errors.Is(err, io.ErrClosedPipe) {
			h.Errorf("writing to a process that ended gave %v; expected io.ErrClosedPipe", err)
		}
	}},
	{"a process that closes its stdin tells the writer", func(h *harness) {
		b := h.sh("exec <&-; sleep 1000")
		b.request.Stdio = ociruntime.Stdio{Stdin: true}
		b.request.Attached = &everything
		b.create().start()
		h.eventually("the writer is told", func() bool {
			_, err := b.process.Conn.Write([]byte("x"))
			return errors.Is(err, io.ErrClosedPipe)
		})
	}},
	{"passed-through streams are the process's own", func(h *harness) {
		r, w, err := os.Pipe()
		must(h, err)
		defer r.Close()
		null, err := os.Open("/dev/null")
		must(h, err)
		defer null.Close()
		b := h.sh("echo out; echo err >&2; exit 4")
		b.request.Stdio.Passthrough = []*os.File{null, w, w}
		b.request.Attached = &waitOnly
		b.create()
		w.Close()
		b.start()
		text, err := io.ReadAll(r)
		must(h, err)
		h.expectText("pipe", string(text), "out\nerr\n")
		h.expectExit(h.hear(b.process.Conn).exit, 4, 0, false)
	}},
	{"passed-through streams cannot be attached to", func(h *harness) {
		null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
		must(h, err)
		defer null.Close()
		b := h.box("/bin/sleep", "1000")
		b.request.Stdio.Passthrough = []*os.File{null, null, null}
		b.create().start()
		if c, err := h.runtime.Attach(h.ctx, b.run, all); err == nil {
			c.Close()
			h.Error("attached; expected an error")
		}
	}},
	{"nothing but the asked-for descriptors reach the process", func(h *harness) {
		r, w, err := os.Pipe()
		must(h, err)
		defer r.Close()
		defer w.Close()
		b := h.sh("ls /proc/self/fd | tr '\\n' ' '; echo from the extra file >&3")
		b.request.ExtraFiles = []*os.File{w}
		b.request.Hold = []*os.File{r}
		s := b.finish()
		// 0, 1, 2, the extra file, and the one that ls has open.
		h.expectText("descriptors", s.stdout.String(), "0 1 2 3 4 ")
		w.Close()
		text, err := io.ReadAll(r)
		must(h, err)
		h.expectText("extra file", string(text), "from the extra file\n")
	}},
	{"the caller's stray descriptors stay with the caller", func(h *harness) {
		stray, err := os.Open("/dev/null")
		must(h, err)
		defer stray.Close()
		must(h, inheritable(stray))
		s := h.sh("ls /proc/self/fd | tr '\\n' ' '").finish()
		h.expectText("descriptors", s.stdout.String(), "0 1 2 3 ")
	}},
}

// count reads a connection to its end, as 100 MB are better not kept.
func count(h *harness, c ociruntime.Conn) (n int, tail string, exit *ociruntime.ExitRecord) {
	var last []byte
	for {
		m, err := c.Next()
		switch {
		case err != nil:
			if !errors.Is(err, io.EOF) {
				h.Errorf("connection ended by %v after %d bytes", err, n)
			}
			return n, string(last), exit
		case m.Stream == ociruntime.Exited:
			exit = m.Exit
		default:
			n += len(m.Data)
			last = append(last, m.Data...)
			last = bytes.Clone(last[max(0, len(last)-3):])
		}
	}
}

func (h *harness) expectText(what, got, want string) {
	h.Helper()
	if got != want {
		h.Errorf("%s: got %q; expected %q", what, clip(got), clip(want))
	}
}

// expectNext reads output until it is all there, and compares.
func (h *harness) expectNext(c ociruntime.Conn, want string) {
	h.Helper()
	got := ""
	for len(got) < len(want) {
		m, err := c.Next()
		if err != nil {
			h.Fatalf("after %q: %v; expected %q", got, err, want)
		}
		got += string(m.Data)
	}
	if got != want {
		h.Fatalf("got %q; expected %q", got, want)
	}
}
