package sqlite

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"sync"

	jsoniter "github.com/json-iterator/go"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/store/internal/rules"
)

// encode makes the JSON of a record.
func encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, errdefs.Internal("a record cannot be encoded: %w", err)
	}
	return b, nil
}

// decode reads a record from a column.
func (c *conn) decode(r row, column int, into any) error {
	return c.decodeBytes(columnBytes(r, column), into)
}

func (c *conn) decodeBytes(b []byte, into any) error {
	if err := json.Unmarshal(b, into); err != nil {
		return rules.Damaged(c.path, fmt.Sprintf("a record cannot be read: %v", err))
	}
	return nil
}

// columnBytes returns a copy of a column.
func columnBytes(r row, column int) []byte {
	b := make([]byte, r.ColumnLen(column))
	r.ColumnBytes(column, b)
	return b
}

// stateRecord is a container's state as it is stored.
type stateRecord struct {
	status string
	json   []byte
}

func encodeState(s container.State) (stateRecord, error) {
	b, err := encode(s)
	return stateRecord{string(s.Status), b}, err
}

func (c *conn) decodeState(r row, column int) (s container.State, err error) {
	err = c.decode(r, column, &s)
	return s, err
}

// chunkRows is how many containers of a listing are decoded at a time. A listing of no more than one chunk is decoded by
// encoding/json, whose first use costs less; more of them by json-iterator, which takes a third of the time, on all
// processors.
const chunkRows = 64

// buffers are those that chunks had their JSON in.
var buffers = sync.Pool{New: func() any { return make([]byte, 0, 4096*chunkRows) }}

// chunk is a part of a listing: the JSON of configuration and state of some containers, one after the other.
type chunk struct {
	json []byte
	ends []int // of each configuration and each state, alternately
	out  []*container.Container
	err  error
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
	records := make([]container.Container, len(k.ends)/2)
	k.out = make([]*container.Container, len(records))
	at := 0
	for i := range records {
		c := &records[i]
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

// listing decodes containers while they are being read.
type listing struct {
	chunks []*chunk
	work   chan *chunk
	wait   sync.WaitGroup
}

// add takes a row whose columns 0 and 1 are configuration and state.
func (l *listing) add(r row) {
	if n := len(l.chunks); n == 0 || l.chunks[n-1].full() {
		if n > 0 {
			l.hand(l.chunks[n-1])
		}
		l.chunks = append(l.chunks, &chunk{json: buffers.Get().([]byte), ends: make([]int, 0, 2*chunkRows)})
	}
	k := l.chunks[len(l.chunks)-1]
	k.add(r, 0)
	k.add(r, 1)
}

// hand gives a full chunk to the workers, starting them first.
func (l *listing) hand(k *chunk) {
	if l.work == nil {
		l.work = make(chan *chunk, 16)
		for range runtime.GOMAXPROCS(0) {
			l.wait.Go(func() {
				for k := range l.work {
					k.decode(jsoniter.Unmarshal)
				}
			})
		}
	}
	l.work <- k
}

// finish returns all containers, in the order they were added in.
func (l *listing) finish(path string) ([]*container.Container, error) {
	if n := len(l.chunks); n > 0 {
		unmarshal := json.Unmarshal
		if l.work != nil {
			unmarshal = jsoniter.Unmarshal
		}
		l.chunks[n-1].decode(unmarshal)
	}
	if l.work != nil {
		close(l.work)
		l.wait.Wait()
	}
	var all []*container.Container
	for _, k := range l.chunks {
		if k.err != nil {
			return nil, rules.Damaged(path, fmt.Sprintf("a record cannot be read: %v", k.err))
		}
		all = append(all, k.out...)
	}
	return all, nil
}
