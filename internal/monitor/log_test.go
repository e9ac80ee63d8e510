package monitor

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func newLog(t testing.TB, o options) *log {
	t.Helper()
	if o.logPath == "" {
		o.logPath = filepath.Join(t.TempDir(), "log")
	}
	o.zone = "0"
	l := &log{}
	if err := l.open(&o); err != nil {
		t.Fatal(err)
	}
	return l
}

func contents(t testing.TB, l *log) string {
	t.Helper()
	b, err := os.ReadFile(l.path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// texts joins what a json-file log holds, by stream.
func texts(t testing.TB, log string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for line := range strings.Lines(log) {
		var r struct{ Log, Stream string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all[r.Stream] += r.Log
	}
	return all
}

func TestJSONLogKeepsCharactersThatAreCutByReads(t *testing.T) {
	const text = "aé€😀z\nπ"
	for _, size := range []int{1, 2, 3, 5} {
		l := newLog(t, options{logDriver: "json-file"})
		for rest := []byte(text); len(rest) > 0; {
			n := min(size, len(rest))
			l.write(stdout, rest[:n])
			l.writeBegun(stdout) // as if a moment had passed
			l.write(stderr, rest[:n])
			rest = rest[n:]
		}
		l.close()
		got := texts(t, contents(t, l))
		if got["stdout"] != text || got["stderr"] != text {
			t.Errorf("reads of %d bytes: got %q; expected %q", size, got, text)
		}
	}
}

func FuzzJSONLog(f *testing.F) {
	f.Add([]byte("plain\ntext"), 3)
	f.Add([]byte("\xff\xe2\x82\xac\x00\"\\\n\xe2\x82"), 1)
	f.Add([]byte(strings.Repeat("é", 20000)), 4096)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		size = max(size, len(text)/100+1)
		l := newLog(t, options{logDriver: "json-file"})
		for rest := text; len(rest) > 0; {
			n := min(size, len(rest))
			l.write(stdout, rest[:n])
			rest = rest[n:]
		}
		l.close()
		// Each byte that is not UTF-8 becomes U+FFFD, as in a conversion to runes.
		if got, want := texts(t, contents(t, l))["stdout"], string([]rune(string(text))); got != want {
			t.Errorf("%q in reads of %d: got %q; expected %q", text, size, got, want)
		}
	})
}

func FuzzCRILog(f *testing.F) {
	f.Add([]byte("a\n\nb"), 2)
	f.Add([]byte(strings.Repeat("x", 9000)+"\n"), 4096)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		size = max(size, len(text)/100+1)
		l := newLog(t, options{logDriver: "k8s-file"})
		for rest := text; len(rest) > 0; {
			n := min(size, len(rest))
			l.write(stdout, rest[:n])
			rest = rest[n:]
		}
		l.close()
		got := ""
		for line := range strings.Lines(contents(t, l)) {
			fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
			if len(fields) != 4 || len(fields[0]) != stampSize || fields[1] != "stdout" || len(fields[3]) > textSizeCRI {
				t.Fatalf("%q is not a record", line)
			}
			got += fields[3]
			if fields[2] == "F" {
				got += "\n"
			}
		}
		if got != string(text) {
			t.Errorf("%q in reads of %d: got %q", text, size, got)
		}
	})
}

func TestLinesWrittenInBlocksAreLoggedWhole(t *testing.T) {
	l := newLog(t, options{logDriver: "k8s-file"})
	for _, block := range []string{"one\ntw", "o\nth", "r", "ee\n"} {
		l.write(stdout, []byte(block))
	}
	l.close()
	got := contents(t, l)
	for _, want := range []string{" stdout F one\n", " stdout F two\n", " stdout F three\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("log is %q; expected %q in it", got, want)
		}
	}
}

func TestTheBeginningOfALineIsLoggedSoon(t *testing.T) {
	l := newLog(t, options{logDriver: "k8s-file"})
	l.write(stdout, []byte("password: "))
	left := l.flushBegun()
	if left <= 0 || left > partialPatience {
		t.Fatalf("it waits for %v; expected up to %v", time.Duration(left), time.Duration(partialPatience))
	}
	for left > 0 {
		time.Sleep(time.Duration(left))
		left = l.flushBegun()
	}
	if got := contents(t, l); !strings.HasSuffix(got, " stdout P password: \n") {
		t.Errorf("log is %q; expected a partial record", got)
	}
}

func TestRotationThatFailsKeepsTheFile(t *testing.T) {
	l := newLog(t, options{logDriver: "k8s-file", logMaxSize: 100, logMaxFiles: 2})
	if err := os.MkdirAll(l.path+".1/in-the-way", 0o700); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		l.write(stdout, []byte("a line\n"))
	}
	l.close()
	if got := strings.Count(contents(t, l), " a line\n"); got != 5 {
		t.Errorf("log has %d lines; expected 5", got)
	}
	if left, _ := filepath.Glob(l.path + "*"); len(left) != 2 {
		t.Errorf("files %q; expected the log and what was in the way", left)
	}
}

func TestStampsAreLocalTime(t *testing.T) {
	z, err := parseZone("3600,1774746000:7200,1792890000:3600")
	if err != nil {
		t.Fatal(err)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zone files") // the offsets themselves are tested below
	}
	for _, sec := range []int64{1767225600, 1774745999, 1774746000, 1792889999, 1792890000} {
		var b [stampSize]byte
		stamp(&b, sec, 123456789, z.at(sec))
		if want := time.Unix(sec, 123456789).In(berlin).Format("2006-01-02T15:04:05.000000000-07:00"); string(b[:]) != want {
			t.Errorf("got %s, expected %s", b, want)
		}
	}
}

func FuzzStamp(f *testing.F) {
	f.Add(int64(0), int64(0), 0)
	f.Add(int64(951782400), int64(999999999), -12600)
	f.Fuzz(func(t *testing.T, sec, nsec int64, offset int) {
		sec, nsec, offset = sec%250_000_000_000, max(0, nsec)%second, offset%50_000/60*60
		if sec < 0 {
			sec = -sec
		}
		want := time.Unix(sec, nsec).In(time.FixedZone("", offset)).Format("2006-01-02T15:04:05.000000000-07:00")
		if len(want) != stampSize {
			return // before the year 0 or after 9999
		}
		var b [stampSize]byte
		stamp(&b, sec, nsec, int64(offset))
		if string(b[:]) != want {
			t.Errorf("got %s, expected %s", b, want)
		}
	})
}

func FuzzParseZone(f *testing.F) {
	f.Add("3600,1774746000:7200")
	f.Add("")
	f.Add("-3600")
	f.Fuzz(func(t *testing.T, s string) {
		if z, err := parseZone(s); err == nil {
			z.at(1 << 40)
		}
	})
}

func FuzzParseOptions(f *testing.F) {
	f.Add("--id\x00x\x00--runtime\x00r\x00--run\x00d\x00--sync-fd\x003\x00--hold-fds\x004+2\x00--size\x0080x24\x00--\x00clean\x00up")
	f.Fuzz(func(t *testing.T, line string) {
		var o options
		if o.parse(strings.Split(line, "\x00")) == nil && (o.id == "" || o.highestFD() < 2) {
			t.Errorf("%q was taken as %+v", line, o)
		}
	})
}
