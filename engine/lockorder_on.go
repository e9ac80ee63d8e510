//go:build failpoints

package engine

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/berth-engine/berth/lock"
)

type lockTable = *orderedTable

// orderedTable is the table of locks in a build for tests: a goroutine that waits for a lock out of order, which two processes could wait for
// each other by, panics. Trying does not wait.
type orderedTable struct {
	*lock.Table
	mu   sync.Mutex
	held map[string][]string // by goroutine
}

func openLocks(dir string) *orderedTable {
	return &orderedTable{Table: lock.Open(dir), held: map[string][]string{}}
}

func (t *orderedTable) Lock(ctx context.Context, id string) (unlock func(), err error) {
	return t.inOrder(id, func() (func(), error) { return t.Table.Lock(ctx, id) })
}

func (t *orderedTable) RLock(ctx context.Context, id string) (unlock func(), err error) {
	return t.inOrder(id, func() (func(), error) { return t.Table.RLock(ctx, id) })
}

func (t *orderedTable) TryLock(id string) (unlock func(), ok bool, err error) {
	unlock, ok, err = t.Table.TryLock(id)
	if !ok {
		return nil, ok, err
	}
	return t.note(id, unlock), true, nil
}

func (t *orderedTable) inOrder(id string, take func() (func(), error)) (func(), error) {
	t.mu.Lock()
	for _, before := range t.held[goroutine()] {
		if r, b := lockRank(id), lockRank(before); r < b || r == b && id <= before {
			panic(fmt.Sprintf("the lock %s is waited for while %s is held: the order is the other way round", id, before))
		}
	}
	t.mu.Unlock()
	unlock, err := take()
	if err != nil {
		return nil, err
	}
	return t.note(id, unlock), nil
}

// note keeps the lock among those of this goroutine, until it is unlocked by whichever.
func (t *orderedTable) note(id string, unlock func()) func() {
	g := goroutine()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held[g] = append(t.held[g], id)
	return func() {
		t.mu.Lock()
		if i := slices.Index(t.held[g], id); i >= 0 {
			t.held[g] = slices.Delete(t.held[g], i, i+1)
		}
		t.mu.Unlock()
		unlock()
	}
}

// goroutine is the calling one's number, which a stack trace begins with.
func goroutine() string {
	var buf [64]byte
	words := bytes.Fields(buf[:runtime.Stack(buf[:], false)])
	return string(words[1])
}
