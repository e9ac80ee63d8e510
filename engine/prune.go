package engine

import (
	"context"
	"sync"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/errdefs"
)

// Pruned is what became of one container that was to be pruned.
type Pruned struct {
	ID string
	// Freed is what it had written, in bytes, and is now gone.
	Freed int64
	// Err is why it could not be removed.
	Err error
}

// prunedAtOnce is how many containers are removed at the same time.
const prunedAtOnce = 8

// Prune removes the containers that do not run, wait for no restart and are selected by the filters, with their anonymous volumes. One
// that has come to run meanwhile, or that others depend on which stay, is left alone and not in the result. The result is ordered as
// List's.
//
// Filters are those of List. The error is of the selection; of each removal it is in the result.
func (s *Containers) Prune(ctx context.Context, filters map[string][]string) ([]Pruned, error) {
	list, err := s.List(ctx, ListOptions{All: true, Filters: filters})
	if err != nil {
		return nil, err
	}
	var idle []Summary
	for _, c := range list {
		if !c.Status.Alive() && c.Status != container.Restarting {
			idle = append(idle, c)
		}
	}
	outcomes := make([]Pruned, len(idle))
	left := make([]int, len(idle))
	for i := range idle {
		left[i] = i
	}
	// What depends on others goes before them, pass by pass.
	for before := len(left) + 1; len(left) > 0 && len(left) < before; {
		before = len(left)
		left = s.pruneEach(ctx, idle, left, outcomes)
	}
	var done []Pruned
	for _, p := range outcomes {
		if p.ID != "" {
			done = append(done, p)
		}
	}
	return done, nil
}

// pruneEach removes those containers of the list at once, and returns which of them are in somebody's way.
func (s *Containers) pruneEach(ctx context.Context, list []Summary, which []int, outcomes []Pruned) (left []int) {
	var (
		all   sync.WaitGroup
		lock  sync.Mutex
		slots = make(chan struct{}, prunedAtOnce)
	)
	for _, i := range which {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			p, conflict := s.pruneOne(ctx, list[i].Container)
			lock.Lock()
			defer lock.Unlock()
			if outcomes[i] = p; conflict {
				left = append(left, i)
			}
		})
	}
	all.Wait()
	return left
}

// pruneOne removes one container. The zero value says that somebody else has, or, with conflict, that it is not to be removed now.
func (s *Containers) pruneOne(ctx context.Context, c *container.Container) (p Pruned, conflict bool) {
	size, err := s.e.size(ctx, c)
	if err != nil {
		size = SizeInfo{} // it is being removed by somebody else, or its files are damaged
	}
	_, err = s.Remove(ctx, c.Config.ID, RemoveOptions{Volumes: true})
	switch errdefs.Class(err) {
	case nil:
		return Pruned{ID: c.Config.ID, Freed: size.RW}, false
	case errdefs.ErrNotFound:
		return Pruned{}, false
	case errdefs.ErrConflict:
		return Pruned{}, true
	}
	return Pruned{ID: c.Config.ID, Err: err}, false
}
