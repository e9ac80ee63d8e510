package logs

import (
	"bytes"
	"io"
	"iter"

	"github.com/berth-engine/berth/errdefs"
)

// position is where reading begins.
type position struct {
	// before are records that come first: the first parts of lines whose last part lies behind off, among lines of the other
	// stream that are not wanted. Oldest first.
	before [][]byte
	file   int
	off    int64
}

// maxLookback bounds how far back the first parts of a line are looked for among the other stream's lines.
const maxLookback = 1 << 20

// tail finds where the last n lines begin, reading the files backwards from their ends and no more than needed.
func (r *reader) tail(files files, n int) (position, error) {
	var (
		lines     int
		p         = r.parse()
		began     = map[string]bool{} // streams with a record among the wanted ones
		open      string              // past the boundary: the stream whose line may have begun before it
		boundary  position
		lookback  int64
		looksBack bool
		failed    error
	)
	for rec := range backwards(files, &failed) {
		var l Line
		if !p.parse(rec.text, &l) {
			continue
		}
		// Going back, a line begins with its last part: one that is whole, or the newest of a line that is not ended yet.
		lastPart := !l.Partial || !began[l.Stream]
		if !looksBack {
			if !lastPart || lines < n {
				if lastPart {
					lines++
				}
				began[l.Stream] = true
				continue
			}
			boundary = position{file: rec.file, off: rec.end}
			looksBack = true
			open = other(l.Stream)
			if n == 0 || !began[open] {
				break
			}
			continue
		}
		if lookback += int64(len(rec.text)); lookback > maxLookback {
			break
		}
		if l.Stream == open {
			if !l.Partial {
				break
			}
			boundary.before = append([][]byte{bytes.Clone(rec.text)}, boundary.before...)
		}
	}
	return boundary, failed
}

func other(stream string) string {
	if stream == Stdout {
		return Stderr
	}
	return Stdout
}

// record is one record found, with the offset behind its newline.
type record struct {
	text []byte
	file int
	end  int64
}

// backwards yields the whole records of all files, newest first. The text is valid until the next. An error ends it.
func backwards(files files, failed *error) iter.Seq[record] {
	return func(yield func(record) bool) {
		for i := len(files) - 1; i >= 0; i-- {
			f, err := files[i].plain()
			if err != nil {
				*failed = err
				return
			}
			info, err := f.Stat()
			if err != nil {
				*failed = errdefs.Internal("reading log: %w", err)
				return
			}
			more := true
			err = backwardsIn(f, info.Size(), func(text []byte, end int64) bool {
				more = yield(record{text: text, file: i, end: end})
				return more
			})
			if err != nil {
				*failed = errdefs.Internal("reading log %s: %w", f.Name(), err)
			}
			if err != nil || !more {
				return
			}
		}
	}
}

// backwardsIn yields the records of one file that end at or before size with a newline.
func backwardsIn(f io.ReaderAt, size int64, yield func(text []byte, end int64) bool) error {
	buf := make([]byte, chunk)
	var data []byte // the bytes of [start, end) that are not yielded yet
	start := size
	for start > 0 {
		n := min(int64(len(buf)), start)
		if int64(len(data))+n > maxRecord+chunk {
			data = nil // a record too long to be one
		}
		if _, err := f.ReadAt(buf[:n], start-n); err != nil && err != io.EOF {
			return err
		}
		data = append(bytes.Clone(buf[:n]), data...)
		start -= n
		// All records but the first of data are whole; the first may begin before start.
		for {
			last := bytes.LastIndexByte(data, '\n')
			if last < 0 {
				break
			}
			before := bytes.LastIndexByte(data[:last], '\n')
			if before < 0 && start > 0 {
				break
			}
			if !yield(data[before+1:last], start+int64(last)+1) {
				return nil
			}
			data = data[:before+1]
		}
	}
	return nil
}
