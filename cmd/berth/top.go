package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/engine"
)

// newTopCmd is berth top.
func newTopCmd(a *app) *cobra.Command {
	var (
		sel  selection
		list bool
	)
	cmd := &cobra.Command{
		Use:   "top [FLAGS] CONTAINER [DESCRIPTOR... | PS-OPTIONS]",
		Short: "Show the processes of a container",
		Long: `Show the processes of a running container. Nothing of the container's own is run for it.

What is shown of each is chosen by descriptors (pid, user, args, …), or in the manner of ps(1) by -o and a list of them. Other
options of ps, such as -ef or aux, change nothing.`,
		Example: "berth top web\nberth top web pid user args\nberth top web -eo pid,comm",
		Args: func(cmd *cobra.Command, args []string) error {
			if list {
				return noArgs(cmd, args)
			}
			return sel.checkOne(0)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if list {
				_, err := fmt.Fprintln(a.out, strings.Join(engine.TopColumns(), "\n"))
				return err
			}
			return a.top(cmd.Context(), sel, args)
		},
	}
	cmd.Flags().SetInterspersed(false)
	sel.latestFlag(cmd.Flags())
	cmd.Flags().BoolVar(&list, "list-descriptors", false, "Print the descriptors that there are")
	return cmd
}

func (a *app) top(ctx context.Context, sel selection, args []string) error {
	c, ref, rest, err := a.one(ctx, sel, args)
	if err != nil {
		return err
	}
	table, err := c.Top(ctx, ref, topDescriptors(rest))
	if err != nil {
		return err
	}
	return printTop(a.out, table)
}

// psNames are descriptors that ps(1) calls otherwise.
var psNames = map[string]string{
	"cmd": "args", "command": "args", "ucmd": "comm", "ni": "nice", "s": "state", "stat": "state", "tt": "tty", "tname": "tty",
	"%cpu": "pcpu", "cputime": "time", "start": "stime", "start_time": "stime", "rssize": "rss", "vsize": "vsz", "euser": "user",
	"uname": "user", "euid": "uid", "egroup": "group", "egid": "gid",
}

// topDescriptors takes descriptors as they are, and options of ps for what they have to do with columns: the list after -o.
func topDescriptors(args []string) []string {
	var columns []string
	psStyle := false
	for i := 0; i < len(args); i++ {
		letters, isOption := strings.CutPrefix(args[i], "-")
		if !isOption && args[i] != "aux" && args[i] != "ax" {
			if !psStyle {
				columns = append(columns, args[i])
			}
			continue
		}
		psStyle = true
		if strings.HasPrefix(letters, "-") {
			continue // a long option
		}
		_, list, hasList := strings.Cut(letters, "o")
		if !hasList {
			continue
		}
		if list == "" && i+1 < len(args) {
			i++
			list = args[i]
		}
		for name := range strings.SplitSeq(list, ",") {
			name, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(name)), "=")
			if descriptor, ok := psNames[name]; ok {
				name = descriptor
			}
			columns = append(columns, name)
		}
	}
	return columns
}

// printTop aligns the columns; the last one, mostly a command line, is as wide as it is.
func printTop(w io.Writer, t engine.TopResult) error {
	tw := tabwriter.NewWriter(w, 5, 1, 3, ' ', 0)
	fmt.Fprintln(tw, strings.Join(t.Titles, "\t"))
	for _, p := range t.Processes {
		fmt.Fprintln(tw, strings.Join(p, "\t"))
	}
	return tw.Flush()
}
