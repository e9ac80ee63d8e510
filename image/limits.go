package image

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/berth-engine/berth/errdefs"
)

// What one layer, or one archive of images, may unpack to. The numbers are above what any image known has, and the environment can
// raise them; the free space of the disk bounds a layer besides.
const (
	// MaxLayerBytes is what the files of a layer, or the whole of a compressed archive, may have. BytesVariable overrides it.
	MaxLayerBytes = 1 << 40
	// MaxLayerEntries is how many files, directories and links a layer may have. EntriesVariable overrides it.
	MaxLayerEntries = 5_000_000
	// MaxLayerDepth is how many directories deep a file of a layer may lie.
	MaxLayerDepth = 512

	// BytesVariable and EntriesVariable are variables of the environment with plain numbers.
	BytesVariable   = "BERTH_MAX_LAYER_BYTES"
	EntriesVariable = "BERTH_MAX_LAYER_ENTRIES"
)

var (
	errLayerBytes   = errors.New("it unpacks to more bytes than allowed: if that is meant, raise " + BytesVariable)
	errLayerEntries = errors.New("it has more files than allowed: if that is meant, raise " + EntriesVariable)
	errLayerDepth   = fmt.Errorf("it has a file more than %d directories deep", MaxLayerDepth)
)

// isLimit reports whether an error says that a limit was broken.
func isLimit(err error) bool {
	return errors.Is(err, errLayerBytes) || errors.Is(err, errLayerEntries) || errors.Is(err, errLayerDepth)
}

// limits bound what is unpacked at a time.
type limits struct{ bytes, entries int64 }

// readLimits reads the limits. ErrInvalidArgument if a variable is no number.
func readLimits() (limits, error) {
	l := limits{bytes: MaxLayerBytes, entries: MaxLayerEntries}
	for name, to := range map[string]*int64{BytesVariable: &l.bytes, EntriesVariable: &l.entries} {
		text := os.Getenv(name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n <= 0 {
			return l, errdefs.Invalid("%s=%q in the environment is not a number above zero", name, text)
		}
		*to = n
	}
	return l, nil
}

// Limits are the bytes and the entries that an archive may unpack to: MaxLayerBytes and MaxLayerEntries, unless the environment has others.
// ErrInvalidArgument if a variable is no number.
func Limits() (bytes, entries int64, err error) {
	l, err := readLimits()
	return l.bytes, l.entries, err
}

// tally counts what an archive unpacks to, by its headers alone: a sparse file counts with its whole size, as it is written.
type tally struct {
	limits
	// space and inodes are what the file system has left; negative for unknown.
	space, inodes int64
	sum, n        int64
}

func newTally(l limits) *tally { return &tally{limits: l, space: -1, inodes: -1} }

// add counts an entry, and says which limit it breaks.
func (t *tally) add(h *tar.Header) error {
	t.n++
	if h.Size > t.bytes-t.sum {
		return errLayerBytes
	}
	t.sum += h.Size
	switch {
	case t.n > t.entries:
		return errLayerEntries
	case strings.Count(path.Clean(h.Name), "/") > MaxLayerDepth:
		return errLayerDepth
	case t.space >= 0 && t.sum > t.space, t.inodes >= 0 && t.n > t.inodes:
		return unix.ENOSPC
	}
	return nil
}

// lookAt finds out what the file system of a directory has left, where that can be compared with the size of files: not where they
// are compressed, or where inodes are made as needed.
func (t *tally) lookAt(fd int) {
	var st unix.Statfs_t
	if unix.Fstatfs(fd, &st) != nil || st.Type == unix.BTRFS_SUPER_MAGIC || st.Type == zfsMagic {
		return
	}
	t.space = int64(st.Bavail) * st.Bsize
	if st.Files > 0 {
		t.inodes = int64(st.Ffree)
	}
}

// zfsMagic is ZFS's in statfs(2), which the kernel's own headers do not have.
const zfsMagic = 0x2fc12fc1

// bounded reads no more than limit bytes.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errLayerBytes
	}
	return n, err
}
