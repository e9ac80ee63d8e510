package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/image"
)

// newHistoryCmd is berth history.
func newHistoryCmd(a *app) *cobra.Command {
	var format string
	var human, noTrunc, quiet bool
	cmd := &cobra.Command{
		Use:     "history [FLAGS] IMAGE",
		Short:   "Show how an image was made, layer by layer",
		Example: "berth history --no-trunc debian",
		Args:    exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l := listing{
				Format: format, Default: `{{.ID}}\t{{.Created}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}`,
				Heads: map[string]string{"CreatedSince": "CREATED"},
			}
			return showHistory(cmd.Context(), a, args[0], l, historyStyle{human: human, noTrunc: noTrunc, quiet: quiet})
		},
		ValidArgsFunction: completeImages(a),
	}
	f := cmd.Flags()
	f.StringVar(&format, "format", "", "Print as json, or by a Go `template`")
	f.BoolVarP(&human, "human", "H", true, "Show sizes and times in words")
	f.BoolVar(&noTrunc, "no-trunc", false, "Show whole IDs and commands")
	f.BoolVarP(&quiet, "quiet", "q", false, "Print IDs only")
	completeFlag(cmd, "format", "json", "table")
	return cmd
}

type historyStyle struct{ human, noTrunc, quiet bool }

// historyRow is one line of history, by podman's and Docker's names.
type historyRow struct {
	ID, Created, CreatedSince, CreatedAt string
	CreatedBy, Size, Comment             string
	Tags                                 []string
}

// historyWire is one in --format json, in podman's shape.
type historyWire struct {
	ID        string    `json:"id"`
	Created   time.Time `json:"created"`
	CreatedBy string    `json:"CreatedBy"`
	Size      int64     `json:"size"`
	Comment   string    `json:"comment"`
	Tags      []string  `json:"tags,omitempty"`
}

// createdByWidth is how much of a command the table shows.
const createdByWidth = 45

func showHistory(ctx context.Context, a *app, ref string, l listing, style historyStyle) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	entries, err := s.Images.History(ctx, ref)
	if err != nil {
		return err
	}
	rows := make([]historyRow, len(entries))
	wires := make([]historyWire, len(entries))
	for i, e := range entries {
		rows[i] = newHistoryRow(e, style, a.now())
		wires[i] = historyWire{
			ID: e.ID, Created: e.Created, CreatedBy: e.CreatedBy, Size: e.Size, Comment: e.Comment, Tags: e.Tags,
		}
	}
	if style.quiet {
		for _, r := range rows {
			fmt.Fprintln(a.out, r.ID)
		}
		return nil
	}
	return l.print(a.out, rows, wires)
}

func newHistoryRow(e image.HistoryEntry, style historyStyle, now time.Time) historyRow {
	r := historyRow{
		ID: shortID(e.ID, style.noTrunc), CreatedSince: ago(e.Created, now), CreatedAt: e.Created.Format(time.RFC3339),
		CreatedBy: strings.Join(strings.Fields(e.CreatedBy), " "), Size: humanSize(e.Size), Comment: e.Comment, Tags: e.Tags,
	}
	r.Created = r.CreatedSince
	if !style.human {
		r.Created, r.Size = r.CreatedAt, fmt.Sprint(e.Size)
	}
	if short := truncate(r.CreatedBy, createdByWidth-1); !style.noTrunc && short != r.CreatedBy {
		r.CreatedBy = short + "…"
	}
	return r
}
