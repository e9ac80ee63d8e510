package engine

import (
	"context"
	"time"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/internal/tree"
	"github.com/berth-engine/berth/store"
	"github.com/berth-engine/berth/volume"
)

// DiskUsage is how much disk everything takes, in bytes.
type DiskUsage struct {
	Images     []ImageUsage
	Containers []ContainerUsage
	Volumes    []VolumeUsage

	// Layers is what the images' layers take, each counted once; UnusedLayers the part of it in no image that a container uses.
	Layers, UnusedLayers int64
}

// ImageUsage is one image's.
type ImageUsage struct {
	ID      string
	Names   []string
	Created time.Time
	// Size is that of all its layers, Shared the part in layers that other images have too.
	Size, Shared int64
	// Containers is how many were made from it.
	Containers int
}

// ContainerUsage is one container's.
type ContainerUsage struct {
	ID, Name, ImageID, ImageName string
	Command                      []string
	Created                      time.Time
	Status                       container.Status
	// Volumes is how many it mounts.
	Volumes int
	// Size is that of its writable layer.
	Size int64
}

// VolumeUsage is one volume's.
type VolumeUsage struct {
	Name string
	// Users is how many containers mount it.
	Users int
	Size  int64
}

// Usage sums one kind up: how many there are, how many are in use, what they take, and what removing the others gives back.
type Usage struct {
	Total, Active     int
	Size, Reclaimable int64
}

// ImagesTotal sums the images up.
func (u *DiskUsage) ImagesTotal() Usage {
	t := Usage{Total: len(u.Images), Size: u.Layers, Reclaimable: u.UnusedLayers}
	for _, i := range u.Images {
		if i.Containers > 0 {
			t.Active++
		}
	}
	return t
}

// ContainersTotal sums the containers up; those that run are in use.
func (u *DiskUsage) ContainersTotal() Usage {
	t := Usage{Total: len(u.Containers)}
	for _, c := range u.Containers {
		t.Size += c.Size
		if c.Status.Alive() {
			t.Active++
		} else {
			t.Reclaimable += c.Size
		}
	}
	return t
}

// VolumesTotal sums the volumes up.
func (u *DiskUsage) VolumesTotal() Usage {
	t := Usage{Total: len(u.Volumes)}
	for _, v := range u.Volumes {
		t.Size += v.Size
		if v.Users > 0 {
			t.Active++
		} else {
			t.Reclaimable += v.Size
		}
	}
	return t
}

// DiskUsage measures images, containers and volumes. It walks the files of every writable layer and volume, and takes no lock:
// what changes meanwhile is counted or not.
func (s *System) DiskUsage(ctx context.Context) (*DiskUsage, error) {
	e := s.e
	var all []*container.Container
	var volumes []*volume.Volume
	users := map[string]int{}
	err := e.store.View(ctx, func(tx store.Tx) (err error) {
		if all, err = tx.Containers().All(); err != nil {
			return err
		}
		if volumes, err = tx.Volumes().All(); err != nil {
			return err
		}
		for _, v := range volumes {
			ids, err := tx.Volumes().Users(v.Name)
			if err != nil {
				return err
			}
			users[v.Name] = len(ids)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	u := &DiskUsage{}
	if err := e.measureContainers(ctx, u, all); err != nil {
		return nil, err
	}
	for _, v := range volumes {
		size, err := tree.Size(ctx, v.Mountpoint)
		if err != nil {
			return nil, err
		}
		u.Volumes = append(u.Volumes, VolumeUsage{Name: v.Name, Users: users[v.Name], Size: size})
	}
	return u, e.measureImages(ctx, u, all)
}

func (e *Engine) measureContainers(ctx context.Context, u *DiskUsage, all []*container.Container) error {
	for _, c := range all {
		e.showTruth(c)
		size, err := e.size(ctx, c)
		if err != nil {
			return err
		}
		row := ContainerUsage{
			ID: c.Config.ID, Name: c.Config.Name, ImageID: c.Config.Image.ID, ImageName: c.Config.Image.Name,
			Command: c.Config.Process.Args(), Created: c.Config.Created, Status: c.State.Status, Size: size.RW,
		}
		for _, m := range c.Config.Mounts {
			if m.Type == "volume" {
				row.Volumes++
			}
		}
		u.Containers = append(u.Containers, row)
	}
	return nil
}

// measureImages counts each layer once, whatever the number of images that stand on it.
func (e *Engine) measureImages(ctx context.Context, u *DiskUsage, all []*container.Container) error {
	usage, err := e.images.DiskUsage(ctx)
	if err != nil {
		return err
	}
	made := map[string]int{}
	for _, c := range all {
		made[c.Config.Image.ID]++
	}
	u.Layers, u.UnusedLayers = usage.Size, usage.Size
	counted := map[string]bool{}
	for i := range usage.Images {
		img := &usage.Images[i]
		u.Images = append(u.Images, ImageUsage{
			ID: img.ID, Names: img.Names, Created: img.Created, Size: img.Size, Shared: img.SharedSize, Containers: made[img.ID],
		})
		if made[img.ID] == 0 {
			continue
		}
		for n, layer := range chains(img.DiffIDs) {
			if !counted[layer] {
				counted[layer] = true
				u.UnusedLayers -= img.LayerSizes[n]
			}
		}
	}
	return nil
}

// chains names each layer by the digests of itself and of all layers below it.
func chains(diffIDs []string) []string {
	names := make([]string, len(diffIDs))
	below := ""
	for i, d := range diffIDs {
		below += d
		names[i] = below
	}
	return names
}
