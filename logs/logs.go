// Package logs reads what a monitor wrote of a container's output: formats, selection by time and number, following across
// rotation. The monitor writes; nothing here does, but for the tests.
//
// # The files
//
// A monitor appends whole records to one file, each ended by a newline. When the file is full it renames path.2 to path.3,
// path.1 to path.2, path to path.1, makes path anew and never touches the old file again. A file path.N.gz is read like
// path.N, so that logs which another engine compressed can be read.
//
// k8s-file is the format of Kubernetes' CRI ("CRI logging format"):
//
//	2016-10-06T00:17:09.669794202Z stdout F a whole line
//	2016-10-06T00:17:09.669794202Z stderr P the beginning of a line, or the next part of it
//
// json-file is Docker's: a part of a line lacks the \n in log.
//
//	{"log":"a whole line\n","stream":"stdout","time":"2016-10-06T00:17:09.669794202Z"}
//
// A record that is not well-formed, as a power cut may leave one, is skipped.
package logs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/berth-engine/berth/errdefs"
)

// Line is one line of output, or a part of one.
type Line struct {
	// Time is in UTC.
	Time   time.Time
	Stream string // stdout or stderr
	// Text is without the newline; Partial says that the line goes on in the next record of the stream.
	Text    []byte
	Partial bool
}

// The streams of a Line.
const (
	Stdout = "stdout"
	Stderr = "stderr"
)

// Options say what Read reads. Driver, Path and Tail are required.
type Options struct {
	// Driver is k8s-file or json-file.
	Driver string
	// Path is the current file; rotated ones lie beside it.
	Path string
	// Since and Until select lines from Since on, up to Until inclusive; zero is no bound. Reading stops at the first line
	// after Until, and a follower stops when Until has come.
	Since, Until time.Time
	// Tail is how many of the newest lines are read, before Since and Until select; negative for all, 0 for none. The parts of
	// a line count once.
	Tail int
	// Follow goes on with what is written from then on.
	Follow bool
	// Done, once closed, says that nothing will be written any more: Read ends when it has delivered everything. A follower
	// without it goes on until its context ends. Nil is never.
	Done <-chan struct{}
	// Join delivers the parts of a line as one line. A follower then sees a prompt only when its line ends, so this is not
	// for people who look on. A line above 1 MiB still comes in parts.
	Join bool
}

// Read calls fn with each line, oldest first, each exactly once, whatever is rotated meanwhile. The Text of a line is valid
// until fn returns. An error of fn's ends the reading and is returned as it is.
//
// A log that does not exist is empty, and a follower waits for it, as long as there is a directory for it (ErrNotFound).
// ErrInvalidArgument: an unknown driver. ErrNotImplemented: a driver whose logs cannot be read. The end of ctx is its error.
//
// A follower waits for inotify(7) events; ErrUnavailable if the user has no more instances (fs.inotify.max_user_instances).
func Read(ctx context.Context, o Options, fn func(Line) error) error {
	p, err := parserOf(o.Driver)
	if err != nil {
		return err
	}
	r := &reader{ctx: ctx, o: o, parse: p, emit: fn, dir: filepath.Dir(o.Path), base: filepath.Base(o.Path)}
	if o.Join {
		j := &joiner{next: fn}
		r.emit = j.line
		defer j.flush(&err)
	}
	if err = r.run(); errors.Is(err, errStop) {
		err = nil
	}
	return err
}

// errStop ends a reading early with success.
var errStop = errors.New("stop")

// run reads what there is, and goes on if asked to.
func (r *reader) run() error {
	if !r.o.Until.IsZero() && r.o.Follow && !time.Now().Before(r.o.Until) {
		r.o.Follow = false
	}
	var w *watcher
	if r.o.Follow {
		var err error
		if w, err = watch(r.dir); err != nil {
			return err
		}
		defer w.close()
	}
	done := closed(r.o.Done)
	files, err := r.open()
	if err != nil {
		return err
	}
	defer files.close()
	current, off, err := r.history(files)
	if err != nil {
		return err
	}
	if r.o.Follow {
		return r.follow(w, current, off)
	}
	if done && current != nil {
		return r.finish(current, off)
	}
	return nil
}

// history delivers what the files hold, and returns the newest with the offset up to which it was read.
func (r *reader) history(files files) (*os.File, int64, error) {
	if len(files) == 0 {
		return nil, 0, nil
	}
	from := position{}
	if r.o.Tail >= 0 {
		var err error
		if from, err = r.tail(files, r.o.Tail); err != nil {
			return nil, 0, err
		}
	}
	for _, rec := range from.before {
		if err := r.deliver(rec); err != nil {
			return nil, 0, err
		}
	}
	last := len(files) - 1
	off := from.off
	for i := from.file; i <= last; i++ {
		if i > from.file {
			off = 0
		}
		if files[i].modified.Before(r.o.Since) && i < last {
			continue // its last line was written before Since
		}
		f, err := files[i].plain()
		if err != nil {
			return nil, 0, err
		}
		if i < last {
			err = r.finish(f, off)
			files[i].close()
		} else {
			off, err = r.drain(f, off)
		}
		if err != nil {
			return nil, 0, err
		}
	}
	f, err := files[last].plain()
	return f, off, err
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// joiner makes one line of its parts, for each stream.
type joiner struct {
	next  func(Line) error
	parts map[string]*Line
}

// maxJoined is the length above which a line is not joined any further.
const maxJoined = 1 << 20

func (j *joiner) line(l Line) error {
	held := j.parts[l.Stream]
	if held == nil {
		if !l.Partial {
			return j.next(l)
		}
		if j.parts == nil {
			j.parts = map[string]*Line{}
		}
		l.Text = append([]byte(nil), l.Text...)
		j.parts[l.Stream] = &l
		return nil
	}
	held.Text = append(held.Text, l.Text...)
	if l.Partial && len(held.Text) < maxJoined {
		return nil
	}
	delete(j.parts, l.Stream)
	held.Partial = l.Partial
	return j.next(*held)
}

// flush delivers the beginnings of lines that never ended, unless the reading failed.
func (j *joiner) flush(err *error) {
	for _, stream := range []string{Stdout, Stderr} {
		if held := j.parts[stream]; held != nil && *err == nil {
			*err = j.next(*held)
		}
	}
}

// parserOf chooses a format by its driver's name.
func parserOf(driver string) (func() parser, error) {
	switch driver {
	case "k8s-file":
		return func() parser { return &k8sParser{} }, nil
	case "json-file":
		return func() parser { return &jsonParser{} }, nil
	case "none":
		return nil, errdefs.NotImplemented("the container has log driver none: its output is not kept")
	}
	return nil, errdefs.Invalid("unknown log driver %q: k8s-file and json-file can be read", driver)
}
