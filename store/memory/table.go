package memory

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/berth-engine/berth/errdefs"
)

// snapshot is everything there is at one time: by the table's name, its entries in the order of their keys.
type snapshot map[string][]entry

type entry struct {
	key   string
	value []byte // never changed
}

// tx is a transaction.
type tx struct {
	ctx   context.Context
	ended bool
	lists snapshot // as it began
	own   snapshot // copies of those that were written to
}

func (t *tx) end() { t.ended = true }

// usable says whether the transaction may still be used.
func (t *tx) usable() error {
	if t.ended {
		return errdefs.Internal("a transaction of the store was used after its end")
	}
	return t.ctx.Err()
}

// changed is the snapshot with what was written.
func (t *tx) changed() snapshot {
	next := maps.Clone(t.lists)
	maps.Copy(next, t.own)
	return next
}

// table implements keyed.Table.
type table struct {
	*tx
	name string
}

// entries are the table's as they are now.
func (t table) entries() []entry {
	if own, ok := t.own[t.name]; ok {
		return own
	}
	return t.lists[t.name]
}

// writable are the same, to be changed.
func (t table) writable() []entry {
	if _, ok := t.own[t.name]; !ok {
		t.own[t.name] = slices.Clone(t.lists[t.name])
	}
	return t.own[t.name]
}

func find(entries []entry, key string) (int, bool) {
	return slices.BinarySearchFunc(entries, key, func(e entry, key string) int { return strings.Compare(e.key, key) })
}

func (t table) Get(key string) ([]byte, error) {
	if err := t.usable(); err != nil {
		return nil, err
	}
	entries := t.entries()
	if i, ok := find(entries, key); ok {
		return entries[i].value, nil
	}
	return nil, nil
}

func (t table) Put(key string, value []byte) error {
	if err := t.usable(); err != nil {
		return err
	}
	entries := t.writable()
	e := entry{key, append(make([]byte, 0, len(value)), value...)}
	i, ok := find(entries, key)
	if ok {
		entries[i] = e
	} else {
		entries = slices.Insert(entries, i, e)
	}
	t.own[t.name] = entries
	return nil
}

func (t table) Delete(key string) error {
	if err := t.usable(); err != nil {
		return err
	}
	if i, ok := find(t.entries(), key); ok {
		t.own[t.name] = slices.Delete(t.writable(), i, i+1)
	}
	return nil
}

func (t table) Scan(from string, fn func(key string, value []byte) (bool, error)) error {
	if err := t.usable(); err != nil {
		return err
	}
	entries := t.entries()
	i, _ := find(entries, from)
	for _, e := range entries[i:] {
		if more, err := fn(e.key, e.value); err != nil || !more {
			return err
		}
	}
	return nil
}

func (t table) Last() (string, error) {
	if err := t.usable(); err != nil {
		return "", err
	}
	if entries := t.entries(); len(entries) > 0 {
		return entries[len(entries)-1].key, nil
	}
	return "", nil
}
