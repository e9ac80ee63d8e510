package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berth-engine/berth/api/libpod"
	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
)

// psRow is a container as the templates of berth ps see it: podman's fields from ListContainer, and methods for those that
// people read, by the names that Docker and podman have for them.
type psRow struct {
	*libpod.ListContainer

	s       *engine.Summary
	now     time.Time
	noTrunc bool
}

// field implements fielder for the columns of the default tables.
func (r *psRow) field(name string) (string, bool) {
	switch name {
	case "ID":
		return r.ID(), true
	case "Image":
		return r.Image, true
	case "Command":
		return r.Command(), true
	case "Created":
		return r.Created(), true
	case "Status":
		return r.Status, true
	case "Ports":
		return r.Ports(), true
	case "Names":
		return r.Names(), true
	}
	return "", false
}

// ID is the ID, short unless asked for in full.
func (r psRow) ID() string { return shortID(r.ListContainer.ID, r.noTrunc) }

// ImageID is the image's.
func (r psRow) ImageID() string { return shortID(r.ListContainer.ImageID, r.noTrunc) }

// Command is what runs, cut to a column's width unless asked for in full.
func (r psRow) Command() string {
	command := strings.Join(r.ListContainer.Command, " ")
	if r.noTrunc || len([]rune(command)) <= 20 {
		return command
	}
	return truncate(command, 17) + "..."
}

// Created, CreatedHuman and RunningFor are how long ago the container was made.
func (r psRow) Created() string      { return ago(r.s.Config.Created, r.now) }
func (r psRow) CreatedHuman() string { return r.Created() }
func (r psRow) RunningFor() string   { return r.Created() }

// CreatedAt is when it was made.
func (r psRow) CreatedAt() string { return stamp(r.s.Config.Created) }

// Names is the name; no container has two.
func (r psRow) Names() string { return strings.Join(r.ListContainer.Names, ",") }

// Name is Names.
func (r psRow) Name() string { return r.Names() }

// Labels are all labels, sorted.
func (r psRow) Labels() string {
	pairs := make([]string, 0, len(r.ListContainer.Labels))
	for k, v := range r.ListContainer.Labels {
		pairs = append(pairs, k+"="+v)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}

// Label is the value of one label.
func (r psRow) Label(name string) string { return r.ListContainer.Labels[name] }

// Mounts are the paths of the mounts in the container.
func (r psRow) Mounts() string { return strings.Join(r.ListContainer.Mounts, ",") }

// LocalVolumes is how many volumes are mounted, as a text.
func (r psRow) LocalVolumes() string {
	n := 0
	for _, m := range r.s.Config.Mounts {
		if m.Type == container.Volume {
			n++
		}
	}
	return strconv.Itoa(n)
}

// Networks are the names of the networks.
func (r psRow) Networks() string { return strings.Join(r.ListContainer.Networks, ",") }

// Platform is the image's, as Docker has it.
func (r psRow) Platform() string {
	i := &r.s.Config.Image
	if i.OS == "" {
		return ""
	}
	p := i.OS + "/" + i.Architecture
	if i.Variant != "" {
		p += "/" + i.Variant
	}
	return p
}

// Ports are the published ports.
func (r psRow) Ports() string {
	var out []string
	for _, p := range r.s.Config.Network.Ports {
		host := p.HostIP
		if host == "" {
			host = "0.0.0.0"
		}
		out = append(out, fmt.Sprintf("%s:%s->%s/%s", host, portRange(p.HostPort, p.Range), portRange(p.ContainerPort, p.Range), p.Protocol))
	}
	return strings.Join(out, ", ")
}

func portRange(first, n uint16) string {
	if n <= 1 {
		return strconv.Itoa(int(first))
	}
	return fmt.Sprintf("%d-%d", first, first+n-1)
}

// CGROUPNS and those after it are the numbers of the namespaces, by podman's names; only with --ns.
func (r psRow) CGROUPNS() string { return r.s.Namespaces.Cgroup }
func (r psRow) IPC() string      { return r.s.Namespaces.IPC }
func (r psRow) MNT() string      { return r.s.Namespaces.Mount }
func (r psRow) NET() string      { return r.s.Namespaces.Network }
func (r psRow) PIDNS() string    { return r.s.Namespaces.PID }
func (r psRow) USERNS() string   { return r.s.Namespaces.User }
func (r psRow) UTS() string      { return r.s.Namespaces.UTS }

// Size is what the container wrote, and what it takes with its image.
func (r psRow) Size() string {
	if r.s.Size == nil {
		return ""
	}
	return fmt.Sprintf("%s (virtual %s)", humanSize(r.s.Size.RW), humanSize(r.s.Size.RootFS))
}

// MarshalJSON makes {{json .}} Docker's: one flat object of texts.
func (r psRow) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{
		"ID": r.ID(), "Image": r.Image, "Command": strconv.Quote(r.Command()), "CreatedAt": r.CreatedAt(), "RunningFor": r.RunningFor(),
		"Status": r.Status, "State": r.s.Status.Docker(), "Ports": r.Ports(), "Names": r.Names(), "Labels": r.Labels(),
		"LocalVolumes": r.LocalVolumes(), "Mounts": r.Mounts(), "Networks": r.Networks(), "Size": r.Size(), "Platform": r.Platform(),
	})
}
