package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
)

// newManpagesCmd writes the manual, for make docs.
func newManpagesCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:    "manpages DIR",
		Short:  "Write a man page for each command into a directory",
		Hidden: true,
		Args:   exactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return writeManpages(args[0], cmd.Root())
		},
	}
}

// writeManpages writes DIR/berth-COMMAND.1 for the command and those below it.
func writeManpages(dir string, cmd *cobra.Command) error {
	var page strings.Builder
	manpage(&page, cmd)
	path := filepath.Join(dir, pageName(cmd)+".1")
	if err := os.WriteFile(path, []byte(page.String()), 0o644); err != nil {
		return errdefs.Denied("%w", err)
	}
	for _, sub := range cmd.Commands() {
		if !sub.IsAvailableCommand() {
			continue
		}
		if err := writeManpages(dir, sub); err != nil {
			return err
		}
	}
	return nil
}

// pageName is the command's path with dashes: berth-image-ls.
func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manpage writes one page in the man macros (man(7)).
func manpage(w io.Writer, cmd *cobra.Command) {
	name := pageName(cmd)
	build := engine.Build()
	date := ""
	if !build.Built.IsZero() {
		date = build.Built.UTC().Format("2006-01-02")
	}
	fmt.Fprintf(w, ".TH %q \"1\" %q \"berth %s\" \"Berth\"\n", strings.ToUpper(name), date, roff(build.Version))
	fmt.Fprintf(w, ".SH NAME\n%s \\- %s\n", roff(name), roff(lowerFirst(cmd.Short)))
	fmt.Fprintf(w, ".SH SYNOPSIS\n.B %s\n%s\n", roff(cmd.CommandPath()), roff(strings.TrimSpace(strings.TrimPrefix(cmd.UseLine(), cmd.CommandPath()))))
	fmt.Fprint(w, ".SH DESCRIPTION\n")
	text := cmd.Long
	if !cmd.HasParent() {
		text = overview
	}
	if text == "" {
		text = cmd.Short + "."
	}
	paragraphs(w, text)
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(w, ".PP\nIt is also called %s.\n", roff(strings.Join(cmd.Aliases, ", ")))
	}
	manCommands(w, cmd)
	manFlags(w, "OPTIONS", cmd.LocalNonPersistentFlags())
	if !cmd.HasParent() {
		manFlags(w, "GLOBAL OPTIONS", cmd.PersistentFlags())
	}
	if cmd.Example != "" {
		fmt.Fprintf(w, ".SH EXAMPLES\n.EX\n%s\n.EE\n", roff(strings.TrimSpace(strings.ReplaceAll(cmd.Example, "\t", ""))))
	}
	manSeeAlso(w, cmd)
}

// paragraphs writes text whose paragraphs are parted by empty lines. Indented ones keep their lines.
func paragraphs(w io.Writer, text string) {
	for i, p := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			fmt.Fprint(w, ".PP\n")
		}
		if strings.HasPrefix(p, " ") || strings.HasPrefix(p, "\t") {
			fmt.Fprintf(w, ".EX\n%s\n.EE\n", roff(p))
			continue
		}
		fmt.Fprintln(w, roff(p))
	}
}

func manCommands(w io.Writer, cmd *cobra.Command) {
	if !cmd.HasAvailableSubCommands() {
		return
	}
	fmt.Fprint(w, ".SH COMMANDS\n")
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			fmt.Fprintf(w, ".TP\n\\fB%s\\fR(1)\n%s.\n", roff(pageName(sub)), roff(sub.Short))
		}
	}
}

func manFlags(w io.Writer, heading string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(w, ".SH %s\n", heading)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Deprecated != "" {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		head := "\\fB" + roff("--"+f.Name) + "\\fR"
		if f.Shorthand != "" {
			head = "\\fB" + roff("-"+f.Shorthand) + "\\fR, " + head
		}
		if value != "" {
			head += " \\fI" + roff(value) + "\\fR"
		}
		fmt.Fprintf(w, ".TP\n%s\n%s.\n", head, roff(strings.TrimSuffix(usage, ".")))
		if f.Value.Type() == "bool" && f.DefValue == "true" {
			fmt.Fprint(w, "On by default.\n")
		}
	})
}

func manSeeAlso(w io.Writer, cmd *cobra.Command) {
	if !cmd.HasParent() {
		return
	}
	fmt.Fprintf(w, ".SH SEE ALSO\n\\fB%s\\fR(1)\n", roff(pageName(cmd.Parent())))
}

// roff escapes text for troff: backslashes, dashes that must stay dashes, and a dot or quote that begins a line.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}

// lowerFirst makes the first letter small, unless it begins an abbreviation.
func lowerFirst(s string) string {
	if len(s) < 2 || strings.ToUpper(s[:2]) == s[:2] {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
