// Package logs reads what a monitor wrote of a container's output: formats, selection by time and number, following across
// rotation. The monitor writes; nothing here does, but for the tests.
package logs

import "time"

// Line is one line of output, or a part of one.
type Line struct {
	Time   time.Time
	Stream string // stdout or stderr
	// Text is without the newline; Partial says that the line goes on in the next record of the stream.
	Text    []byte
	Partial bool
}
