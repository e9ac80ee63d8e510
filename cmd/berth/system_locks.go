package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/engine"
)

// lockRow is one line of system locks.
type lockRow struct {
	Type    string    `json:"Type,omitempty"`
	ID      string    `json:"ID,omitempty"`
	Name    string    `json:"Name,omitempty"`
	PID     int       `json:"PID"`
	Command string    `json:"Command"`
	Since   time.Time `json:"Since,omitzero"`
	State   string    `json:"State"`

	now time.Time
}

// Object names the object for a person.
func (r lockRow) Object() string {
	name := r.Name
	if name == "" {
		name = shortID(r.ID, false)
	}
	if r.Type == "" {
		return "(unknown)"
	}
	return r.Type + " " + name
}

// Held is how long the lock has been held.
func (r lockRow) Held() string { return ago(r.Since, r.now) }

func newLockRow(h engine.LockHolder, now time.Time) lockRow {
	r := lockRow{Type: h.Type, ID: h.ID, Name: h.Name, PID: h.PID, Command: h.Command, Since: h.Since, State: "held", now: now}
	switch {
	case h.Waiting:
		r.State = "waiting"
	case h.Shared:
		r.State = "shared"
	}
	return r
}

func newSystemLocksCmd(a *app) *cobra.Command {
	l := listing{Default: "{{.Object}}\t{{.State}}\t{{.PID}}\t{{.Held}}\t{{.Command}}", Heads: map[string]string{"Held": "SINCE"}}
	cmd := &cobra.Command{
		Use:   "locks [FLAGS]",
		Short: "Show who works on what, and who waits for it",
		Long: `Show which processes have the lock of a container, an image or a volume at this moment, since when, and
which wait for one. A lock is freed by the kernel when its holder ends, however it ends: there is never
one to be cleared, and a holder that hangs can be ended.`,
		Example: "berth system locks --format '{{.PID}} {{.Object}}'",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.services(cmd.Context())
			if err != nil {
				return err
			}
			holders, err := s.System.Locks(cmd.Context())
			if err != nil {
				return err
			}
			rows := make([]lockRow, 0, len(holders))
			for _, h := range holders {
				rows = append(rows, newLockRow(h, a.now()))
			}
			return l.print(a.out, rows, nil)
		},
	}
	cmd.Flags().StringVar(&l.Format, "format", "", "Print as json, or by a Go `template`")
	cmd.Flags().BoolVarP(&l.NoHeading, "noheading", "n", false, "Print no titles")
	completeFlag(cmd, "format", "json", "table")
	return cmd
}
