package monitor

import "syscall"

// handler is told that a descriptor is ready. It must not block. It may be told so in vain, when the descriptor's number had
// another meaning a moment ago.
type handler interface{ ready(events uint32) }

// loop is the epoll loop. Handlers are found by the number of their descriptor, which is small.
type loop struct {
	epoll    int
	handlers []handler
	events   [16]syscall.EpollEvent
	few      [32]handler // room for the first
}

func (l *loop) open() (err error) {
	l.handlers = l.few[:]
	l.epoll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	return err
}

// watch has h called when any of the events happens on fd; an error or a hang-up always counts.
func (l *loop) watch(fd int, events uint32, h handler) {
	for len(l.handlers) <= fd {
		l.handlers = append(l.handlers, nil)
	}
	l.handlers[fd] = h
	event := syscall.EpollEvent{Events: events, Fd: int32(fd)}
	if syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_ADD, fd, &event) == syscall.EEXIST {
		syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_MOD, fd, &event)
	}
}

func (l *loop) unwatch(fd int) {
	if fd < 0 || fd >= len(l.handlers) || l.handlers[fd] == nil {
		return
	}
	l.handlers[fd] = nil
	syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_DEL, fd, nil)
}

// close stops watching fd and closes it.
func (l *loop) close(fd int) {
	if fd >= 0 {
		l.unwatch(fd)
		syscall.Close(fd)
	}
}

// wait handles what is ready within the timeout, in nanoseconds, below 0 for ever. It reports false when time is up, true also when a
// signal came: a child may have ended, and another may end before the next call, whose signal nobody then sees.
func (l *loop) wait(timeout int64) bool {
	milliseconds := -1
	if timeout >= 0 {
		milliseconds = int((timeout + 999_999) / 1_000_000)
	}
	n, err := syscall.EpollWait(l.epoll, l.events[:], milliseconds)
	for i := 0; i < n; i++ {
		fd := int(l.events[i].Fd)
		if h := l.handlers[fd]; h != nil {
			h.ready(l.events[i].Events)
		}
	}
	return n > 0 || err == syscall.EINTR
}
