package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// countingWriter counts the calls.
type countingWriter struct {
	bytes.Buffer
	calls int
	err   error
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.calls++
	if w.err != nil {
		return 0, w.err
	}
	return w.Buffer.Write(p)
}

func TestManyLinesTakeFewWritesAndNoneIsLost(t *testing.T) {
	var out countingWriter
	var want strings.Builder
	s := new(lineSink)
	s.Lock()
	for i := range 100_000 {
		line := fmt.Sprintf("line %d\n", i)
		want.WriteString(line)
		if err := s.write(&out, []byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.flush(); err != nil {
		t.Fatal(err)
	}
	s.Unlock()
	if out.String() != want.String() {
		t.Errorf("wrote %d bytes, want %d", out.Len(), want.Len())
	}
	if out.calls > 100 {
		t.Errorf("took %d writes for %d bytes", out.calls, out.Len())
	}
}

func TestALineIsWrittenWithoutAnotherComing(t *testing.T) {
	var out countingWriter
	s := new(lineSink)
	s.Lock()
	s.write(&out, []byte("alone\n"))
	s.Unlock()
	for range 1000 {
		s.Lock()
		got := out.String()
		s.Unlock()
		if got == "alone\n" {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("the line has not been written")
}

func TestStreamsStayInOrder(t *testing.T) {
	var both bytes.Buffer
	out, errw := &both, &struct{ *bytes.Buffer }{&both}
	s := new(lineSink)
	s.Lock()
	s.write(out, []byte("1\n"))
	s.write(errw, []byte("2\n"))
	s.write(out, []byte("3\n"))
	s.flush()
	s.Unlock()
	if both.String() != "1\n2\n3\n" {
		t.Errorf("got %q", both.String())
	}
}

func TestAFailedWriteIsToldByTheNext(t *testing.T) {
	boom := errors.New("boom")
	out := countingWriter{err: boom}
	s := new(lineSink)
	s.Lock()
	defer s.Unlock()
	s.write(&out, []byte("x\n"))
	if err := s.flush(); err != boom {
		t.Errorf("flush: %v, want %v", err, boom)
	}
	if err := s.write(&out, []byte("y\n")); err != boom {
		t.Errorf("next write: %v, want %v", err, boom)
	}
}
