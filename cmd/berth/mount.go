package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/container"
	"github.com/berth-engine/berth/engine"
	"github.com/berth-engine/berth/errdefs"
)

// newMountCmd is berth mount.
func newMountCmd(a *app) *cobra.Command {
	var sel selection
	var format string
	var whole bool
	cmd := &cobra.Command{
		Use:   "mount [FLAGS] [CONTAINER...]",
		Short: "Mount the root file systems of containers on the host",
		Long: `Mount the root file systems of containers on the host and print the directories; without a container, list those that are
mounted. What is mounted in a container that runs, its volumes among it, does not show there.

Mounts are counted: each is undone by one unmount, all of them by the removal of the container. What is in the directory is the
container's, links included: a program that follows them follows them on the host.`,
		Example: "berth mount web\nls $(berth mount web)/etc\nberth mount",
		RunE: func(cmd *cobra.Command, args []string) error {
			if format != "" && !isJSON(format) {
				return usageFault(cmd, errdefs.Invalid("--format %q: only json is there", format))
			}
			if len(args) == 0 && !sel.byFlags() {
				return a.listMounted(cmd.Context(), isJSON(format), whole)
			}
			if err := sel.check(cmd, args); err != nil {
				return err
			}
			return a.mount(cmd.Context(), sel, args, isJSON(format), whole)
		},
	}
	f := cmd.Flags()
	sel.flags(f, "a", "f")
	f.StringVar(&format, "format", "", "json for one document")
	f.BoolVar(&whole, "no-trunc", false, "Do not shorten IDs")
	f.BoolVar(&whole, "notruncate", false, "The same as --no-trunc")
	f.Lookup("notruncate").Hidden = true
	completeFlag(cmd, "format", "json")
	return cmd
}

func (a *app) listMounted(ctx context.Context, asJSON, whole bool) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	list, err := s.Containers.ListMounted(ctx)
	if err != nil {
		return err
	}
	return a.printMounted(list, asJSON, whole)
}

// mountedDocument is podman's.
type mountedDocument struct {
	ID         string   `json:"id"`
	Names      []string `json:"Names"`
	Mountpoint string   `json:"mountpoint"`
}

func (a *app) printMounted(list []engine.Mounted, asJSON, whole bool) error {
	docs := []mountedDocument{}
	for _, m := range list {
		docs = append(docs, mountedDocument{m.ID, []string{m.Name}, m.Path})
		if !whole {
			m.ID = m.ID[:min(12, len(m.ID))]
		}
		if !asJSON {
			fmt.Fprintf(a.out, "%s  %s\n", m.ID, m.Path)
		}
	}
	if asJSON {
		return printJSON(a.out, docs)
	}
	return nil
}

// mount prints the path alone of a single container, and a list of several.
func (a *app) mount(ctx context.Context, sel selection, args []string, asJSON, whole bool) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	refs, err := sel.refs(ctx, s.Containers, args, nil)
	if err != nil {
		return err
	}
	var list []engine.Mounted
	var failed []error
	for _, ref := range refs {
		id, name, err := s.Containers.Resolve(ctx, ref)
		var path string
		if err == nil {
			path, err = s.Containers.Mount(ctx, id)
		}
		if err != nil {
			report(a.err, err)
			failed = append(failed, err)
			continue
		}
		list = append(list, engine.Mounted{ID: id, Name: name, Path: path})
	}
	if len(args) == 1 && len(list) == 1 && !asJSON {
		fmt.Fprintln(a.out, list[0].Path)
	} else if err := a.printMounted(list, asJSON, whole); err != nil {
		return err
	}
	if len(failed) > 0 {
		return said(exitEngine)
	}
	return nil
}

// newUnmountCmd is berth unmount.
func newUnmountCmd(a *app) *cobra.Command {
	var sel selection
	var force bool
	cmd := &cobra.Command{
		Use:     "unmount [FLAGS] CONTAINER...",
		Aliases: []string{"umount"},
		Short:   "Undo berth mount",
		Long:    `Undo one mount of each container; the last one unmounts its root file system. A container that runs goes on.`,
		Example: "berth unmount web\nberth unmount -a",
		Args:    sel.check,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.services(cmd.Context())
			if err != nil {
				return err
			}
			refs, err := sel.refs(cmd.Context(), s.Containers, args, func(container.Status) bool { return true })
			if err != nil {
				return err
			}
			return a.eachLine(cmd.Context(), refs, func(ctx context.Context, ref string) (string, error) {
				err := s.Containers.Unmount(ctx, ref, force)
				if len(args) == 0 && errors.Is(err, errdefs.ErrConflict) {
					return "", nil
				}
				return ref, err
			}, func([]error) int { return exitEngine })
		},
	}
	f := cmd.Flags()
	sel.flags(f, "a", "")
	f.BoolVarP(&force, "force", "f", false, "Undo all mounts at once")
	return cmd
}
