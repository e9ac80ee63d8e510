package mirror

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	journald "github.com/coreos/go-systemd/v22/journal"

	"github.com/berth-engine/berth/event"
)

// journal is systemd's, with the fields that podman gives its events there, and BERTH_SEQ. A writer that is killed before it has noted what
// it wrote makes the next write it again.
type journal struct{}

func hasJournal() bool { return journald.Enabled() }

func (journal) resume(c cursor) (uint64, error) { return c.seq, nil }
func (journal) finish() (int64, error)          { return 0, nil }

func (journal) write(events []event.Event) error {
	for _, e := range events {
		fields, err := journalFields(e)
		if err != nil {
			return err
		}
		message := strings.TrimRight(strings.Join([]string{string(e.Type), string(e.Action), e.ID, e.Name}, " "), " ")
		if err := journald.Send(message, journald.PriInfo, fields); err != nil {
			return err
		}
	}
	return nil
}

func journalFields(e event.Event) (map[string]string, error) {
	fields := map[string]string{
		"SYSLOG_IDENTIFIER": "berth",
		"PODMAN_EVENT":      string(e.Action),
		"PODMAN_TYPE":       string(e.Type),
		"PODMAN_TIME":       e.Time.Format(time.RFC3339Nano),
		"BERTH_SEQ":         strconv.FormatUint(e.Seq, 10),
	}
	for key, value := range map[string]string{"PODMAN_ID": e.ID, "PODMAN_NAME": e.Name, "PODMAN_IMAGE": e.Image} {
		if value != "" {
			fields[key] = value
		}
	}
	if e.ExitCode != nil {
		fields["PODMAN_EXIT_CODE"] = strconv.Itoa(*e.ExitCode)
	}
	if len(e.Attributes) > 0 {
		labels, err := json.Marshal(e.Attributes)
		if err != nil {
			return nil, err
		}
		fields["PODMAN_LABELS"] = string(labels)
	}
	return fields, nil
}
