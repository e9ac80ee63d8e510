package runtimetest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/berth-engine/berth/ociruntime"
)

var logTests = []test{
	{"k8s-file has each line with time, stream and mark", func(h *harness) {
		b := h.logged("k8s-file", "echo out; sleep 0.05; echo err >&2; sleep 0.05; echo -n part")
		before := time.Now().Add(-time.Second)
		b.finish()
		lines := b.logLines("")
		want := []string{"stdout F out", "stderr F err", "stdout P part"}
		if len(lines) != len(want) {
			h.Fatalf("log is %q; expected lines like %q", lines, want)
		}
		for i, line := range lines {
			stamp, rest, _ := strings.Cut(line, " ")
			at, err := time.Parse(time.RFC3339Nano, stamp)
			if err != nil || at.Before(before) || at.After(time.Now()) {
				h.Errorf("time %q is not the present (%v)", stamp, err)
			}
			if _, offset := at.Zone(); offset != localOffset(at) || !regexp.MustCompile(`\.\d{9}[+-]\d\d:\d\d$`).MatchString(stamp) {
				h.Errorf("time %q is not local time as conmon writes it", stamp)
			}
			h.expectText("log line", rest, want[i])
		}
	}},
	{"json-file is Docker's", func(h *harness) {
		b := h.logged("json-file", `printf 'q"\\\tü\001\377\n'; sleep 0.05; printf part`)
		b.request.Log.Tag = "a tag"
		b.finish()
		lines := b.logLines("")
		want := []string{"q\"\\\tü\x01\ufffd\n", "part"}
		if len(lines) != len(want) {
			h.Fatalf("log is %q; expected %q", lines, want)
		}
		for i, line := range lines {
			var got struct {
				Log, Stream string
				Time        time.Time
				Attrs       map[string]string
			}
			if err := json.Unmarshal([]byte(line), &got); err != nil {
				h.Fatalf("%q: %v", line, err)
			}
			h.expectText("text", got.Log, want[i])
			h.expectText("stream", got.Stream, "stdout")
			h.expectText("tag", got.Attrs["tag"], "a tag")
			if got.Time.Location() != time.UTC || time.Since(got.Time) > patience {
				h.Errorf("time %v is not the present in UTC", got.Time)
			}
		}
	}},
	{"100 MB and exit at once is logged to the last byte", func(h *harness) {
		b := h.logged("k8s-file", "head -c 104857600 /dev/zero; echo -n end").start()
		h.hear(b.attach(waitOnly))
		n, text := b.logText("")
		if n != hundredMB+3 || text != "end" {
			h.Errorf("log holds %d bytes ending in %q; expected %d ending in \"end\"", n, text, hundredMB+3)
		}
	}},
	{"the log is whole when the exit is told", func(h *harness) {
		b := h.logged("k8s-file", "seq 1 20000")
		b.create()
		c := b.attach(waitOnly)
		b.start()
		h.hear(c)
		if n, tail := b.logText(""); n != 108894 || tail != "000" {
			h.Errorf("log has %d bytes of text ending in %q; expected 108894 ending in \"000\"", n, tail)
		}
	}},
	{"lines longer than a record become parts", func(h *harness) {
		b := h.logged("k8s-file", "head -c 20000 /dev/zero | tr '\\0' x; echo")
		b.finish()
		text := ""
		for _, line := range b.logLines("") {
			if len(line) > 8<<10+64 {
				h.Errorf("a record has %d bytes; expected 8 KiB of text at most", len(line))
			}
			fields := strings.SplitN(line, " ", 4)
			text += fields[3]
			if fields[2] == "F" {
				text += "\n"
			}
		}
		h.expectText("text", text, strings.Repeat("x", 20000)+"\n")
	}},
	{"rotation by size loses and tears no line", func(h *harness) {
		b := h.logged("k8s-file", "seq 1 5000")
		b.request.Log.MaxSize, b.request.Log.MaxFiles = 50_000, 10
		b.finish()
		next, begun := 1, ""
		for i := 9; i >= 0; i-- {
			suffix := ""
			if i > 0 {
				suffix = "." + strconv.Itoa(i)
			}
			info, err := os.Stat(b.request.Log.Path + suffix)
			if err != nil {
				continue
			}
			if info.Size() > 50_000 {
				h.Errorf("file %d has %d bytes; expected 50000 at most", i, info.Size())
			}
			for _, line := range b.logLines(suffix) {
				fields := strings.SplitN(line, " ", 4)
				begun += fields[3]
				if fields[2] == "P" {
					continue // its end came late: the machine is busy
				}
				if begun != strconv.Itoa(next) {
					h.Fatalf("line %q ends in file %d; expected %d", begun, i, next)
				}
				begun = ""
				next++
			}
		}
		if next != 5001 {
			h.Errorf("lines up to %d are there; expected 5000", next-1)
		}
	}},
	{"rotation keeps as many files as asked for", func(h *harness) {
		for _, files := range []int{1, 3} {
			b := h.logged("json-file", "seq 1 2000")
			b.request.Log.MaxSize, b.request.Log.MaxFiles = 5_000, files
			b.finish()
			found, _ := filepath.Glob(b.request.Log.Path + "*")
			if len(found) != files {
				h.Errorf("files %q; expected %d", found, files)
			}
			lines := b.logLines("")
			if last := lines[len(lines)-1]; !strings.Contains(last, `"2000\n"`) {
				h.Errorf("last line is %q; expected 2000", last)
			}
		}
	}},
	{"a full disk stops neither process nor monitor, and is told of", func(h *harness) {
		disk := h.smallDisk(256 << 10)
		b := h.logged("k8s-file", "seq 1 20000; cat; echo after; exit 5")
		b.request.Log.Path = filepath.Join(disk, "log")
		b.request.Stdio.Stdin = true
		b.request.Attached = &everything
		must(h, os.WriteFile(filepath.Join(disk, "ballast"), make([]byte, 128<<10), 0o600))
		b.create().start()
		for got := 0; got < 108894; {
			m, err := b.process.Conn.Next()
			must(h, err)
			got += len(m.Data)
		}
		must(h, os.Remove(filepath.Join(disk, "ballast")))
		must(h, b.process.Conn.CloseStdin())
		h.expectExit(h.hear(b.process.Conn).exit, 5, 0, false)
		lines := b.logLines("")
		whole, told, lost := 0, -1, 0
		for i, line := range lines {
			fields := strings.SplitN(line, " ", 4)
			if len(fields) != 4 || len(fields[0]) != len("2006-01-02T15:04:05.000000000+00:00") {
				h.Fatalf("line %d is torn: %q", i, line)
			}
			if fmt.Sscanf(fields[3], "berth-monitor: %d lines of output were lost: no space left on device", &lost); lost > 0 && told < 0 {
				told = i
				continue
			}
			if fields[3] != "after" {
				whole++
			}
		}
		// On a busy machine a few lines may be in two parts.
		if told < 0 || whole+lost < 20000 || whole+lost > 20100 || !strings.HasSuffix(lines[len(lines)-1], " stdout F after") {
			h.Errorf("log has %d lines, tells of %d lost, and ends with %q; expected 20000 together, and the line after", whole, lost, lines[len(lines)-1])
		}
	}},
}

func localOffset(t time.Time) int {
	_, offset := t.Local().Zone()
	return offset
}

// logged is a container with a log that runs a shell script.
func (h *harness) logged(driver, script string) *box {
	b := h.sh(script)
	b.request.Log = ociruntime.LogConfig{Driver: driver, Path: filepath.Join(h.root, b.id+".log")}
	return b
}

func (b *box) logLines(suffix string) []string {
	b.Helper()
	text, err := os.ReadFile(b.request.Log.Path + suffix)
	must(b, err)
	if len(text) == 0 || text[len(text)-1] != '\n' {
		b.Fatalf("log%s does not end with a newline", suffix)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// logText joins the text of a k8s-file log, and returns its length and its last three bytes.
func (b *box) logText(suffix string) (n int, tail string) {
	b.Helper()
	for _, line := range b.logLines(suffix) {
		fields := strings.SplitN(line, " ", 4)
		n += len(fields[3])
		if fields[2] == "F" {
			n++
		}
		tail += fields[3][max(0, len(fields[3])-3):]
		tail = tail[max(0, len(tail)-3):]
	}
	return n, tail
}
