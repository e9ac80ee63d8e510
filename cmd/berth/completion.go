package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/errdefs"
)

// newCompletionCmd prints the script that makes a shell complete berth's commands, flags and names.
func newCompletionCmd(a *app) *cobra.Command {
	var file string
	var noDesc bool
	cmd := &cobra.Command{
		Use:   "completion [FLAGS] bash|zsh|fish",
		Short: "Print a shell's completion script",
		Long: `Print the script that makes a shell complete berth's commands, flags and the names of containers,
images and volumes. 'make install' puts all three in place.`,
		Example: `source <(berth completion bash)
berth completion zsh > "${fpath[1]}/_berth"
berth completion fish > ~/.config/fish/completions/berth.fish`,
		Args:      exactArgs(1),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, args []string) error {
			return writeTo(a, file, func(w io.Writer) error {
				return printCompletion(w, cmd.Root(), args[0], !noDesc)
			})
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "Write to this `file` instead of standard output")
	cmd.Flags().BoolVar(&noDesc, "no-desc", false, "Leave descriptions out")
	return cmd
}

func printCompletion(w io.Writer, root *cobra.Command, shell string, descriptions bool) error {
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(w, descriptions)
	case "zsh":
		if !descriptions {
			return root.GenZshCompletionNoDesc(w)
		}
		return root.GenZshCompletion(w)
	case "fish":
		return root.GenFishCompletion(w, descriptions)
	}
	return errdefs.Invalid("no completion for the shell %q: choose bash, zsh or fish", shell)
}

// writeTo writes to the file, whole or not at all, or to standard output if it has no name.
func writeTo(a *app, file string, write func(io.Writer) error) error {
	if file == "" {
		return write(a.out)
	}
	var text bytes.Buffer
	if err := write(&text); err != nil {
		return err
	}
	if err := os.WriteFile(file, text.Bytes(), 0o644); err != nil {
		return errdefs.Denied("%w", err)
	}
	return nil
}

// completeNames completes arguments with names that list finds and that were not given yet.
func completeNames(list func(context.Context) ([]string, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		names, err := list(cmd.Context())
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		var fit []cobra.Completion
		for _, n := range names {
			if strings.HasPrefix(n, begun) && !slices.Contains(args, n) {
				fit = append(fit, n)
			}
		}
		return fit, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFlag completes a flag's value with fixed words. A word that ends in "=" goes on without a blank.
func completeFlag(cmd *cobra.Command, flag string, words ...string) {
	directive := cobra.ShellCompDirectiveNoFileComp
	for _, w := range words {
		if strings.HasSuffix(w, "=") {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
	}
	// The only error is a flag that is not there or is registered twice: a fault of this program's.
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, directive)); err != nil {
		panic(err)
	}
}
