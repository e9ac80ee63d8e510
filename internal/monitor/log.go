package monitor

import (
	"bytes"
	"errors"
	"strconv"
	"syscall"
)

const (
	// textSizeCRI and textSizeJSON bound the text of one record; a longer line becomes several, all but the last marked partial.
	// They are what conmon and Docker keep to, and so what readers of these files are made for.
	textSizeCRI  = 8 << 10
	textSizeJSON = 16 << 10

	// logBufferSize holds many records for one write, and at least one record of any form.
	logBufferSize = 256 << 10
)

// log writes a container's output to a file. What it cannot write it counts, and tells in the log when it can write again: a
// full disk must not stop a container.
//
// A record is written whole or not at all, and a line that is not whole is written at once and marked partial, so that nothing
// is kept here that a kill could lose.
type log struct {
	fd       int // -1: no log
	path     string
	format   format
	textSize int
	zone     zone
	maxSize  int64 // 0: never rotates
	maxFiles int
	size     int64 // of the file

	out     []byte // mapped
	n       int    // bytes of out in use
	partial [3]bool

	dropped  int64 // records lost and not told of yet
	told     int64 // how many of them the batch in out tells of
	lastFail error
}

// format appends one record to b. whole says that a newline followed the text.
type format interface {
	at(sec, nsec int64)
	record(b []byte, stream int, text []byte, whole bool) []byte
}

// The streams by number, as in Docker's and CRI's logs.
const (
	stdout = 1
	stderr = 2
)

var streamNames = [3]string{"", "stdout", "stderr"}

func openLog(o *options) (*log, error) {
	l := &log{fd: -1, path: o.logPath, maxSize: o.logMaxSize, maxFiles: max(o.logMaxFiles, 1)}
	z, err := parseZone(o.zone)
	if err != nil {
		return nil, err
	}
	switch o.logDriver {
	case "", "none":
		return l, nil
	case "k8s-file":
		l.format, l.textSize = &criFormat{zone: z}, textSizeCRI
	case "json-file":
		l.format, l.textSize = newJSONFormat(o.logTag), textSizeJSON
	default:
		return nil, errors.New("unknown log driver " + o.logDriver)
	}
	if l.fd, err = openLogFile(l.path, 0); err != nil {
		return nil, errors.New("cannot open the log file " + l.path + ": " + err.Error())
	}
	var st syscall.Stat_t
	if err = syscall.Fstat(l.fd, &st); err != nil {
		return nil, err
	}
	l.size = st.Size
	if l.out = mapBuffer(logBufferSize); l.out == nil {
		return nil, errors.New("no memory for the log's buffer")
	}
	return l, nil
}

func openLogFile(path string, flags int) (int, error) {
	return syscall.Open(path, syscall.O_WRONLY|syscall.O_APPEND|syscall.O_CREAT|syscall.O_CLOEXEC|syscall.O_NOCTTY|flags, 0o600)
}

// write logs one chunk of output.
func (l *log) write(stream int, data []byte) {
	if l.fd < 0 || len(data) == 0 {
		return
	}
	l.format.at(clock(clockRealtime))
	l.tellDropped()
	for len(data) > 0 {
		text := data
		if len(text) > l.textSize {
			text = text[:l.textSize]
		}
		end := bytes.IndexByte(text, '\n')
		whole := end >= 0
		if whole {
			data = data[end+1:]
			text = text[:end]
		} else {
			data = data[len(text):]
		}
		l.record(stream, text, whole)
	}
	l.flush()
}

// record adds one record to the batch, and rotates before it if it would make the file too long.
func (l *log) record(stream int, text []byte, whole bool) {
	const overhead = 512 // of a record in any format, with a tag
	if l.n+6*len(text)+overhead > len(l.out) {
		l.flush()
	}
	start := l.n
	l.n = len(l.format.record(l.out[:start], stream, text, whole))
	if l.maxSize > 0 && l.size+int64(l.n) > l.maxSize && l.mayRotate(start) {
		record := l.out[start:l.n]
		l.n = start
		l.flush()
		l.rotate()
		l.n = copy(l.out, record)
	}
	l.partial[stream] = !whole
}

// mayRotate keeps the parts of a line in one file, unless the line is about to fill as much again. start is where the batch
// stood before the record in question.
func (l *log) mayRotate(start int) bool {
	if l.size+int64(start) == 0 {
		return false
	}
	inLine := l.partial[stdout] || l.partial[stderr]
	return !inLine || l.size+int64(l.n) > 2*l.maxSize
}

// tellDropped begins a batch with the news of what was lost.
func (l *log) tellDropped() {
	if l.dropped == 0 {
		return
	}
	l.told = l.dropped
	text := "berth-monitor: " + strconv.FormatInt(l.dropped, 10) + " lines of output were lost: " + l.lastFail.Error()
	l.record(stderr, []byte(text), true)
}

// flush writes the batch. What cannot be written is dropped, and a torn record is taken back.
func (l *log) flush() {
	if l.n == 0 {
		return
	}
	done := 0
	for done < l.n {
		n, err := write(l.fd, l.out[done:l.n])
		if err != nil {
			l.lastFail = err
			break
		}
		done += n
	}
	l.size += int64(done)
	kept := done
	if done < l.n {
		kept = bytes.LastIndexByte(l.out[:done], '\n') + 1
		if kept < done {
			l.size -= int64(done - kept)
			syscall.Ftruncate(l.fd, l.size)
		}
		l.dropped += int64(bytes.Count(l.out[kept:l.n], newline))
	}
	if l.told > 0 {
		if kept > 0 {
			l.dropped -= l.told
		} else {
			l.dropped-- // the news itself
		}
		l.told = 0
	}
	l.n = 0
}

var newline = []byte{'\n'}

// close writes what is still to be told.
func (l *log) close() {
	if l.fd < 0 {
		return
	}
	l.format.at(clock(clockRealtime))
	l.tellDropped()
	l.flush()
	syscall.Close(l.fd)
	l.fd = -1
}

// rotate renames the file to file.1, file.1 to file.2 and so on, and goes on in a new one. The new file is there before the old
// one goes, so that a failure leaves everything as it was.
func (l *log) rotate() {
	next := l.path + ".new"
	syscall.Unlink(next)
	fd, err := openLogFile(next, syscall.O_EXCL)
	if err != nil {
		return
	}
	if err := l.shift(); err == nil {
		err = syscall.Rename(next, l.path)
		if err == nil {
			syscall.Close(l.fd)
			l.fd, l.size = fd, 0
			return
		}
	}
	syscall.Unlink(next)
	syscall.Close(fd)
}

// shift gives each file the next number, the oldest making room.
func (l *log) shift() error {
	for i := l.maxFiles - 1; i > 0; i-- {
		name := l.path
		if i > 1 {
			name += "." + strconv.Itoa(i-1)
		}
		err := syscall.Rename(name, l.path+"."+strconv.Itoa(i))
		if err != nil && err != syscall.ENOENT {
			return err
		}
	}
	return nil
}
