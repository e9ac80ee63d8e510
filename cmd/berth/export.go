package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/errdefs"
)

// newExportCmd is berth export.
func newExportCmd(a *app) *cobra.Command {
	var sel selection
	var output string
	cmd := &cobra.Command{
		Use:   "export [FLAGS] CONTAINER",
		Short: "Write all files of a container to a tar archive",
		Long: `Write all files of a container, whether or not it runs, to a tar archive that import, or tar, can read. What is
mounted in the container, its volumes among it, is left out. Without --output the archive goes to standard output, unless that
is a terminal.`,
		Example: "berth export -o web.tar web\nberth export web | tar -t",
		Args: func(cmd *cobra.Command, args []string) error {
			if sel.latest {
				return noArgs(cmd, args)
			}
			return exactArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if output == "" && isTerminal(a.out) {
				return usageFault(cmd, errdefs.Invalid("refusing to write an archive to a terminal: name a file with --output, or redirect standard output"))
			}
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return interruption(ctx, a.export(ctx, sel, args, output))
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "Write to this `file`")
	sel.latestFlag(cmd.Flags())
	return cmd
}

func (a *app) export(ctx context.Context, sel selection, args []string, output string) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	ref, _, err := sel.one(ctx, s.Containers, args)
	if err != nil {
		return err
	}
	return writeWhole(output, a.out, func(w io.Writer) error { return s.Containers.Export(ctx, ref, w) })
}

// writeWhole has write fill the file at path, or standard output if there is no path. The file appears, or is replaced, when all has been
// written; what is there but no regular file, such as a named pipe, is written to.
func writeWhole(path string, standard io.Writer, write func(io.Writer) error) error {
	if path == "" {
		return buffered(standard, write)
	}
	if fi, err := os.Stat(path); err == nil && !fi.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return errdefs.Invalid("--output: %w", err)
		}
		defer f.Close()
		return buffered(f, write)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".tmp")
	if err != nil {
		return errdefs.Invalid("--output: %w", err)
	}
	defer f.Close()
	if err = buffered(f, write); err == nil {
		err = errors.Join(f.Chmod(0o600), os.Rename(f.Name(), path))
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}

func buffered(w io.Writer, write func(io.Writer) error) error {
	b := bufio.NewWriterSize(w, 1<<20)
	if err := write(b); err != nil {
		return err
	}
	return b.Flush()
}
