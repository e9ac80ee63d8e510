package main

import (
	"io"
	"sync"
	"time"
)

const (
	// sinkSize is how much output is gathered before it is written, in bytes.
	sinkSize = 64 << 10
	// sinkDelay is how long a line waits for others to be written with: not so long that a person would see it.
	sinkDelay = 2 * time.Millisecond
)

// lineSink gathers lines, so that a log of millions takes thousands of writes. What goes to the two streams stays in order.
type lineSink struct {
	sync.Mutex
	pending []byte
	to      io.Writer
	timer   *time.Timer
	failed  error
}

// write takes a line for the stream to. The caller holds the lock. The error may be an earlier line's.
func (s *lineSink) write(to io.Writer, line []byte) error {
	if s.to != to || len(s.pending)+len(line) > sinkSize {
		s.flush()
	}
	s.to = to
	if len(s.pending) == 0 {
		if s.timer == nil {
			s.timer = time.AfterFunc(sinkDelay, s.late)
		} else {
			s.timer.Reset(sinkDelay)
		}
	}
	s.pending = append(s.pending, line...)
	return s.failed
}

func (s *lineSink) late() {
	s.Lock()
	defer s.Unlock()
	s.flush()
}

// flush writes what is pending and returns the first error there was. The caller holds the lock.
func (s *lineSink) flush() error {
	if len(s.pending) > 0 && s.failed == nil {
		_, s.failed = s.to.Write(s.pending)
	}
	s.pending = s.pending[:0]
	return s.failed
}
