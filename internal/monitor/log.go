package monitor

import (
	"errors"
	"strconv"
	"syscall"
)

const (
	// textSizeCRI and textSizeJSON bound the text of one record; a longer line becomes several, all but the last marked partial.
	// They are what conmon and Docker keep to, and so what readers of these files are made for.
	textSizeCRI  = 8 << 10
	textSizeJSON = 16 << 10

	// partialPatience is how long the beginning of a line waits for its end, in nanoseconds: so long that what a program writes in
	// blocks is logged in lines, and so short that nobody who follows the log waits for a prompt.
	partialPatience = second / 20

	// logBufferSize holds many records for one write, and at least one record of any form.
	logBufferSize = 256 << 10
)

// log writes a container's output to a file. What it cannot write it counts, and tells in the log when it can write again: a
// full disk must not stop a container.
//
// A record is written whole or not at all. The beginning of a line waits a moment for the rest, and is then written as a partial
// record.
type log struct {
	fd       int // -1: no log
	path     string
	format   format // one of the next two
	cri      criFormat
	json     jsonFormat
	textSize int
	maxSize  int64 // 0: never rotates
	maxFiles int
	size     int64 // of the file

	mapped  []byte // the memory of out and begun
	out     []byte
	n       int     // bytes of out in use
	partial [3]bool // the stream's last record was partial
	begun   [3]tail

	dropped  int64 // records lost and not told of yet
	told     int64 // how many of them the batch in out tells of
	lastFail error
}

// tail is the beginning of a stream's line.
type tail struct {
	buf   []byte
	n     int
	since int64
}

// format appends one record to b. whole says that a newline followed the text.
type format interface {
	at(sec, nsec int64)
	record(b []byte, stream int, text []byte, whole bool) []byte
	// unfinished reports whether a stream's last record has kept something back for the next.
	unfinished(stream int) bool
}

// The streams by number, as in Docker's and CRI's logs.
const (
	stdout = 1
	stderr = 2
)

var streamNames = [3]string{"", "stdout", "stderr"}

// open opens the log that the options ask for, which may be none.
func (l *log) open(o *options) error {
	l.fd, l.path, l.maxSize, l.maxFiles = -1, o.logPath, o.logMaxSize, max(o.logMaxFiles, 1)
	z, err := parseZone(o.zone)
	if err != nil {
		return err
	}
	switch o.logDriver {
	case "", "none":
		return nil
	case "k8s-file":
		l.cri.zone = z
		l.format, l.textSize = &l.cri, textSizeCRI
	case "json-file":
		l.json.tag(o.logTag)
		l.format, l.textSize = &l.json, textSizeJSON
	default:
		return errors.New("unknown log driver " + o.logDriver)
	}
	if l.fd, err = openLogFile(l.path, 0); err != nil {
		return errors.New("cannot open the log file " + l.path + ": " + err.Error())
	}
	var st syscall.Stat_t
	if err = syscall.Fstat(l.fd, &st); err != nil {
		return err
	}
	l.size = st.Size
	if l.mapped = mapBuffer(logBufferSize + 2*l.textSize); l.mapped == nil {
		return errors.New("no memory for the log's buffer")
	}
	l.out = l.mapped[:logBufferSize:logBufferSize]
	tails := l.mapped[logBufferSize:]
	l.begun[stdout].buf, l.begun[stderr].buf = tails[:l.textSize], tails[l.textSize:]
	return nil
}

// openLogFile opens a regular file and nothing else: a FIFO would hold the monitor up, a device would be written to.
func openLogFile(path string, flags int) (int, error) {
	const always = syscall.O_WRONLY | syscall.O_APPEND | syscall.O_CREAT | syscall.O_CLOEXEC | syscall.O_NOCTTY | syscall.O_NONBLOCK
	fd, err := syscall.Open(path, always|flags, 0o600)
	if err != nil {
		return -1, err
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil || st.Mode&syscall.S_IFMT != syscall.S_IFREG {
		syscall.Close(fd)
		return -1, syscall.EINVAL
	}
	return fd, nil
}

// write logs one chunk of output.
func (l *log) write(stream int, data []byte) {
	if l.fd < 0 || len(data) == 0 {
		return
	}
	l.format.at(clock(clockRealtime))
	l.tellDropped()
	if l.begun[stream].n > 0 {
		data = l.complete(stream, data)
	}
	for len(data) > 0 {
		text := data
		if len(text) > l.textSize {
			text = text[:l.textSize]
		}
		end := indexNewline(text)
		switch {
		case end >= 0:
			l.record(stream, text[:end], true)
			data = data[end+1:]
		case len(text) == l.textSize:
			l.record(stream, text, false)
			data = data[len(text):]
		default:
			l.begin(stream, text)
			data = nil
		}
	}
	l.flush()
}

// begin keeps the beginning of a line.
func (l *log) begin(stream int, text []byte) {
	t := &l.begun[stream]
	if t.n == 0 {
		t.since = now()
	}
	t.n += copy(t.buf[t.n:], text)
}

// complete adds to the beginning of a line what of data belongs to it, and returns the rest.
func (l *log) complete(stream int, data []byte) []byte {
	t := &l.begun[stream]
	text := data[:min(len(data), l.textSize-t.n)]
	end := indexNewline(text)
	if end >= 0 {
		text = text[:end]
	}
	l.begin(stream, text)
	if end >= 0 {
		l.record(stream, t.buf[:t.n], true)
		t.n = 0
		return data[end+1:]
	}
	if t.n == l.textSize {
		l.record(stream, t.buf[:t.n], false)
		t.n = 0
	}
	return data[len(text):]
}

// flushBegun writes the beginnings of lines that have waited long enough, and returns how long the next has still to wait, in
// nanoseconds; -1 when there is none.
func (l *log) flushBegun() int64 {
	if l.begun[stdout].n+l.begun[stderr].n == 0 {
		return -1
	}
	next, t := int64(-1), now()
	for stream := stdout; stream <= stderr; stream++ {
		b := &l.begun[stream]
		if b.n == 0 {
			continue
		}
		if left := b.since + partialPatience - t; left <= 0 {
			l.writeBegun(stream)
		} else if next < 0 || left < next {
			next = left
		}
	}
	return next
}

func (l *log) writeBegun(stream int) {
	t := &l.begun[stream]
	if t.n == 0 {
		return
	}
	l.format.at(clock(clockRealtime))
	l.tellDropped()
	l.record(stream, t.buf[:t.n], false)
	l.flush()
	t.n = 0
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
		kept = endOfLastLine(l.out[:done])
		if kept < done {
			l.size -= int64(done - kept)
			syscall.Ftruncate(l.fd, l.size)
		}
		l.dropped += countLines(l.out[kept:l.n])
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

// close writes what is still to be written or told.
func (l *log) close() {
	if l.fd < 0 {
		return
	}
	l.writeBegun(stdout)
	l.writeBegun(stderr)
	l.format.at(clock(clockRealtime))
	l.tellDropped()
	l.json.ending = true
	for stream := stdout; stream <= stderr; stream++ {
		if l.format.unfinished(stream) {
			l.record(stream, nil, false)
		}
	}
	l.flush()
	unmap(l.mapped)
	l.mapped, l.out = nil, nil
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
