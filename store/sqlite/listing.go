package sqlite

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	jsoniter "github.com/json-iterator/go"

	"github.com/berth-engine/berth/container"
)

// chunkRows is how many containers of a listing are decoded at a time. A listing of no more than one chunk is decoded by
// encoding/json, whose first use costs less; more of them by json-iterator, which takes a third of the time, on all
// processors.
const chunkRows = 32

// listing decodes containers while they are being read, and gives them on in the order they were read in.
type listing struct {
	fn      func(*container.Container) bool
	filling *chunk
	// decoding are the chunks that the workers have, the oldest first.
	decoding []*chunk
	work     chan *chunk
}

// errStopped ends a listing that wants no more.
var errStopped = errors.New("stopped")

// undecodable is a record that cannot be decoded.
type undecodable struct{ err error }

func (e *undecodable) Error() string { return fmt.Sprintf("a record cannot be read: %v", e.err) }

// add takes a row whose columns 0 and 1 are configuration and state.
func (l *listing) add(r row) error {
	if l.filling == nil {
		l.filling = newChunk()
	}
	if l.filling.full() {
		l.hand(l.filling)
		l.filling = newChunk()
		if len(l.decoding) == cap(l.work) {
			if err := l.give(); err != nil {
				return err
			}
		}
	}
	l.filling.add(r, 0)
	l.filling.add(r, 1)
	return nil
}

// hand gives a full chunk to the workers, starting them first.
func (l *listing) hand(k *chunk) {
	if l.work == nil {
		n := runtime.GOMAXPROCS(0)
		l.work = make(chan *chunk, 2*n)
		for range n {
			go func() {
				for k := range l.work {
					k.decode(jsoniter.Unmarshal)
				}
			}()
		}
	}
	l.decoding = append(l.decoding, k)
	l.work <- k
}

// give waits for the oldest chunk and calls fn for what is in it.
func (l *listing) give() error {
	k := l.decoding[0]
	l.decoding = l.decoding[1:]
	<-k.done
	return l.each(k)
}

func (l *listing) each(k *chunk) error {
	if k.err != nil {
		return &undecodable{k.err}
	}
	for i := range k.out {
		if !l.fn(k.out[i]) {
			return errStopped
		}
	}
	return nil
}

// finish gives on what is left.
func (l *listing) finish() error {
	for len(l.decoding) > 0 {
		if err := l.give(); err != nil {
			return err
		}
	}
	if l.filling == nil {
		return nil
	}
	unmarshal := json.Unmarshal
	if l.work != nil {
		unmarshal = jsoniter.Unmarshal
	}
	l.filling.decode(unmarshal)
	return l.each(l.filling)
}

// close lets the workers go.
func (l *listing) close() {
	if l.work != nil {
		close(l.work)
	}
}

// chunk is a part of a listing: the JSON of configuration and state of some containers, one after the other.
type chunk struct {
	json []byte
	ends []int // of each configuration and each state, alternately
	out  []*container.Container
	err  error
	done chan struct{} // closed when it is decoded
}

// buffers are those that chunks had their JSON in.
var buffers = sync.Pool{New: func() any { return make([]byte, 0, 4096*chunkRows) }}

func newChunk() *chunk {
	return &chunk{json: buffers.Get().([]byte), ends: make([]int, 0, 2*chunkRows), done: make(chan struct{})}
}

func (k *chunk) add(r row, column int) {
	at := len(k.json)
	end := at + r.ColumnLen(column)
	k.json = slices.Grow(k.json, end-at)[:end]
	r.ColumnBytes(column, k.json[at:])
	k.ends = append(k.ends, end)
}

func (k *chunk) full() bool { return len(k.ends) == 2*chunkRows }

func (k *chunk) decode(unmarshal func([]byte, any) error) {
	defer close(k.done)
	k.out = make([]*container.Container, len(k.ends)/2)
	at := 0
	for i := range k.out {
		c := new(container.Container) // on its own, so that keeping one keeps no others
		k.out[i] = c
		for j, into := range []any{&c.Config, &c.State} {
			end := k.ends[2*i+j]
			if err := unmarshal(k.json[at:end], into); err != nil && k.err == nil {
				k.err = err
			}
			at = end
		}
	}
	buffers.Put(k.json[:0])
	k.json, k.ends = nil, nil
}
