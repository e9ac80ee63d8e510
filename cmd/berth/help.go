package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// overview is what berth prints without arguments, above the list of commands.
const overview = `Berth runs containers. There is no daemon: each command does its work and ends, and a small
monitor stays with every running container.

  berth run --rm hello                      the first container, from an image that berth has in it
  berth run -it --rm docker.io/debian bash  a shell in Debian
  berth run -d --name web --network host docker.io/nginx
  berth ps                                  what runs
  berth exec -it web sh                     a shell in it
  berth logs -f web                         what it prints
  berth stop web && berth rm web
`

// newHelpCmd is "berth help COMMAND".
func newHelpCmd() *cobra.Command {
	return &cobra.Command{
		Use:    "help [COMMAND]",
		Short:  "Help on a command",
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			target, rest, err := cmd.Root().Find(args)
			if err != nil || target == nil {
				return unknownCommand(cmd.Root(), strings.Join(args, " "))
			}
			if len(rest) > 0 {
				return unknownCommand(target, rest[0])
			}
			return target.Help()
		},
	}
}

// printHelp writes a command's help to standard output.
func printHelp(cmd *cobra.Command) {
	w := cmd.OutOrStdout()
	if !cmd.HasParent() {
		fmt.Fprintf(w, "%s\nUsage: berth [GLOBAL FLAGS] COMMAND [FLAGS] [ARGUMENTS]\n", overview)
	} else {
		printUsage(w, cmd)
	}
	printCommands(w, cmd)
	printFlags(w, "Flags", cmd.LocalNonPersistentFlags())
	if cmd.HasParent() {
		fmt.Fprint(w, "\nGlobal flags: see 'berth --help'.\n")
		return
	}
	printFlags(w, "Global flags", cmd.PersistentFlags())
	fmt.Fprint(w, "\n'berth COMMAND --help' tells more about a command.\n")
}

// printUsage writes what a command is for and how it is called.
func printUsage(w io.Writer, cmd *cobra.Command) {
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	fmt.Fprintf(w, "%s\n\nUsage: %s\n", strings.TrimSpace(text), cmd.UseLine())
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(w, "Also:  %s\n", strings.Join(cmd.Aliases, ", "))
	}
	if cmd.Example != "" {
		fmt.Fprintf(w, "\nExamples:\n%s\n", indent(cmd.Example))
	}
}

// printCommands lists the commands below cmd, by group where there are groups.
func printCommands(w io.Writer, cmd *cobra.Command) {
	if !cmd.HasAvailableSubCommands() {
		return
	}
	for _, g := range cmd.Groups() {
		fmt.Fprintf(w, "\n%s:\n", g.Title)
		listCommands(w, cmd, g.ID)
	}
	if len(cmd.Groups()) == 0 {
		fmt.Fprint(w, "\nCommands:\n")
		listCommands(w, cmd, "")
	}
}

func listCommands(w io.Writer, cmd *cobra.Command, group string) {
	for _, c := range cmd.Commands() {
		if c.GroupID == group && c.IsAvailableCommand() {
			fmt.Fprintf(w, "  %-12s %s\n", c.Name(), c.Short)
		}
	}
}

// printFlags lists flags, wrapped to the terminal's width.
func printFlags(w io.Writer, heading string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	width := 100
	if fd, ok := terminalOf(w); ok {
		if cols, _, err := term.GetSize(fd); err == nil && cols >= 60 {
			width = cols
		}
	}
	fmt.Fprintf(w, "\n%s:\n%s", heading, flags.FlagUsagesWrapped(width))
}

// indent puts two blanks before each line.
func indent(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i, l := range lines {
		lines[i] = "  " + strings.TrimLeft(l, "\t")
	}
	return strings.Join(lines, "\n")
}
