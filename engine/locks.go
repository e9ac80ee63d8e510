package engine

import (
	"context"
	"strings"
	"time"

	"github.com/berth-engine/berth/lock"
)

// LockHolder is a process that has the lock of an object, or waits for it.
type LockHolder struct {
	// Type is container, volume, image or engine; empty for an object that is gone, or is being made.
	Type     string
	ID, Name string
	PID      int
	Command  string
	// Since is when the lock was taken; zero for one who waits.
	Since   time.Time
	Waiting bool
	Shared  bool
}

// Locks returns who has the locks of objects, and who waits for one. It takes none itself.
func (s *System) Locks(ctx context.Context) ([]LockHolder, error) {
	objects, err := s.e.lockable(ctx)
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(objects))
	for id := range objects {
		ids = append(ids, id)
	}
	holders, err := s.e.locks.Holders(ctx, ids)
	if err != nil {
		return nil, err
	}
	list := make([]LockHolder, 0, len(holders))
	for _, h := range holders {
		l := objects[h.ID]
		l.PID, l.Command, l.Since, l.Waiting, l.Shared = h.PID, h.Command, h.Since, h.Waiting, h.Shared
		list = append(list, l)
	}
	return list, nil
}

// lockable are all objects that have a lock, by the lock's ID.
func (e *Engine) lockable(ctx context.Context) (map[string]LockHolder, error) {
	objects := map[string]LockHolder{
		lock.Name(refreshLock):       {Type: "engine", Name: refreshLock},
		lock.Name(cgroupParentsLock): {Type: "engine", Name: cgroupParentsLock},
	}
	containers, err := e.all(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range containers {
		objects[c.Config.ID] = LockHolder{Type: "container", ID: c.Config.ID, Name: c.Config.Name}
		if id := c.Config.Image.ID; id != "" {
			objects[lock.Name(imageLock+id)] = LockHolder{Type: "image", ID: id, Name: c.Config.Image.Name}
		}
		for _, name := range volumeNames(c) {
			objects[lock.Name(volumeLock+name)] = LockHolder{Type: "volume", Name: name}
		}
	}
	volumes, err := e.Volumes.List(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, v := range volumes {
		objects[lock.Name(volumeLock+v.Name)] = LockHolder{Type: "volume", Name: v.Name}
	}
	return objects, nil
}

// The names of locks that belong to no object with an ID of the lock table's kind. The order in which one process takes several is: refresh,
// images, containers by ID, volumes by name or the cgroup parents.
const (
	refreshLock = "refresh"
	imageLock   = "image:"
	volumeLock  = "volume:"

	cgroupParentsLock = "cgroup-parents"
)

// lockRank is the place of a lock's kind in the order.
func lockRank(id string) int {
	name, isName := strings.CutPrefix(id, lock.Name(""))
	switch {
	case !isName:
		return 2
	case name == refreshLock:
		return 0
	case strings.HasPrefix(name, imageLock):
		return 1
	}
	return 3
}
