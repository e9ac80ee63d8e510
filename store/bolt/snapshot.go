package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"os"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store/internal/gate"
	"github.com/berth-engine/berth/store/internal/rules"
)

// snapshot is a copy of the file in memory. Its users are counted under Store.mu.
type snapshot struct {
	db    *bbolt.DB
	file  *os.File // the copy, which db closes
	meta  meta
	users int
	kept  bool // by the Store, for the next View
}

// snapshot returns one of the newest commit, which release gives back.
func (s *Store) snapshot(ctx context.Context) (*snapshot, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, gate.ExplainFile(err)
	}
	defer f.Close()
	now, err := newest(f)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	if s.kept != nil && s.kept.meta.txid == now.txid {
		defer s.mu.Unlock()
		s.kept.users++
		return s.kept, nil
	}
	s.mu.Unlock()
	snap, err := s.copy(ctx, f)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	snap.users = 1
	if !s.closed {
		s.forget()
		s.kept, snap.kept = snap, true
	}
	return snap, nil
}

// release gives a snapshot back.
func (s *Store) release(snap *snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap.users--
	if snap.users == 0 && !snap.kept {
		snap.db.Close()
	}
}

// forget keeps no snapshot any more. The caller holds mu.
func (s *Store) forget() {
	if s.kept == nil {
		return
	}
	if s.kept.kept = false; s.kept.users == 0 {
		s.kept.db.Close()
	}
	s.kept = nil
}

// attempts is how many copies are made while others commit, before commits are made to wait.
const attempts = 20

// copy copies the newest commit, as the package comment says.
func (s *Store) copy(ctx context.Context, f *os.File) (*snapshot, error) {
	for range attempts {
		snap, err := tryCopy(f)
		if snap != nil || err != nil {
			return snap, err
		}
	}
	unlock, err := s.gate.Lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	snap, err := tryCopy(f)
	if err == nil && snap == nil {
		err = errdefs.Unavailable("%s: another program writes to it without its lock", s.path)
	}
	return snap, err
}

// tryCopy returns nil if there was a commit meanwhile.
func tryCopy(f *os.File) (*snapshot, error) {
	before, err := newest(f)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("berth-snapshot", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, errdefs.Internal("memfd_create: %w", err)
	}
	memory := os.NewFile(uintptr(fd), "snapshot of "+f.Name())
	if err := before.copyTo(memory, f); err != nil {
		memory.Close()
		return nil, err
	}
	if after, err := newest(f); err != nil || after.txid != before.txid {
		memory.Close()
		return nil, err
	}
	var db *bbolt.DB
	err = guard(f.Name(), func() (err error) {
		db, err = bbolt.Open(f.Name(), 0, &bbolt.Options{
			ReadOnly: true, NoStatistics: true,
			OpenFile: func(string, int, os.FileMode) (*os.File, error) { return memory, nil }, // closed with db
		})
		return explain(f.Name(), err)
	})
	if err != nil {
		return nil, err
	}
	return &snapshot{db: db, file: memory, meta: before}, nil
}

// meta is what a commit says of itself.
type meta struct {
	txid uint64
	root uint64 // the page where the list of buckets begins
	free uint64 // the page where the list of free pages begins
	size int64  // bytes that are in use, from the beginning of the file
	head []byte // the two meta pages, as they were read
}

// bbolt's meta pages are pages 0 and 1. Behind the page's header of 16 bytes, in the machine's byte order: magic, version, page size,
// flags (4 bytes each), root bucket (16), freelist page, number of pages in use, transaction, checksum (8 each), the last
// of which is FNV-1a of what is before it.
const (
	metaAt       = 16
	metaLength   = 64
	metaPageSize = 8
	metaRoot     = 16
	metaFree     = 32
	metaPages    = 40
	metaTxid     = 48
	metaSum      = 56
	maxPageSize  = 64 << 10
)

// newest reads the newest valid meta page. ErrCorrupt if there is none.
func newest(f *os.File) (meta, error) {
	size, err := pageSize(f)
	if err != nil {
		return meta{}, err
	}
	head := make([]byte, 2*size)
	if _, err := f.ReadAt(head, 0); err != nil {
		return meta{}, readFailed(f, err)
	}
	found := meta{head: head}
	for _, page := range [][]byte{head[:size], head[size:]} {
		m := page[metaAt : metaAt+metaLength]
		if !valid(m) {
			continue
		}
		if txid := binary.NativeEndian.Uint64(m[metaTxid:]); found.size == 0 || txid > found.txid {
			found.txid = txid
			found.root, found.free = binary.NativeEndian.Uint64(m[metaRoot:]), binary.NativeEndian.Uint64(m[metaFree:])
			found.size = int64(binary.NativeEndian.Uint64(m[metaPages:])) * int64(size)
		}
	}
	fi, err := f.Stat()
	switch {
	case err != nil:
		return meta{}, gate.ExplainFile(err)
	case found.size == 0:
		return meta{}, rules.Damaged(f.Name(), "no meta page is valid")
	case found.size > fi.Size():
		return meta{}, rules.Damaged(f.Name(), "the file is cut short")
	}
	return found, nil
}

// sound says whether the newest commit's pages are all in the file. Behind its end a mapping of it has nothing.
func sound(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return gate.ExplainFile(err)
	}
	defer f.Close()
	_, err = newest(f)
	return err
}

// pageSize is that of the file: the first meta page says it or, where that is damaged, the second, which is found at each possible
// size.
func pageSize(f *os.File) (int, error) {
	m := make([]byte, metaLength)
	for at := 0; at <= maxPageSize; at = max(2*at, 1024) {
		if _, err := f.ReadAt(m, int64(at)+metaAt); err != nil {
			if errors.Is(err, io.EOF) {
				break
			}
			return 0, readFailed(f, err)
		}
		size := int(binary.NativeEndian.Uint32(m[metaPageSize:]))
		if valid(m) && size >= 1024 && size <= maxPageSize && (at == 0 || at == size) {
			return size, nil
		}
	}
	return 0, rules.Damaged(f.Name(), "no meta page is valid")
}

func valid(m []byte) bool {
	sum := fnv.New64a()
	sum.Write(m[:metaSum])
	return binary.NativeEndian.Uint64(m[metaSum:]) == sum.Sum64()
}

func readFailed(f *os.File, err error) error {
	if errors.Is(err, io.EOF) {
		return rules.Damaged(f.Name(), "the file is cut short")
	}
	return errdefs.Internal("%s: cannot be read: %w", f.Name(), err)
}

// copyTo copies the pages in use, and the meta pages as they were read.
func (m meta) copyTo(memory, f *os.File) error {
	failed := func(err error) error { return errdefs.Internal("%s: cannot be copied to memory: %w", f.Name(), err) }
	if err := memory.Truncate(m.size); err != nil {
		return failed(err)
	}
	from := int64(len(m.head))
	if _, err := memory.Seek(from, io.SeekStart); err != nil {
		return failed(err)
	}
	for from < m.size {
		n, err := unix.Sendfile(int(memory.Fd()), int(f.Fd()), &from, int(min(m.size-from, 1<<30)))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return failed(err)
		case n == 0:
			return rules.Damaged(f.Name(), "the file is cut short")
		}
	}
	if _, err := memory.WriteAt(m.head, 0); err != nil {
		return failed(err)
	}
	return nil
}
