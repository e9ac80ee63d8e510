package logs

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-engine/berth/errdefs"
)

var epoch = time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)

// encode writes a line as a monitor does.
func encode(driver string, l Line) string {
	stamp := l.Time.Format("2006-01-02T15:04:05.000000000Z07:00")
	if driver == "k8s-file" {
		tag := "F"
		if l.Partial {
			tag = "P"
		}
		return fmt.Sprintf("%s %s %s %s\n", stamp, l.Stream, tag, l.Text)
	}
	text := string(l.Text)
	if !l.Partial {
		text += "\n"
	}
	log, _ := json.Marshal(text)
	return fmt.Sprintf(`{"log":%s,"stream":%q,"time":%q}`+"\n", log, l.Stream, stamp)
}

// show is a line in one word, for comparing.
func show(l Line) string {
	return fmt.Sprintf("%s/%s/%v/%q", l.Time.Format(time.RFC3339Nano), l.Stream, l.Partial, l.Text)
}

func collect(t testing.TB, o Options) []string {
	t.Helper()
	var out []string
	err := Read(t.Context(), o, func(l Line) error {
		out = append(out, show(l))
		return nil
	})
	must(t, err)
	return out
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t testing.TB, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	for i := range max(len(got), len(want)) {
		var g, w string
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Fatalf("%s: expected %d lines, got %d; line %d: expected %.200s, got %.200s", what, len(want), len(got), i, w, g)
		}
	}
}

// randomLines are lines of both streams, some in parts that interleave with the other stream.
func randomLines(rng *rand.Rand, n int) []Line {
	texts := []string{"", "plain", "with \"quotes\" and \\", "tab\tand <html> & é 漢 🎉", strings.Repeat("long ", 3000), "{\"log\":\"x\"}"}
	var out []Line
	for i := range n {
		out = append(out, Line{
			Time:   epoch.Add(time.Duration(i) * time.Millisecond),
			Stream: []string{Stdout, Stderr}[rng.IntN(2)], Text: []byte(texts[rng.IntN(len(texts))]), Partial: rng.IntN(4) == 0,
		})
	}
	return out
}

// writeRotated spreads records over files, oldest first, the older ones compressed if asked for.
func writeRotated(t testing.TB, driver string, lines []Line, nfiles int, gz bool) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ctr.log")
	per := (len(lines) + nfiles - 1) / nfiles
	for i := range nfiles {
		part := lines[min(i*per, len(lines)):min((i+1)*per, len(lines))]
		var b strings.Builder
		for _, l := range part {
			b.WriteString(encode(driver, l))
		}
		age := nfiles - 1 - i
		name := path
		if age > 0 {
			name = fmt.Sprintf("%s.%d", path, age)
		}
		if gz && age > 1 {
			writeGzip(t, name+".gz", b.String())
			continue
		}
		must(t, os.WriteFile(name, []byte(b.String()), 0o600))
	}
	return path
}

func writeGzip(t testing.TB, name, text string) {
	t.Helper()
	f, err := os.Create(name)
	must(t, err)
	z := gzip.NewWriter(f)
	_, err = io.WriteString(z, text)
	must(t, err)
	must(t, z.Close())
	must(t, f.Close())
}

// wantTail is what Tail means, from the front: the records of the last n lines, where a line is all its parts.
func wantTail(lines []Line, n int) []string {
	id := make([]int, len(lines)) // which line a record is of
	current := map[string]int{}
	lastRecord := map[int]int{}
	next := 0
	for i, l := range lines {
		if _, ok := current[l.Stream]; !ok {
			current[l.Stream] = next
			next++
		}
		id[i] = current[l.Stream]
		lastRecord[id[i]] = i
		if !l.Partial {
			delete(current, l.Stream)
		}
	}
	var ends []int
	for _, i := range lastRecord {
		ends = append(ends, i)
	}
	slices.Sort(ends)
	ends = ends[max(0, len(ends)-n):]
	var out []string
	for i, l := range lines {
		if slices.Contains(ends, lastRecord[id[i]]) {
			out = append(out, show(l))
		}
	}
	return out
}

func TestReadTailAndRangeOverRotatedFiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, driver := range []string{"k8s-file", "json-file"} {
		for _, nfiles := range []int{1, 4} {
			lines := randomLines(rng, 60)
			path := writeRotated(t, driver, lines, nfiles, nfiles > 1)
			var all []string
			for _, l := range lines {
				all = append(all, show(l))
			}
			what := fmt.Sprintf("%s, %d files", driver, nfiles)
			equal(t, what, collect(t, Options{Driver: driver, Path: path, Tail: -1}), all)
			equal(t, what+", since and until", collect(t, Options{Driver: driver, Path: path, Tail: -1,
				Since: lines[10].Time, Until: lines[40].Time}), all[10:41])
			for n := range 65 {
				equal(t, fmt.Sprintf("%s, tail %d", what, n),
					collect(t, Options{Driver: driver, Path: path, Tail: n}), wantTail(lines, n))
			}
		}
	}
}

func TestTailReadsOnlyTheEndOfALargeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f, err := os.Create(path)
	must(t, err)
	// 1 TiB of nothing first: reading it would not end.
	last := "\n" + encode("k8s-file", Line{Time: epoch, Stream: Stdout, Text: []byte("a")}) +
		encode("k8s-file", Line{Time: epoch, Stream: Stdout, Text: []byte("b")})
	_, err = f.WriteAt([]byte(last), 1<<40)
	must(t, err)
	must(t, f.Close())
	got := collect(t, Options{Driver: "k8s-file", Path: path, Tail: 1})
	equal(t, "tail 1", got, []string{show(Line{Time: epoch, Stream: Stdout, Text: []byte("b")})})
}

func TestMalformedAndTornRecordsAreSkipped(t *testing.T) {
	good := encode("k8s-file", Line{Time: epoch, Stream: Stdout, Text: []byte("good")})
	path := filepath.Join(t.TempDir(), "log")
	torn := good[:len(good)-3]
	must(t, os.WriteFile(path, []byte("junk\n\x00\x00\x00\n"+good+"2026-02-03T04:05:06Z stdout X what\n"+good+torn), 0o600))
	want := show(Line{Time: epoch, Stream: Stdout, Text: []byte("good")})
	// A record without a newline may be about to be written, unless nothing is written any more.
	equal(t, "running", collect(t, Options{Driver: "k8s-file", Path: path, Tail: -1}), []string{want, want})
	done := make(chan struct{})
	close(done)
	equal(t, "ended", collect(t, Options{Driver: "k8s-file", Path: path, Tail: -1, Done: done}),
		[]string{want, want, show(Line{Time: epoch, Stream: Stdout, Text: []byte("go")})})
}

func TestRecordsAboveTheBoundAreSkippedAndTheNextIsRead(t *testing.T) {
	good := encode("json-file", Line{Time: epoch, Stream: Stderr, Text: []byte("good")})
	for _, size := range []int{chunk - 1, chunk, 3 * chunk, maxRecord - 100, maxRecord + 1, 2*maxRecord + 7} {
		long := Line{Time: epoch, Stream: Stdout, Text: []byte(strings.Repeat("x", size))}
		path := filepath.Join(t.TempDir(), "log")
		must(t, os.WriteFile(path, []byte(encode("json-file", long)+good), 0o600))
		n := len(collect(t, Options{Driver: "json-file", Path: path, Tail: -1}))
		want := 2
		if size > maxRecord {
			want = 1
		}
		if n != want {
			t.Errorf("a record of %d bytes and one more: expected %d, got %d", size, want, n)
		}
		if n := len(collect(t, Options{Driver: "json-file", Path: path, Tail: 1})); n != 1 {
			t.Errorf("tail 1 behind a record of %d bytes: expected 1, got %d", size, n)
		}
	}
}

func TestJoinMakesOneLineOfItsParts(t *testing.T) {
	lines := []Line{
		{Stream: Stdout, Text: []byte("a"), Partial: true}, {Stream: Stderr, Text: []byte("x"), Partial: true},
		{Stream: Stdout, Text: []byte("b")}, {Stream: Stdout, Text: []byte("c")}, {Stream: Stdout, Text: []byte("d"), Partial: true},
		{Stream: Stderr, Text: []byte("y"), Partial: true},
	}
	path := filepath.Join(t.TempDir(), "log")
	var b strings.Builder
	for i := range lines {
		lines[i].Time = epoch
		b.WriteString(encode("k8s-file", lines[i]))
	}
	must(t, os.WriteFile(path, []byte(b.String()), 0o600))
	want := []string{
		show(Line{Time: epoch, Stream: Stdout, Text: []byte("ab")}), show(Line{Time: epoch, Stream: Stdout, Text: []byte("c")}),
		show(Line{Time: epoch, Stream: Stdout, Text: []byte("d"), Partial: true}),
		show(Line{Time: epoch, Stream: Stderr, Text: []byte("xy"), Partial: true}),
	}
	equal(t, "joined", collect(t, Options{Driver: "k8s-file", Path: path, Tail: -1, Join: true}), want)
}

func TestReadErrorsAreClassed(t *testing.T) {
	nothing := func(Line) error { return nil }
	for driver, want := range map[string]error{"none": errdefs.ErrNotImplemented, "x": errdefs.ErrInvalidArgument} {
		if err := Read(t.Context(), Options{Driver: driver, Path: "/x"}, nothing); !errors.Is(err, want) {
			t.Errorf("driver %s: expected %v, got %v", driver, want, err)
		}
	}
	gone := filepath.Join(t.TempDir(), "gone", "log")
	if err := Read(t.Context(), Options{Driver: "k8s-file", Path: gone, Tail: -1}, nothing); err != nil {
		t.Errorf("a log that does not exist: expected nothing, got %v", err)
	}
	err := Read(t.Context(), Options{Driver: "k8s-file", Path: gone, Tail: -1, Follow: true}, nothing)
	if !errors.Is(err, errdefs.ErrNotFound) {
		t.Errorf("following in a directory that does not exist: expected ErrNotFound, got %v", err)
	}
	path := writeRotated(t, "k8s-file", randomLines(rand.New(rand.NewPCG(1, 1)), 3), 1, false)
	stop := errors.New("my own")
	if err := Read(t.Context(), Options{Driver: "k8s-file", Path: path, Tail: -1}, func(Line) error { return stop }); err != stop {
		t.Errorf("an error of the callback: expected it back, got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Read(ctx, Options{Driver: "k8s-file", Path: path, Tail: -1, Follow: true}, nothing); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled context: expected its error, got %v", err)
	}
}
