package logs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// writer appends and rotates as a monitor does.
type writer struct {
	t     testing.TB
	path  string
	f     *os.File
	size  int
	max   int // bytes of a file
	files int // kept, besides the current one
}

func newWriter(t testing.TB, max, files int) *writer {
	w := &writer{t: t, path: filepath.Join(t.TempDir(), "ctr.log"), max: max, files: files}
	w.create()
	return w
}

func (w *writer) create() {
	f, err := os.OpenFile(w.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	must(w.t, err)
	w.f, w.size = f, 0
}

func (w *writer) write(s string) {
	if w.size > 0 && w.size+len(s) > w.max {
		must(w.t, w.f.Close())
		for i := w.files; i > 1; i-- {
			_ = os.Rename(fmt.Sprintf("%s.%d", w.path, i-1), fmt.Sprintf("%s.%d", w.path, i))
		}
		must(w.t, os.Rename(w.path, w.path+".1"))
		w.create()
	}
	_, err := w.f.WriteString(s)
	must(w.t, err)
	w.size += len(s)
}

func numbered(i int) string {
	return encode("k8s-file", Line{Time: epoch, Stream: Stdout, Text: fmt.Append(nil, i)})
}

func TestFollowersLoseAndRepeatNothingAcrossRotation(t *testing.T) {
	const n, readers = 30_000, 4
	// As many files as it takes to keep all: what is deleted before it is read is lost by nobody's fault.
	w := newWriter(t, 4<<10, 1000)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for r := range readers {
		wg.Go(func() {
			next := 0
			err := Read(t.Context(), Options{Driver: "k8s-file", Path: w.path, Tail: -1, Follow: true, Done: done}, func(l Line) error {
				if got := string(l.Text); got != fmt.Sprint(next) {
					return fmt.Errorf("expected line %d, got %s", next, got)
				}
				next++
				return nil
			})
			if err == nil && next != n {
				err = fmt.Errorf("expected %d lines, got %d", n, next)
			}
			if err != nil {
				t.Errorf("reader %d: %v", r, err)
			}
		})
	}
	for i := range n {
		w.write(numbered(i))
		if i%1000 == 0 {
			runtime.Gosched()
		}
	}
	close(done)
	wg.Wait()
}

func TestReadersOfALogBeingRotatedSeeAConsistentEnd(t *testing.T) {
	w := newWriter(t, 2<<10, 500)
	stop := make(chan struct{})
	written := make(chan int)
	go func() {
		i := 0
		for {
			select {
			case <-stop:
				written <- i
				return
			default:
				if i < 20_000 {
					w.write(numbered(i))
					i++
				}
			}
		}
	}()
	for range 30 {
		first, next := true, 0
		err := Read(t.Context(), Options{Driver: "k8s-file", Path: w.path, Tail: 50}, func(l Line) error {
			var got int
			fmt.Sscan(string(l.Text), &got)
			if !first && got != next {
				return fmt.Errorf("expected line %d, got %d", next, got)
			}
			first, next = false, got+1
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	close(stop)
	<-written
}

// TestFollowGoesOnInAFileRenamedOverTheLog: with one file kept, a monitor renames the new one over the old.
func TestFollowGoesOnInAFileRenamedOverTheLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	must(t, os.WriteFile(path, []byte(numbered(0)), 0o600))
	lines, _ := followed(t, Options{Driver: "k8s-file", Path: path, Tail: -1, Follow: true})
	expect(t, "first", lines, "0")
	for i := 1; i < 50; i++ {
		must(t, os.WriteFile(path+".new", nil, 0o600))
		must(t, os.Rename(path+".new", path))
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		must(t, err)
		_, err = f.WriteString(numbered(i))
		must(t, err)
		must(t, f.Close())
		expect(t, "after a rotation", lines, fmt.Sprint(i))
	}
}

// followed starts a follower and returns the lines that it sees, and its end.
func followed(t *testing.T, o Options) (<-chan string, <-chan error) {
	lines, end := make(chan string, 100), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go func() {
		end <- Read(ctx, o, func(l Line) error {
			lines <- string(l.Text)
			return nil
		})
	}()
	return lines, end
}

func expect[T comparable](t *testing.T, what string, c <-chan T, want T) {
	t.Helper()
	select {
	case got := <-c:
		if got != want {
			t.Fatalf("%s: expected %v, got %v", what, want, got)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: expected %v, got nothing", what, want)
	}
}

func TestFollowEndsWhenDoneAndAllIsDelivered(t *testing.T) {
	w := newWriter(t, 1<<20, 1)
	w.write(numbered(1))
	w.write(numbered(2))
	done := make(chan struct{})
	lines, end := followed(t, Options{Driver: "k8s-file", Path: w.path, Tail: 1, Follow: true, Done: done})
	expect(t, "tail", lines, "2")
	w.write(numbered(3))
	expect(t, "new line", lines, "3")
	w.write(numbered(4))
	close(done)
	expect(t, "last line", lines, "4")
	expect(t, "end", end, nil)
}

func TestFollowWaitsForALogThatDoesNotExistYet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	done := make(chan struct{})
	lines, end := followed(t, Options{Driver: "k8s-file", Path: path, Tail: -1, Follow: true, Done: done})
	must(t, os.WriteFile(path, []byte(numbered(1)), 0o600))
	expect(t, "first line", lines, "1")
	close(done)
	expect(t, "end", end, nil)
}

func TestFollowGoesOnAfterTruncation(t *testing.T) {
	w := newWriter(t, 1<<20, 1)
	w.write(numbered(100))
	w.write(numbered(101))
	lines, _ := followed(t, Options{Driver: "k8s-file", Path: w.path, Tail: -1, Follow: true})
	expect(t, "first", lines, "100")
	expect(t, "second", lines, "101")
	must(t, os.Truncate(w.path, 0))
	w.write(numbered(2))
	expect(t, "after truncation", lines, "2")
}

func TestFollowEndsAtUntil(t *testing.T) {
	w := newWriter(t, 1<<20, 1)
	_, end := followed(t, Options{Driver: "k8s-file", Path: w.path, Tail: -1, Follow: true, Until: time.Now().Add(50 * time.Millisecond)})
	expect(t, "end", end, nil)
}

func TestFollowEndsWhenTheDirectoryIsRemovedBeforeThereWasALog(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ctr")
	must(t, os.Mkdir(dir, 0o700))
	_, end := followed(t, Options{Driver: "k8s-file", Path: filepath.Join(dir, "log"), Tail: -1, Follow: true})
	waitForWatch(t)
	must(t, os.Remove(dir))
	expect(t, "end", end, nil)
}

// waitForWatch waits until this process watches something.
func waitForWatch(t *testing.T) {
	t.Helper()
	for range 2000 {
		entries, err := os.ReadDir("/proc/self/fdinfo")
		must(t, err)
		for _, e := range entries {
			info, _ := os.ReadFile("/proc/self/fdinfo/" + e.Name())
			if strings.Contains(string(info), "inotify wd:") {
				return
			}
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("nothing is watched")
}

func TestFollowDoesNotRepeatOldFilesWhenTheCurrentOneIsDeleted(t *testing.T) {
	w := newWriter(t, 1, 9) // each line in a file of its own
	w.write(numbered(1))
	time.Sleep(20 * time.Millisecond) // above the granularity of file times
	w.write(numbered(2))
	done := make(chan struct{})
	lines, end := followed(t, Options{Driver: "k8s-file", Path: w.path, Tail: -1, Follow: true, Done: done})
	expect(t, "first", lines, "1")
	expect(t, "second", lines, "2")
	must(t, os.Remove(w.path))
	w.create()
	w.write(numbered(3))
	expect(t, "after the deletion", lines, "3")
	must(t, os.Remove(w.path))
	close(done)
	expect(t, "end", end, nil)
	if len(lines) != 0 {
		t.Errorf("expected no line after the end, got %s", <-lines)
	}
}

func TestFollowersOfManyLogsTakeOneInotifyInstance(t *testing.T) {
	const n = 300 // more than a user has instances
	var lines []<-chan string
	var paths []string
	for range n {
		path := filepath.Join(t.TempDir(), "log")
		must(t, os.WriteFile(path, []byte(numbered(0)), 0o600))
		l, _ := followed(t, Options{Driver: "k8s-file", Path: path, Tail: -1, Follow: true})
		lines, paths = append(lines, l), append(paths, path)
	}
	for i, path := range paths {
		expect(t, path, lines[i], "0")
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		must(t, err)
		_, err = f.WriteString(numbered(i + 1))
		must(t, err)
		must(t, f.Close())
		expect(t, path, lines[i], fmt.Sprint(i+1))
	}
}

func TestFollowLeavesNoGoroutineAndNoDescriptor(t *testing.T) {
	w := newWriter(t, 1<<20, 1)
	fds := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		must(t, err)
		return len(entries)
	}
	run := func() {
		ctx, cancel := context.WithCancel(t.Context())
		err := Read(ctx, Options{Driver: "k8s-file", Path: w.path, Tail: -1, Follow: true}, func(Line) error { cancel(); return nil })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("expected %v, got %v", context.Canceled, err)
		}
	}
	w.write(numbered(1))
	run()
	before := fds()
	for range 200 {
		run()
	}
	// The watcher's goroutine ends a moment after its descriptor is closed.
	for range 1000 {
		if runtime.NumGoroutine() < 20 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n >= 20 {
		t.Errorf("expected the watchers' goroutines to have ended, %d are left", n)
	}
	if after := fds(); after > before {
		t.Errorf("expected %d descriptors, got %d", before, after)
	}
}
