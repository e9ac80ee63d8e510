package logs

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// follow goes on with current from off, and with the files that come after it. Current is nil if there was no file yet.
func (r *reader) follow(w *watcher, current *os.File, off int64) error {
	owned := false // current was opened here
	defer func() {
		if owned {
			current.Close()
		}
	}()
	var until <-chan time.Time
	if !r.o.Until.IsZero() {
		t := time.NewTimer(time.Until(r.o.Until))
		defer t.Stop()
		until = t.C
	}
	ended := false
	for {
		// Before the reading, so that all that was written until then is read.
		ended = ended || closed(r.o.Done)
		var err error
		if current != nil {
			if off, err = r.drain(current, rewound(current, off)); err != nil {
				return err
			}
		}
		next, err := r.successor(current)
		if err != nil {
			return err
		}
		if next != nil {
			if current != nil {
				// What came between the reading and the rotation.
				if err := r.finish(current, off); err != nil {
					next.Close()
					return err
				}
			}
			if owned {
				current.Close()
			}
			current, off, owned = next, 0, true
			continue
		}
		if ended {
			if current == nil {
				return nil
			}
			return r.finish(current, off)
		}
		select {
		case _, ok := <-w.wake:
			ended = !ok
		case <-r.o.Done:
		case <-until:
			ended = true
		case <-r.ctx.Done():
			return r.ctx.Err()
		}
	}
}

// rewound is off, or 0 if the file was cut short, as engines do that rotate by truncating.
func rewound(f *os.File, off int64) int64 {
	if info, err := f.Stat(); err == nil && info.Size() < off {
		return 0
	}
	return off
}

// successor opens the file that was written next after current; nil if current is still the newest. If current is no longer
// there, all that are came after it.
func (r *reader) successor(current *os.File) (*os.File, error) {
	var at named
	if current != nil {
		info, err := current.Stat()
		if err != nil {
			return nil, errdefs.Internal("reading log: %w", err)
		}
		st := info.Sys().(*syscall.Stat_t)
		at.dev, at.ino = st.Dev, st.Ino
		if newest, err := os.Stat(filepath.Join(r.dir, r.base)); err == nil && isFile(newest, at) {
			return nil, nil
		}
	}
	for {
		list, err := r.consistent()
		if err != nil {
			return nil, err
		}
		var next *named
		for i, n := range list {
			if n.packed {
				continue
			}
			if current != nil && n.dev == at.dev && n.ino == at.ino {
				break
			}
			next = &list[i]
		}
		if next == nil {
			return nil, nil
		}
		f, err := r.openNamed(*next)
		if err != nil {
			return nil, err
		}
		if f != nil {
			return f.f, nil
		}
	}
}

// watcher tells of changes in one directory.
type watcher struct {
	f *os.File
	// wake has a value when something has changed since it was last received from; it is closed when the directory is gone.
	wake chan struct{}
}

func watch(dir string) (*watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if errors.Is(err, unix.EMFILE) {
		return nil, errdefs.Unavailable("following a log: no inotify instance is left: raise fs.inotify.max_user_instances: %w", err)
	}
	if err != nil {
		return nil, errdefs.Internal("following a log: %w", err)
	}
	const what = unix.IN_MODIFY | unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	if _, err := unix.InotifyAddWatch(fd, dir, what); err != nil {
		unix.Close(fd)
		class := errdefs.ErrInternal
		switch {
		case errors.Is(err, unix.ENOENT):
			class = errdefs.ErrNotFound
		case errors.Is(err, unix.ENOSPC):
			class = errdefs.ErrUnavailable
		}
		return nil, errdefs.New(class, "following a log: watching %s: %w", dir, err)
	}
	w := &watcher{f: os.NewFile(uintptr(fd), "inotify"), wake: make(chan struct{}, 1)}
	go w.run()
	return w, nil
}

func (w *watcher) close() { w.f.Close() }

// run ends when the watcher is closed or its directory is gone.
func (w *watcher) run() {
	defer close(w.wake)
	buf := make([]byte, 16<<10)
	for {
		n, err := w.f.Read(buf)
		if err != nil {
			return
		}
		select {
		case w.wake <- struct{}{}:
		default:
		}
		if gone(buf[:n]) {
			return
		}
	}
}

// gone looks for the event that ends a watch (inotify(7): struct inotify_event is wd, mask, cookie, len and a name of len
// bytes).
func gone(events []byte) bool {
	for len(events) >= unix.SizeofInotifyEvent {
		mask := binary.NativeEndian.Uint32(events[4:])
		if mask&(unix.IN_IGNORED|unix.IN_DELETE_SELF|unix.IN_MOVE_SELF|unix.IN_UNMOUNT) != 0 {
			return true
		}
		size := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(events[12:]))
		if size > len(events) {
			return false
		}
		events = events[size:]
	}
	return false
}
