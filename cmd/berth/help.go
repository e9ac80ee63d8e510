package main

import (
	"fmt"
	"io"
	"slices"
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

// flagGroup is the annotation of a flag that belongs under a heading of its own in the help.
const flagGroup = "berth_group"

// groupFlags puts the flags that define adds under a heading.
func groupFlags(f *pflag.FlagSet, heading string, define func(*pflag.FlagSet)) {
	group := pflag.NewFlagSet(heading, pflag.ContinueOnError)
	define(group)
	group.VisitAll(func(flag *pflag.Flag) {
		if flag.Annotations == nil {
			flag.Annotations = map[string][]string{}
		}
		flag.Annotations[flagGroup] = []string{heading}
		f.AddFlag(flag)
	})
}

// printFlags lists flags: those without a group below heading, and then those of each group.
func printFlags(w io.Writer, heading string, flags *pflag.FlagSet) {
	byGroup := map[string][]*pflag.Flag{}
	order := []string{heading}
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		group := heading
		if g := f.Annotations[flagGroup]; len(g) > 0 {
			group = g[0]
		}
		if group != heading && byGroup[group] == nil {
			order = append(order, group)
		}
		byGroup[group] = append(byGroup[group], f)
	})
	slices.SortFunc(order[1:], func(x, y string) int { return slices.Index(flagGroups, x) - slices.Index(flagGroups, y) })
	width := helpWidth(w)
	for _, group := range order {
		if len(byGroup[group]) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s:\n", group)
		for _, f := range byGroup[group] {
			printFlag(w, f, width)
		}
	}
}

// helpWidth is how long lines of help may be.
func helpWidth(w io.Writer) int {
	if fd, ok := terminalOf(w); ok {
		if cols, _, err := term.GetSize(fd); err == nil && cols >= 60 {
			return min(cols, 130)
		}
	}
	return 100
}

// flagColumn is where the descriptions of flags begin.
const flagColumn = 32

func printFlag(w io.Writer, f *pflag.Flag, width int) {
	value, usage := pflag.UnquoteUsage(f)
	if f.Name == "help" {
		usage = "Show this help"
	}
	switch value {
	case "strings", "stringArray", "uint", "uint16":
		value = map[bool]string{true: "text", false: "n"}[strings.HasPrefix(value, "s")]
	case "int", "int64", "uint64":
		value = "n"
	case "string":
		value = "text"
	}
	left := "      --" + f.Name
	if f.Shorthand != "" {
		left = "  -" + f.Shorthand + ", --" + f.Name
	}
	if value != "" {
		left += " " + value
	}
	if !strings.Contains(usage, "default") && !slices.Contains([]string{"", "0", "false", "[]", "-1"}, f.DefValue) {
		usage += " (default " + f.DefValue + ")"
	}
	if len(left) > flagColumn-2 {
		fmt.Fprintln(w, left)
		left = ""
	}
	for _, line := range wrap(usage, width-flagColumn) {
		fmt.Fprintf(w, "%-*s%s\n", flagColumn, left, line)
		left = ""
	}
}

// wrap breaks a text at blanks into lines of at most width.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// indent puts two blanks before each line.
func indent(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i, l := range lines {
		lines[i] = "  " + strings.TrimLeft(l, "\t")
	}
	return strings.Join(lines, "\n")
}
