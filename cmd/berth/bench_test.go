package main

import (
	"io"
	"testing"
)

// What every start of the command pays for, whatever it is asked.
func BenchmarkNewRoot(b *testing.B) {
	for b.Loop() {
		newRoot(&app{out: io.Discard, err: io.Discard})
	}
}
