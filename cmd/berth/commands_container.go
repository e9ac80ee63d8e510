package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// entry is a command that can be made: making one, with its flags, takes up to 100 µs, and one run of the program needs one.
type entry struct {
	name  string
	group string
	make  func(*app) *cobra.Command
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
	{"wait", groupInside, newWaitCmd},
	{"ps", groupLook, newPsCmd},
	{"logs", groupLook, newLogsCmd},
	{"top", groupLook, newTopCmd},
	{"port", groupLook, newPortCmd},
}

// onlyContainerEntries are below "container" alone.
var onlyContainerEntries = []entry{
	{"inspect", "", newContainerInspectCmd},
	{"exists", "", newExistsCmd},
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
		root.AddCommand(e.make(a))
		return
	}
	for _, e := range containerEntries {
		cmd := e.make(a)
		cmd.GroupID = e.group
		root.AddCommand(cmd)
	}
	root.AddCommand(newInspectCmd(a), newContainerCmd(a, nil))
	root.AddCommand(imageAndSystemCommands(a)...)
}

// newContainerCmd is the parent of the container commands; with words, of the one they name if it is plain which.
func newContainerCmd(a *app, words []string) *cobra.Command {
	parent := parentCmd("container", "The commands of containers, and a few more")
	parent.GroupID = groupSystem
	all := slices.Concat(containerEntries, onlyContainerEntries)
	if len(words) > 0 {
		if e := entryNamed(all, words[0]); e != nil {
			parent.AddCommand(e.make(a))
			return parent
		}
	}
	for _, e := range all {
		parent.AddCommand(e.make(a))
	}
	return parent
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
