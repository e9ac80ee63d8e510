package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/berth-engine/berth/store/internal/keyed"
)

// bbolt's pages begin with 16 bytes: number (8), flags (2), count of elements (2), number of pages that follow as a part of it (4). The
// elements, of 16 bytes each, come next. Of a branch: where its key is, from its own beginning on (4), the key's length (4), the page
// below (8). Of a leaf: flags (4), where its key is (4), the lengths of key and value (4 each), the value being behind the key. The
// value of a bucket is the number of its first page (8) and a counter (8); for a small one the number is 0, and the page lies behind.
// The list of free pages is numbers (8); if there are 65535 or more, the first of them is their count.
const (
	pageHeader    = 16
	elementLength = 16
	bucketHeader  = 16
	flagBranch    = 1
	flagLeaf      = 2
	flagFree      = 0x10
	flagBucket    = 1 // of a leaf's element
	countIsFirst  = 0xffff
)

// pageWalk goes through all pages of a copy that can be reached, trusting none of them.
type pageWalk struct {
	file *os.File
	meta meta
	// visit, if it is set, is called with all that can be read.
	visit func(bucket string, key, value []byte)

	seen    map[uint64]bool
	buckets map[string]bool
	bucket  string // the one that is gone through, empty for the list of buckets
	last    []byte // its last key so far
	// problems are those of each bucket.
	problems map[string][]error
}

// walkPages returns what is wrong with the pages of a copy, and calls visit, if it is not nil, for what is right.
func walkPages(file *os.File, m meta, visit func(bucket string, key, value []byte)) map[string][]error {
	w := &pageWalk{
		file: file, meta: m, visit: visit, seen: map[uint64]bool{0: true, 1: true}, buckets: map[string]bool{}, problems: map[string][]error{},
	}
	w.page(m.root)
	w.bucket = ""
	for _, name := range keyed.Tables() {
		if !w.buckets[name] {
			w.wrong("the bucket %s is missing", name)
		}
	}
	w.free()
	return w.problems
}

func (w *pageWalk) wrong(format string, args ...any) {
	w.problems[w.bucket] = append(w.problems[w.bucket], fmt.Errorf(format, args...))
}

// read returns a page, with those that are a part of it, and notes that it has been seen. nil if it cannot be one.
func (w *pageWalk) read(n uint64) []byte {
	size := uint64(len(w.meta.head) / 2)
	end := uint64(w.meta.size) / size // the first number that is not in use
	if n >= end {
		w.wrong("page %d is not in use", n)
		return nil
	}
	head := make([]byte, pageHeader)
	if _, err := w.file.ReadAt(head, int64(n*size)); err != nil {
		w.wrong("page %d: %w", n, err)
		return nil
	}
	more := uint64(binary.NativeEndian.Uint32(head[12:]))
	if binary.NativeEndian.Uint64(head) != n || n+more >= end {
		w.wrong("page %d is not what it should be", n)
		return nil
	}
	for i := n; i <= n+more; i++ {
		if w.seen[i] {
			w.wrong("page %d is part of two others, or of itself", i)
			return nil
		}
		w.seen[i] = true
	}
	page := make([]byte, (more+1)*size)
	if _, err := w.file.ReadAt(page, int64(n*size)); err != nil && !errors.Is(err, io.EOF) {
		w.wrong("page %d: %w", n, err)
		return nil
	}
	return page
}

// page goes through a page and what is below it.
func (w *pageWalk) page(n uint64) {
	if page := w.read(n); page != nil {
		w.elements(page)
	}
}

// elements goes through those of a branch or a leaf.
func (w *pageWalk) elements(page []byte) {
	if len(page) < pageHeader {
		w.wrong("a page is cut short")
		return
	}
	flags, count := binary.NativeEndian.Uint16(page[8:]), int(binary.NativeEndian.Uint16(page[10:]))
	if flags != flagBranch && flags != flagLeaf || flags == flagBranch && count == 0 || pageHeader+count*elementLength > len(page) {
		w.wrong("page %d is neither a branch nor a leaf", binary.NativeEndian.Uint64(page))
		return
	}
	for i := range count {
		at := pageHeader + i*elementLength
		if flags == flagLeaf {
			w.leaf(page, at)
			continue
		}
		if part(page, at, binary.NativeEndian.Uint32(page[at:]), binary.NativeEndian.Uint32(page[at+4:])) == nil {
			w.wrong("a key reaches beyond its page")
		}
		w.page(binary.NativeEndian.Uint64(page[at+8:]))
	}
}

// leaf takes one element of a leaf.
func (w *pageWalk) leaf(page []byte, at int) {
	flags, pos := binary.NativeEndian.Uint32(page[at:]), binary.NativeEndian.Uint32(page[at+4:])
	key := part(page, at, pos, binary.NativeEndian.Uint32(page[at+8:]))
	value := part(page, at+len(key), pos, binary.NativeEndian.Uint32(page[at+12:]))
	if key == nil || value == nil {
		w.wrong("an entry reaches beyond its page")
		return
	}
	if w.last != nil && bytes.Compare(key, w.last) <= 0 {
		w.wrong("keys are out of order")
	}
	w.last = key
	switch {
	case (flags == flagBucket) != (w.bucket == ""):
		w.wrong("a bucket is where none should be, or none where one should be")
	case flags == flagBucket:
		w.into(string(key), value)
	case w.visit != nil:
		w.visit(w.bucket, key, value)
	}
}

// into goes through a bucket, whose value is given.
func (w *pageWalk) into(name string, value []byte) {
	outer := w.last
	w.bucket, w.last = name, nil
	defer func() { w.bucket, w.last = "", outer }()
	if name == "" || len(value) < bucketHeader {
		w.wrong("a bucket has no name or no beginning")
		return
	}
	w.buckets[name] = true
	if first := binary.NativeEndian.Uint64(value); first != 0 {
		w.page(first)
	} else {
		w.elements(value[bucketHeader:])
	}
}

// part is a part of a page, nil if it reaches beyond it.
func part(page []byte, at int, pos, length uint32) []byte {
	from, to := int64(at)+int64(pos), int64(at)+int64(pos)+int64(length)
	if to > int64(len(page)) {
		return nil
	}
	return page[from:to:to]
}

// free goes through the list of free pages: bbolt writes over what is in it.
func (w *pageWalk) free() {
	page := w.read(w.meta.free)
	if page == nil {
		return
	}
	count, ids := uint64(binary.NativeEndian.Uint16(page[10:])), page[pageHeader:]
	if count == countIsFirst {
		count, ids = binary.NativeEndian.Uint64(ids), ids[8:]
	}
	if binary.NativeEndian.Uint16(page[8:]) != flagFree || count > uint64(len(ids)/8) {
		w.wrong("the list of free pages is not one")
		return
	}
	end := uint64(w.meta.size) / uint64(len(w.meta.head)/2)
	for i := range count {
		id := binary.NativeEndian.Uint64(ids[8*i:])
		if id >= end || w.seen[id] {
			w.wrong("page %d is in use and in the list of free pages", id)
			return
		}
		w.seen[id] = true
	}
}
