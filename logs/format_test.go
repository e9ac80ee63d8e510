package logs

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestClockReadsWhatRFC3339Allows(t *testing.T) {
	var c clock
	for _, s := range []string{
		"2016-10-06T00:17:09.669794202Z", "2016-10-06T00:17:09Z", "2016-10-06T00:17:10.5Z", "2024-02-29T23:59:59.000000001+02:00",
		"2016-10-06T02:17:09.6-07:30", "1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z",
	} {
		want, err := time.Parse(time.RFC3339Nano, s)
		must(t, err)
		if got, ok := c.parse([]byte(s)); !ok || !got.Equal(want) {
			t.Errorf("%s: expected %v, got %v, %v", s, want, got, ok)
		}
	}
	for _, s := range []string{
		"", "Z", "2016-10-06T00:17:09", "2016-10-06T00:17:60Z", "2016-13-06T00:17:09Z", "2016-10-06T00:17:09.Z", "2016-10-06 00:17:09Z",
		"2016-10-06T00:17:09+0200", "2016-10-06T00:17:09.1", "2023-02-29T00:00:00Z", "2016-10-06T00:17:0xZ", "2016-10-06T00:17:09+02:0x",
	} {
		if got, ok := c.parse([]byte(s)); ok {
			t.Errorf("%q: expected it to be refused, got %v", s, got)
		}
	}
}

func TestK8sFileReadsFurtherTagsAndEmptyText(t *testing.T) {
	const at = "2016-10-06T00:17:09.669794202Z "
	for record, want := range map[string]string{
		at + "stdout F text":      "text",
		at + "stdout F ":          "",
		at + "stdout F":           "",
		at + "stdout F:a:b text":  "text",
		at + "stderr F  indented": " indented",
		at + "stderr F a\rb":      "a\rb",
	} {
		var p k8sParser
		var l Line
		if !p.parse([]byte(record), &l) || string(l.Text) != want || l.Partial {
			t.Errorf("%q: expected %q, got %+v", record, want, l)
		}
	}
	for _, record := range []string{
		"", "x", at, at + "stdout", at + "stdin_ F x", at + "stdout X x", at + "stdout Fx", at + "stdoutF x", "stdout F x",
	} {
		var p k8sParser
		var l Line
		if p.parse([]byte(record), &l) {
			t.Errorf("%q: expected it to be refused, got %+v", record, l)
		}
	}
}

func TestJSONFileReadsAnyOrderOfKeys(t *testing.T) {
	const stamp = `"time":"2016-10-06T00:17:09Z"`
	for record, want := range map[string]string{
		`{"log":"a\n","stream":"stdout",` + stamp + `}`:                                 "a",
		`{"stream":"stdout",` + stamp + `,"log":"a\n"}`:                                 "a",
		`{"log":"a\n","stream":"stdout","attrs":{"tag":"x"},` + stamp + `}`:             "a",
		`{"log":"\u003c\ud83c\udf89\u00e9\\\"\/\t\n","stream":"stdout",` + stamp + `}`:  "<🎉é\\\"/\t",
		`{"log":"lone \ud83c surrogate\n","stream":"stdout",` + stamp + `}`:             "lone � surrogate",
		`{"log": "spaced\n", "stream": "stdout", "time": "2016-10-06T00:17:09.000Z"  }`: "spaced",
	} {
		var p jsonParser
		var l Line
		if !p.parse([]byte(record), &l) || string(l.Text) != want || l.Partial {
			t.Errorf("%s: expected %q, got %q, %+v", record, want, l.Text, l)
		}
	}
}

// FuzzJSONFile: what is read by hand is what encoding/json reads.
func FuzzJSONFile(f *testing.F) {
	f.Add(`{"log":"a\u003c\n","stream":"stdout","time":"2016-10-06T00:17:09.669794202Z"}`)
	f.Add(`{"log":"\ud83c\udf89","stream":"stderr","time":"2016-10-06T00:17:09+01:00"}`)
	f.Add(`{"log":"a"b","stream":"stderr","time":"2016-10-06T00:17:09+01:00"}`)
	f.Fuzz(func(t *testing.T, record string) {
		var p jsonParser
		var l Line
		ok := p.parse([]byte(record), &l)
		var v struct{ Log, Stream, Time string }
		if json.Unmarshal([]byte(record), &v) != nil || !ok {
			return // the quick way may take what JSON does not, such as a control character
		}
		want := strings.TrimSuffix(v.Log, "\n")
		if string(l.Text) != want && strings.ToValidUTF8(string(l.Text), "\ufffd") != want || l.Stream != v.Stream {
			t.Errorf("%q: expected %q of %s, got %q of %s", record, want, v.Stream, l.Text, l.Stream)
		}
	})
}

func FuzzK8sFile(f *testing.F) {
	f.Add("2016-10-06T00:17:09.669794202Z stdout F:x text")
	f.Add("2016-10-06T00:17:09Z stderr P ")
	f.Fuzz(func(t *testing.T, record string) {
		var p k8sParser
		var l Line
		if !p.parse([]byte(record), &l) {
			return
		}
		var again Line
		line := strings.TrimSuffix(encode("k8s-file", l), "\n")
		if l.Time.Year() < 0 || l.Time.Year() > 9999 {
			return
		}
		if !p.parse([]byte(line), &again) || show(again) != show(l) {
			t.Errorf("%q: expected %s again, got %s", record, show(l), show(again))
		}
	})
}

func FuzzClock(f *testing.F) {
	f.Add("2016-10-06T00:17:09.669794202Z")
	f.Fuzz(func(t *testing.T, s string) {
		var c clock
		got, ok := c.parse([]byte(s))
		want, err := time.Parse(time.RFC3339Nano, s)
		if ok && err == nil && !got.Equal(want) {
			t.Errorf("%q: expected %v, got %v", s, want, got)
		}
	})
}

// FuzzTail: reading backwards ends, and gives an end of what reading forwards gives.
func FuzzTail(f *testing.F) {
	good := encode("k8s-file", Line{Time: epoch, Stream: Stdout, Text: []byte("x")})
	f.Add(good+"junk\n"+good, 1)
	f.Fuzz(func(t *testing.T, data string, n int) {
		path := filepath.Join(t.TempDir(), "log")
		must(t, os.WriteFile(path, []byte(data), 0o600))
		all := collect(t, Options{Driver: "k8s-file", Path: path, Tail: -1})
		some := collect(t, Options{Driver: "k8s-file", Path: path, Tail: max(n, 0)})
		if len(some) > len(all) || n > len(all) && len(some) != len(all) {
			t.Errorf("tail %d of %d lines: got %d", n, len(all), len(some))
		}
	})
}

func BenchmarkRead(b *testing.B) {
	for _, driver := range []string{"k8s-file", "json-file"} {
		for _, width := range []int{20, 100, 1000} {
			b.Run(fmt.Sprintf("%s/%d", driver, width), func(b *testing.B) {
				var text strings.Builder
				for i := 0; text.Len() < 32<<20; i++ {
					text.WriteString(encode(driver, Line{
						Time: epoch.Add(time.Duration(i) * 10 * time.Microsecond), Stream: Stdout, Text: []byte(strings.Repeat("x", width)),
					}))
				}
				path := filepath.Join(b.TempDir(), "log")
				must(b, os.WriteFile(path, []byte(text.String()), 0o600))
				b.SetBytes(int64(text.Len()))
				for b.Loop() {
					must(b, Read(b.Context(), Options{Driver: driver, Path: path, Tail: -1}, func(Line) error { return nil }))
				}
			})
		}
	}
}
