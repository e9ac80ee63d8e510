package monitor

import (
	"bytes"
	"math/rand"
	"testing"
)

func TestIndexNewlineAgreesWithPackageBytes(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for range 100_000 {
		b := make([]byte, r.Intn(100), 128)
		for i := range b {
			b[i] = []byte{'\n', '\v', '\t', 0x8a, 0, 0xff, 'a'}[r.Intn(7)]
			if r.Intn(3) > 0 && b[i] == '\n' {
				b[i] = 'x'
			}
		}
		b = b[min(len(b), r.Intn(9)):]
		if got, want := indexNewline(b), bytes.IndexByte(b, '\n'); got != want {
			t.Fatalf("%q: got %d, expected %d", b, got, want)
		}
		if got, want := countLines(b), int64(bytes.Count(b, []byte{'\n'})); got != want {
			t.Fatalf("%q: got %d lines, expected %d", b, got, want)
		}
		if got, want := endOfLastLine(b), bytes.LastIndexByte(b, '\n')+1; got != want {
			t.Fatalf("%q: got %d, expected %d", b, got, want)
		}
	}
}

func BenchmarkIndexNewline(b *testing.B) {
	text := bytes.Repeat([]byte{'x'}, 1000)
	b.SetBytes(1000)
	for b.Loop() {
		indexNewline(text)
	}
}
