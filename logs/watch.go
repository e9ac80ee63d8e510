package logs

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// inotify is the process's one inotify(7) instance, open while there is a watcher: a user has few of them (128 by default), and
// a service may have any number of followers.
var inotify struct {
	sync.Mutex
	fd       int
	f        *os.File // of fd; nil when closed
	watchers map[int]map[*watcher]bool
}

// watcher tells of changes in one directory.
type watcher struct {
	wd int
	// wake has a value when something has changed since it was last received from; it is closed when the directory is gone.
	wake chan struct{}
}

// watch begins to watch a directory.
func watch(dir string) (*watcher, error) {
	inotify.Lock()
	defer inotify.Unlock()
	if inotify.f == nil {
		if err := openInotify(); err != nil {
			return nil, err
		}
	}
	const what = unix.IN_MODIFY | unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	wd, err := unix.InotifyAddWatch(inotify.fd, dir, what)
	if err != nil {
		closeUnused()
		class := errdefs.ErrInternal
		switch {
		case errors.Is(err, unix.ENOENT):
			class = errdefs.ErrNotFound
		case errors.Is(err, unix.ENOSPC):
			class = errdefs.ErrUnavailable
		}
		return nil, errdefs.New(class, "following a log: watching %s: %w", dir, err)
	}
	w := &watcher{wd: wd, wake: make(chan struct{}, 1)}
	if inotify.watchers[wd] == nil {
		inotify.watchers[wd] = map[*watcher]bool{}
	}
	inotify.watchers[wd][w] = true
	return w, nil
}

// close ends the watching.
func (w *watcher) close() {
	inotify.Lock()
	defer inotify.Unlock()
	all := inotify.watchers[w.wd]
	if !all[w] {
		return // its directory is gone
	}
	delete(all, w)
	if len(all) == 0 {
		delete(inotify.watchers, w.wd)
		_, _ = unix.InotifyRmWatch(inotify.fd, uint32(w.wd))
	}
	closeUnused()
}

func openInotify() error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if errors.Is(err, unix.EMFILE) {
		return errdefs.Unavailable("following a log: no inotify instance is left: raise fs.inotify.max_user_instances: %w", err)
	}
	if err != nil {
		return errdefs.Internal("following a log: %w", err)
	}
	inotify.fd, inotify.f = fd, os.NewFile(uintptr(fd), "inotify")
	inotify.watchers = map[int]map[*watcher]bool{}
	go readEvents(inotify.f)
	return nil
}

func closeUnused() {
	if len(inotify.watchers) == 0 && inotify.f != nil {
		inotify.f.Close()
		inotify.f = nil
	}
}

// readEvents wakes those whom events concern, until f is closed.
func readEvents(f *os.File) {
	buf := make([]byte, 16<<10)
	for {
		n, err := f.Read(buf)
		if err != nil {
			return
		}
		inotify.Lock()
		if inotify.f == f {
			dispatch(buf[:n])
			closeUnused()
		}
		inotify.Unlock()
	}
}

// dispatch reads struct inotify_event: wd, mask, cookie, len, and a name of len bytes.
func dispatch(events []byte) {
	const header = unix.SizeofInotifyEvent
	for len(events) >= header {
		wd := int(int32(binary.NativeEndian.Uint32(events)))
		mask := binary.NativeEndian.Uint32(events[4:])
		size := header + int(binary.NativeEndian.Uint32(events[12:]))
		events = events[min(size, len(events)):]
		if mask&unix.IN_Q_OVERFLOW != 0 {
			for _, all := range inotify.watchers {
				wakeAll(all)
			}
			continue
		}
		wakeAll(inotify.watchers[wd])
		if mask&(unix.IN_IGNORED|unix.IN_DELETE_SELF|unix.IN_MOVE_SELF|unix.IN_UNMOUNT) != 0 {
			for w := range inotify.watchers[wd] {
				close(w.wake)
			}
			delete(inotify.watchers, wd)
			// After a move the kernel would go on; after the others there is nothing left to remove.
			_, _ = unix.InotifyRmWatch(inotify.fd, uint32(wd))
		}
	}
}

func wakeAll(all map[*watcher]bool) {
	for w := range all {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}
