package gate

import (
	"context"
	"os"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// Watch returns a channel that gets a value after commits by any process, and is closed when ctx ends, as store.Store says.
func (g *Gate) Watch(ctx context.Context) (<-chan struct{}, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, errdefs.Unavailable("cannot watch %s: inotify_init1: %w: raise fs.inotify.max_user_instances", g.f.Name(), err)
	}
	f := os.NewFile(uintptr(fd), "inotify")
	// A modification is a commit; closing, also by the death of a process, may be one that could not say so.
	if _, err := unix.InotifyAddWatch(fd, g.f.Name(), unix.IN_MODIFY|unix.IN_CLOSE_WRITE); err != nil {
		f.Close()
		return nil, errdefs.Unavailable("cannot watch %s: inotify_add_watch: %w", g.f.Name(), err)
	}
	ch := make(chan struct{}, 1)
	stop := context.AfterFunc(ctx, func() { f.Close() })
	go func() {
		defer close(ch)
		defer stop()
		buf := make([]byte, 4096)
		for {
			if _, err := f.Read(buf); err != nil {
				f.Close()
				return
			}
			select {
			case ch <- struct{}{}:
			default: // there is one to be taken already
			}
		}
	}()
	return ch, nil
}
