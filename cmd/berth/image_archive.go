package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/errdefs"
	"github.com/berth-engine/berth/image"
)

// newLoadCmd is berth load.
func newLoadCmd(a *app) *cobra.Command {
	var o image.LoadOptions
	var quiet bool
	cmd := &cobra.Command{
		Use:   "load [FLAGS]",
		Short: "Load images from an archive",
		Long: `Load images, with their names, from an archive that save, docker save or another tool wrote, or from a
directory of the formats oci and dir. The archive may be compressed. Without --input it is read from
standard input.

A layer that unpacks to more than the disk has room for, than BERTH_MAX_LAYER_BYTES (1 TiB) or than
BERTH_MAX_LAYER_ENTRIES (5000000) is refused; so it is with pull and import.`,
		Example: "berth load -i images.tar\nzcat images.tar.gz | berth load",
		Args:    noArgs,
		RunE: undoing(func(cmd *cobra.Command, _ []string) error {
			if o.Path == "-" {
				o.Path = ""
			}
			var input io.Reader
			if o.Path == "" {
				if isTerminal(a.in) {
					return usageFault(cmd, errdefs.Invalid("standard input is a terminal: name an archive with --input, or redirect one"))
				}
				input = whileNotInterrupted(cmd.Context(), a.in)
			}
			if !quiet {
				o.Progress = a.err
			}
			return loadImages(cmd.Context(), a, input, o)
		}),
	}
	f := cmd.Flags()
	f.StringVarP(&o.Path, "input", "i", "", "Read this `file` or directory instead of standard input")
	f.StringVar(&o.Platform, "platform", "", "Choose from an image for several machines, `OS/ARCH[/VARIANT]`")
	f.BoolVarP(&quiet, "quiet", "q", false, "Show no progress")
	return cmd
}

func loadImages(ctx context.Context, a *app, input io.Reader, o image.LoadOptions) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	loaded, err := s.Images.Load(ctx, input, o)
	if err != nil {
		return err
	}
	for _, l := range loaded {
		for _, name := range l.Names {
			fmt.Fprintln(a.out, "Loaded image:", name)
		}
		if len(l.Names) == 0 {
			fmt.Fprintln(a.out, "Loaded image: sha256:"+l.ID)
		}
	}
	return nil
}

// saveFormats are the values of save --format.
var saveFormats = []string{"docker-archive", "oci-archive", "oci-dir", "docker-dir"}

// newSaveCmd is berth save.
func newSaveCmd(a *app) *cobra.Command {
	var o image.SaveOptions
	var quiet, many bool
	cmd := &cobra.Command{
		Use:   "save [FLAGS] IMAGE...",
		Short: "Save images to an archive",
		Long: `Save images with their names to an archive that load, and docker load, can read. Without --output it is
written to standard output, unless that is a terminal. Several images go into one docker-archive.`,
		Example: "berth save -o tools.tar debian busybox\nberth save debian | gzip > debian.tar.gz",
		Args:    minArgs(1),
		RunE: undoing(func(cmd *cobra.Command, refs []string) error {
			if err := checkSave(a, o, refs); err != nil {
				return usageFault(cmd, err)
			}
			if o.Path == "" {
				o.Output = a.out
			}
			if !quiet {
				o.Progress = a.err
			}
			s, err := a.services(cmd.Context())
			if err != nil {
				return err
			}
			return s.Images.Save(cmd.Context(), refs, o)
		}),
		ValidArgsFunction: completeImages(a),
	}
	f := cmd.Flags()
	f.StringVarP(&o.Path, "output", "o", "", "Write to this `file` (or directory, for oci-dir and docker-dir)")
	f.StringVar(&o.Format, "format", "docker-archive", "docker-archive, oci-archive, oci-dir or docker-dir")
	f.BoolVar(&o.Compress, "compress", false, "Compress the layers of docker-dir")
	f.BoolVarP(&many, "multi-image-archive", "m", false, "Several images in one archive, which is always allowed")
	f.Lookup("multi-image-archive").Hidden = true
	f.BoolVarP(&quiet, "quiet", "q", false, "Show no progress")
	completeFlag(cmd, "format", saveFormats...)
	return cmd
}

// checkSave refuses what cannot be written before anything is opened.
func checkSave(a *app, o image.SaveOptions, refs []string) error {
	directory := strings.HasSuffix(o.Format, "-dir")
	switch {
	case !slices.Contains(saveFormats, o.Format):
		return errdefs.Invalid("--format %q: choose %s", o.Format, strings.Join(saveFormats, ", "))
	case o.Compress && o.Format != "docker-dir":
		return errdefs.Invalid("--compress is for --format docker-dir alone")
	case directory && o.Path == "":
		return errdefs.Invalid("--format %s needs a directory: name it with --output", o.Format)
	case len(refs) > 1 && o.Format != "docker-archive":
		return errdefs.Invalid("--format %s takes one image; docker-archive takes several", o.Format)
	case o.Path == "" && isTerminal(a.out):
		return errdefs.Invalid("refusing to write an archive to a terminal: name a file with --output, or redirect standard output")
	}
	return nil
}

// newImportCmd is berth import.
func newImportCmd(a *app) *cobra.Command {
	var o image.ImportOptions
	var platform platformFlags
	var quiet bool
	cmd := &cobra.Command{
		Use:   "import [FLAGS] PATH|- [REFERENCE]",
		Short: "Make an image of a root file system's archive",
		Long: `Make an image with one layer of a tar archive of a root file system, compressed or not, read from a
file, an http or https URL, or standard input ("-").

A --change is an instruction of a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER,
VOLUME or WORKDIR.`,
		Example: `debootstrap --variant minbase bookworm root && tar -C root -c . | berth import - debian:mine
berth import -c 'CMD ["/bin/sh"]' rootfs.tar.gz tools`,
		Args: rangeArgs(1, 2),
		RunE: undoing(func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				o.Reference = args[1]
			}
			var err error
			if o.Platform, err = platform.value(a); err != nil {
				return err
			}
			if !quiet {
				o.Progress = a.err
			}
			if args[0] == "-" {
				if isTerminal(a.in) {
					return usageFault(cmd, errdefs.Invalid("standard input is a terminal: redirect an archive into it"))
				}
				o.Input = whileNotInterrupted(cmd.Context(), a.in)
			}
			s, err := a.services(cmd.Context())
			if err != nil {
				return err
			}
			id, err := s.Images.Import(cmd.Context(), args[0], o)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(a.out, "sha256:"+id)
			return err
		}),
	}
	f := cmd.Flags()
	platform.flags(f)
	f.StringArrayVarP(&o.Changes, "change", "c", nil, "Apply this `instruction` of a Dockerfile")
	f.StringVarP(&o.Message, "message", "m", "", "Note this in the image's history")
	f.BoolVarP(&quiet, "quiet", "q", false, "Show no progress")
	return cmd
}
