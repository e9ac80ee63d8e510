package monitor

import "unsafe"

// Package bytes would do all this, but it brings package unicode, whose initialization costs each monitor 45 KB.

// indexNewline returns the index of the first newline, -1 for none. It looks at 32 bytes in one step.
func indexNewline(b []byte) int {
	i := 0
	for start := unsafe.Pointer(unsafe.SliceData(b)); i+32 <= len(b); i += 32 {
		w := (*[4]uint64)(unsafe.Add(start, i))
		if hasNewline(w[0])|hasNewline(w[1])|hasNewline(w[2])|hasNewline(w[3]) != 0 {
			break
		}
	}
	for ; i < len(b); i++ {
		if b[i] == '\n' {
			return i
		}
	}
	return -1
}

// hasNewline is not zero if one of the eight bytes of w is a newline: in the exclusive or with a word of newlines such a byte is
// zero, and subtracting one from each byte borrows into the high bit of the first that is zero.
func hasNewline(w uint64) uint64 {
	const (
		newlines = 0x0a0a0a0a0a0a0a0a
		ones     = 0x0101010101010101
		highs    = 0x8080808080808080
	)
	w ^= newlines
	return (w - ones) &^ w & highs
}

// endOfLastLine returns the length of b without the beginning of a line at its end.
func endOfLastLine(b []byte) int {
	n := len(b)
	for n > 0 && b[n-1] != '\n' {
		n--
	}
	return n
}

func countLines(b []byte) (n int64) {
	for _, c := range b {
		if c == '\n' {
			n++
		}
	}
	return n
}
