package libpod

import (
	"fmt"
	"path"
	"time"

	"github.com/docker/go-units"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
)

// ListContainer is a container in podman's list.
type ListContainer struct {
	AutoRemove bool     `json:"AutoRemove"`
	Command    []string `json:"Command"`
	// Created is a Unix time in seconds; CreatedAt how long ago that was, in words.
	Created   int64             `json:"Created"`
	CreatedAt string            `json:"CreatedAt"`
	CIDFile   string            `json:"CIDFile,omitempty"`
	Exited    bool              `json:"Exited"`
	ExitedAt  int64             `json:"ExitedAt"` // Unix seconds
	ExitCode  int32             `json:"ExitCode"`
	ID        string            `json:"Id"`
	Image     string            `json:"Image"`
	ImageID   string            `json:"ImageID"`
	IsInfra   bool              `json:"IsInfra"`
	Labels    map[string]string `json:"Labels"`
	Mounts    []string          `json:"Mounts"` // the paths in the container
	Names     []string          `json:"Names"`
	Networks  []string          `json:"Networks"`
	Pid       int               `json:"Pid"`
	Pod       string            `json:"Pod"`
	PodName   string            `json:"PodName"`
	Ports     []PortMapping     `json:"Ports"`
	Restarts  uint              `json:"Restarts"`
	Size      *ContainerSize    `json:"Size"`
	StartedAt int64             `json:"StartedAt"` // Unix seconds
	State     string            `json:"State"`
	Status    string            `json:"Status"`
}

// PortMapping is a published port.
type PortMapping struct {
	HostIP        string `json:"host_ip"`
	ContainerPort uint16 `json:"container_port"`
	HostPort      uint16 `json:"host_port"`
	Range         uint16 `json:"range"`
	Protocol      string `json:"protocol"`
}

// ContainerSize is how much disk a container takes, in bytes.
type ContainerSize struct {
	RootFsSize int64 `json:"rootFsSize"`
	RwSize     int64 `json:"rwSize"`
}

// NewListContainer makes the list's entry of a container as it is at now.
func NewListContainer(s *engine.Summary, now time.Time) ListContainer {
	c, state := &s.Config, &s.State
	l := ListContainer{
		AutoRemove: c.AutoRemove,
		Command:    c.Process.Args(),
		Created:    c.Created.Unix(), CreatedAt: ago(c.Created, now),
		CIDFile: c.CIDFile,
		Exited:  s.Status == container.Exited || s.Status == container.Stopped, ExitedAt: unixTime(state.Finished),
		ExitCode: int32(state.ExitCode),
		ID:       c.ID, Image: c.Image.Name, ImageID: c.Image.ID, Labels: dict(c.Labels),
		Mounts: []string{}, Names: []string{c.Name}, Networks: networks(c.Network.Namespace), Pod: c.Pod,
		Restarts: state.Restarts, StartedAt: unixTime(state.Started),
		State: string(s.Status), Status: StatusText(s, now),
	}
	if s.Status.Alive() {
		l.Pid = state.PID
	}
	if c.RootfsPath != "" {
		l.Image = c.RootfsPath
	}
	for _, m := range c.Mounts {
		l.Mounts = append(l.Mounts, path.Clean(m.Destination))
	}
	for _, p := range c.Network.Ports {
		l.Ports = append(l.Ports, PortMapping{
			HostIP: p.HostIP, ContainerPort: p.ContainerPort, HostPort: p.HostPort, Range: max(p.Range, 1), Protocol: p.Protocol,
		})
	}
	if s.Size != nil {
		l.Size = &ContainerSize{RootFsSize: s.Size.RootFS, RwSize: s.Size.RW}
	}
	return l
}

// networks are the names of the networks that a container is on.
func networks(n container.Namespace) []string {
	switch mode := NetworkMode(n); mode {
	case "none", "host":
		return []string{mode}
	}
	return []string{}
}

// StatusText is a status as Docker's and podman's lists show it: "Up 3 minutes", "Exited (0) 5 seconds ago".
func StatusText(s *engine.Summary, now time.Time) string {
	up := "Up " + units.HumanDuration(max(now.Sub(s.State.Started), 0))
	switch s.Status {
	case container.Running:
		if h := s.State.Health; h != nil && h.Status != "" {
			return up + " (" + h.Status + ")"
		}
		return up
	case container.Paused:
		return up + " (Paused)"
	case container.Stopping:
		return up + " (Stopping)"
	case container.Exited, container.Stopped:
		return ended("Exited", s, now)
	case container.Restarting:
		return ended("Restarting", s, now)
	case container.Removing:
		return "Removing"
	case container.Initialized:
		return "Initialized"
	}
	return "Created"
}

func ended(word string, s *engine.Summary, now time.Time) string {
	text := fmt.Sprintf("%s (%d)", word, s.State.ExitCode)
	if s.State.Finished.IsZero() {
		return text
	}
	return text + " " + ago(s.State.Finished, now)
}

func ago(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return units.HumanDuration(max(now.Sub(t), 0)) + " ago"
}

// unixTime is 0 rather than a date before Christ for the zero time.
func unixTime(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
