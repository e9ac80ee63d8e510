package event

import "time"

// Line is an event as podman writes it: its keys, in JSON, are those of podman events --format json and of podman's event log
// (events_logger = "file" in containers.conf(5)), and Seq, which is Berth's.
type Line struct {
	ID                string            `json:"ID,omitempty"`
	Name              string            `json:"Name,omitempty"`
	Image             string            `json:"Image,omitempty"`
	Type              string            `json:"Type"`
	Status            string            `json:"Status"`
	Time              time.Time         `json:"Time"`
	ContainerExitCode *int              `json:"ContainerExitCode,omitempty"`
	Attributes        map[string]string `json:"Attributes,omitempty"`
	Seq               uint64            `json:"Seq"`
}

// Line returns the event in podman's words.
func (e Event) Line() Line {
	return Line{
		ID: e.ID, Name: e.Name, Image: e.Image, Type: string(e.Type), Status: string(e.Action), Time: e.Time,
		ContainerExitCode: e.ExitCode, Attributes: e.Attributes, Seq: e.Seq,
	}
}
