package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/engine"
)

// entry is a command that can be made: making one, with its flags, takes up to 100 µs, and one run of the program needs one.
type entry struct {
	name  string
	group string
	make  func(*app) *cobra.Command
}

// command makes the command and has a shell complete its arguments.
func (e *entry) command(a *app) *cobra.Command {
	cmd := e.make(a)
	switch e.name {
	case "run", "create":
		cmd.ValidArgsFunction = first(completeImages(a))
	case "exec", "attach", "top", "port", "rename", "clone", "commit":
		cmd.ValidArgsFunction = first(completeContainers(a))
	case "ps", "prune", "cleanup", "cp":
	default:
		cmd.ValidArgsFunction = completeContainers(a)
	}
	return cmd
}

// containerEntries are the commands that are at the top level and below "container".
var containerEntries = []entry{
	{"run", groupRun, newRunCmd},
	{"create", groupRun, newCreateCmd},
	{"start", groupRun, newStartCmd},
	{"stop", groupRun, newStopCmd},
	{"restart", groupRun, newRestartCmd},
	{"kill", groupRun, newKillCmd},
	{"rm", groupRun, newRmCmd},
	{"init", groupRun, newInitCmd},
	{"exec", groupInside, newExecCmd},
	{"attach", groupInside, newAttachCmd},
	{"pause", groupInside, newPauseCmd},
	{"unpause", groupInside, newUnpauseCmd},
	{"rename", groupInside, newRenameCmd},
	{"update", groupInside, newUpdateCmd},
	{"wait", groupInside, newWaitCmd},
	{"commit", groupInside, newCommitCmd},
	{"cp", groupInside, newCpCmd},
	{"export", groupInside, newExportCmd},
	{"mount", groupInside, newMountCmd},
	{"unmount", groupInside, newUnmountCmd},
	{"ps", groupLook, newPsCmd},
	{"logs", groupLook, newLogsCmd},
	{"top", groupLook, newTopCmd},
	{"stats", groupLook, newStatsCmd},
	{"port", groupLook, newPortCmd},
}

// onlyContainerEntries are below "container" alone.
var onlyContainerEntries = []entry{
	{"inspect", "", newContainerInspectCmd},
	{"diff", "", newContainerDiffCmd},
	{"exists", "", newExistsCmd},
	{"clone", "", newCloneCmd},
	{"prune", "", newContainerPruneCmd},
	{"cleanup", "", newCleanupCmd},
}

// addCommands adds the commands to root: the one that the arguments name, if it is plain which, else all, among which cobra
// finds it, or its help, or what was meant.
func addCommands(a *app, root *cobra.Command, args []string) {
	words := commandWords(args)
	if len(words) == 0 {
		if slices.ContainsFunc(args, func(s string) bool { return s == "--version" || s == "-v" }) {
			return
		}
	} else if words[0] == "container" {
		root.AddCommand(newContainerCmd(a, words[1:]))
		return
	} else if e := entryNamed(containerEntries, words[0]); e != nil {
		root.AddCommand(e.command(a))
		return
	}
	for _, e := range containerEntries {
		cmd := e.command(a)
		cmd.GroupID = e.group
		root.AddCommand(cmd)
	}
	inspect := newInspectCmd(a)
	inspect.ValidArgsFunction = completeContainers(a)
	diff := newDiffCmd(a)
	diff.ValidArgsFunction = completeContainers(a)
	root.AddCommand(inspect, diff, newContainerCmd(a, nil))
	root.AddCommand(imageAndSystemCommands(a)...)
}

// newContainerCmd is the parent of the container commands; with words, of the one they name if it is plain which.
func newContainerCmd(a *app, words []string) *cobra.Command {
	parent := parentCmd("container", "The commands of containers, and a few more")
	parent.GroupID = groupSystem
	all := slices.Concat(containerEntries, onlyContainerEntries)
	if len(words) > 0 {
		if e := entryNamed(all, words[0]); e != nil {
			parent.AddCommand(e.command(a))
			return parent
		}
	}
	for _, e := range all {
		parent.AddCommand(e.command(a))
	}
	return parent
}

// completeContainers completes the names of containers.
func completeContainers(a *app) cobra.CompletionFunc {
	return completeNames(func(ctx context.Context) ([]string, error) {
		s, err := a.services(ctx)
		if err != nil {
			return nil, err
		}
		found, err := s.Containers.List(ctx, engine.ListOptions{All: true})
		names := make([]string, len(found))
		for i, c := range found {
			names[i] = c.Config.Name
		}
		return names, err
	})
}

// first completes the first argument, and leaves the others to the shell.
func first(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return complete(cmd, args, begun)
	}
}

func entryNamed(entries []entry, name string) *entry {
	for i := range entries {
		if entries[i].name == name {
			return &entries[i]
		}
	}
	return nil
}

// commandWords are the words of a command line from the command's name on: all after the global flags.
func commandWords(args []string) []string {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case !strings.HasPrefix(arg, "-"):
			return args[i:]
		case arg == "--debug", arg == "-D", strings.Contains(arg, "="):
		case arg == "--version", arg == "-v", arg == "--help", arg == "-h", arg == "--", !strings.HasPrefix(arg, "--"):
			return nil
		default:
			i++ // its value
		}
	}
	return nil
}
