package logs

import (
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/berth-engine/berth/errdefs"
)

// file is one of a log's files, open.
type file struct {
	f        *os.File
	name     named
	modified time.Time
	// unpacked holds the contents of a compressed file, once they are needed.
	unpacked *os.File
}

// files are a log's, oldest first.
type files []*file

func (fs files) close() {
	for _, f := range fs {
		f.close()
	}
}

func (f *file) close() {
	f.f.Close()
	if f.unpacked != nil {
		f.unpacked.Close()
	}
}

// plain is the file with its contents uncompressed, in a temporary file without a name if need be.
func (f *file) plain() (*os.File, error) {
	if !f.name.packed {
		return f.f, nil
	}
	if f.unpacked != nil {
		return f.unpacked, nil
	}
	tmp, err := os.CreateTemp("", "berth-log-")
	if err != nil {
		return nil, errdefs.Unavailable("reading compressed log %s: %w", f.f.Name(), err)
	}
	os.Remove(tmp.Name())
	z, err := gzip.NewReader(io.NewSectionReader(f.f, 0, 1<<62))
	if err == nil {
		_, err = io.Copy(tmp, z)
	}
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		tmp.Close()
		return nil, errdefs.Internal("reading compressed log %s: %w", f.f.Name(), err)
	}
	f.unpacked = tmp
	return tmp, nil
}

// named is a file of a log as the directory has it.
type named struct {
	name   string
	age    int // 0 for the current one, n for path.n
	packed bool
	dev    uint64
	ino    uint64
}

// list returns the log's files, newest first. Renames meanwhile may show a file twice or not at all; consistent does not.
func (r *reader) list() ([]named, error) {
	entries, err := os.ReadDir(r.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, errdefs.Internal("listing log files: %w", err)
	}
	var out []named
	for _, e := range entries {
		n, ok := r.recognize(e.Name())
		if !ok {
			continue
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		st := info.Sys().(*syscall.Stat_t)
		n.dev, n.ino = st.Dev, st.Ino
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b named) int { return a.age - b.age })
	return out, nil
}

// recognize reads path, path.N and path.N.gz.
func (r *reader) recognize(name string) (named, bool) {
	if name == r.base {
		return named{name: name}, true
	}
	number, ok := strings.CutPrefix(name, r.base+".")
	if !ok {
		return named{}, false
	}
	number, packed := strings.CutSuffix(number, ".gz")
	age, err := strconv.ParseUint(number, 10, 31)
	if err != nil || age == 0 {
		return named{}, false
	}
	return named{name: name, age: int(age), packed: packed}, true
}

// consistent returns the log's files as they were at one moment between two rotations: what is listed twice the same.
func (r *reader) consistent() ([]named, error) {
	before, err := r.list()
	for err == nil {
		if err := r.ctx.Err(); err != nil {
			return nil, err
		}
		var after []named
		if after, err = r.list(); slices.Equal(before, after) {
			return after, err
		}
		before = after
	}
	return nil, err
}

// open opens all files, oldest first. A rotation meanwhile makes it begin again.
func (r *reader) open() (files, error) {
	for {
		list, err := r.consistent()
		if err != nil {
			return nil, err
		}
		slices.Reverse(list)
		var out files
		for _, n := range list {
			f, err := r.openNamed(n)
			if err != nil {
				out.close()
				return nil, err
			}
			if f == nil {
				break
			}
			out = append(out, f)
		}
		if len(out) == len(list) {
			return out, nil
		}
		out.close()
	}
}

// openNamed opens a listed file; nil if another one has the name now.
func (r *reader) openNamed(n named) (*file, error) {
	f, err := os.Open(filepath.Join(r.dir, n.name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		class := errdefs.ErrInternal
		if errors.Is(err, fs.ErrPermission) {
			class = errdefs.ErrPermissionDenied
		}
		return nil, errdefs.New(class, "opening log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, errdefs.Internal("opening log: %w", err)
	}
	if !isFile(info, n) {
		f.Close()
		return nil, nil
	}
	return &file{f: f, name: n, modified: info.ModTime()}, nil
}

func isFile(info fs.FileInfo, n named) bool {
	st := info.Sys().(*syscall.Stat_t)
	return st.Dev == n.dev && st.Ino == n.ino
}
