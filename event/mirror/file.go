package mirror

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"

	"github.com/berth-engine/berth/event"
)

// file is podman's event log: a line of JSON for each event, appended. Others may append to it, too.
type file struct {
	path string
	max  int64
	f    *os.File
}

// resume looks at what was written after the cursor, by a process that died before it could say so: its last line may be half of one.
func (s *file) resume(c cursor) (uint64, error) {
	var err error
	if s.f, err = os.OpenFile(s.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600); err != nil {
		return 0, err
	}
	seq, err := s.lookAfter(c)
	if err != nil {
		s.f.Close()
	}
	return seq, err
}

func (s *file) lookAfter(c cursor) (uint64, error) {
	st, err := s.f.Stat()
	if err != nil || st.Size() <= c.size {
		return c.seq, err
	}
	tail, err := io.ReadAll(io.NewSectionReader(s.f, c.size, st.Size()-c.size))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(tail) {
		var e event.Line
		if json.Unmarshal(line, &e) == nil && line[len(line)-1] == '\n' {
			c.seq = max(c.seq, e.Seq)
		}
	}
	if tail[len(tail)-1] != '\n' {
		_, err = s.f.WriteString("\n")
	}
	return c.seq, err
}

func (s *file) write(events []event.Event) error {
	var text []byte
	for _, e := range events {
		line, err := json.Marshal(e.Line())
		if err != nil {
			return err
		}
		text = append(append(text, line...), '\n')
	}
	_, err := s.f.Write(text)
	return err
}

func (s *file) finish() (size int64, err error) {
	defer func() { err = errors.Join(err, s.f.Close()) }()
	st, err := s.f.Stat()
	if err != nil {
		return 0, err
	}
	if s.max <= 0 || st.Size() <= s.max {
		return st.Size(), nil
	}
	return s.drop(st.Size())
}

// drop replaces the file by its newer half.
func (s *file) drop(size int64) (int64, error) {
	kept, err := io.ReadAll(io.NewSectionReader(s.f, size-min(size, s.max)/2, size))
	if err != nil {
		return 0, err
	}
	kept = kept[bytes.IndexByte(kept, '\n')+1:]
	temporary := s.path + ".new"
	if err := os.WriteFile(temporary, kept, 0o600); err != nil {
		return 0, err
	}
	return int64(len(kept)), os.Rename(temporary, s.path)
}
