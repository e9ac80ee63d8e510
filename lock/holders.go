package lock

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The kernel does not say who has an open-file-description lock, but who has the file open, and for each such descriptor the locks and the
// position in the file (proc_pid_fdinfo(5)). Nobody reads or writes the file, so its position is free to say the rest: since when a lock is
// held, in milliseconds since 1970, or, of a descriptor without a lock, which one is waited for, as its offset without the last waitShift
// bits (a position must lie within the largest file that the file system can have).
const waitShift = 20

func noteHeld(f *os.File)           { _, _ = f.Seek(time.Now().UnixMilli(), io.SeekStart) }
func noteWait(f *os.File, at int64) { _, _ = f.Seek(at>>waitShift|1, io.SeekStart) }

// Holder is a process that has a lock, or waits for one.
type Holder struct {
	// ID is the object's, of those that were asked for; empty if it is none of them.
	ID  string
	PID int
	// Command is the process's command line, with spaces between its arguments.
	Command string
	// Since is when the lock was taken; zero for one who waits.
	Since   time.Time
	Waiting bool
	Shared  bool
}

// Holders returns who has the locks of this table and who waits for one, by process. It takes no lock, and what it returns may have
// changed already. ids are the objects (or Names) that can be told by ID.
//
// Only processes that the caller may inspect are seen: root sees all. The context's error if it ends first.
func (t *Table) Holders(ctx context.Context, ids []string) ([]Holder, error) {
	var names objects
	for _, id := range ids {
		if err := names.add(id); err != nil {
			return nil, err
		}
	}
	path, err := filepath.EvalSymlinks(t.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, t.explain(err)
	}
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return nil, t.explain(err)
	}
	var list []Holder
	for _, p := range processes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if pid, err := strconv.Atoi(p.Name()); err == nil {
			list = append(list, names.of(pid, path)...)
		}
	}
	return list, nil
}

// objects finds an ID by the offset of its lock.
type objects struct {
	exact  map[int64]string
	rounds map[int64]string
}

func (o *objects) add(id string) error {
	at, err := offset(id)
	if err != nil {
		return err
	}
	if o.exact == nil {
		o.exact, o.rounds = map[int64]string{}, map[int64]string{}
	}
	o.exact[at], o.rounds[at>>waitShift|1] = id, id
	return nil
}

// of are the locks of one process, which may end meanwhile.
func (o *objects) of(pid int, path string) []Holder {
	proc := "/proc/" + strconv.Itoa(pid)
	fds, _ := os.ReadDir(proc + "/fd")
	var list []Holder
	for _, fd := range fds {
		if to, err := os.Readlink(proc + "/fd/" + fd.Name()); err != nil || to != path {
			continue
		}
		info, err := os.ReadFile(proc + "/fdinfo/" + fd.Name())
		if err != nil {
			continue
		}
		h := Holder{PID: pid, Command: commandLine(proc)}
		list = append(list, o.locks(info, h)...)
	}
	return list
}

// locks reads a descriptor's fdinfo.
func (o *objects) locks(info []byte, h Holder) []Holder {
	var list []Holder
	var pos int64
	for line := range strings.Lines(string(info)) {
		key, value, _ := strings.Cut(line, ":")
		fields := strings.Fields(value)
		switch {
		case key == "pos" && len(fields) == 1:
			pos, _ = strconv.ParseInt(fields[0], 10, 64)
		case key == "lock" && len(fields) >= 8 && fields[1] == "OFDLCK":
			at, err := strconv.ParseInt(fields[6], 10, 64)
			if err != nil {
				continue
			}
			held := h
			held.ID, held.Shared, held.Since = o.exact[at], fields[3] == "READ", time.UnixMilli(pos)
			list = append(list, held)
		}
	}
	if len(list) == 0 && pos != 0 {
		h.ID, h.Waiting = o.rounds[pos], true
		list = append(list, h)
	}
	return list
}

func commandLine(proc string) string {
	text, err := os.ReadFile(proc + "/cmdline")
	if err != nil {
		return ""
	}
	return string(bytes.ReplaceAll(bytes.TrimRight(text, "\x00"), []byte{0}, []byte{' '}))
}
