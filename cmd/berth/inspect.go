package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/api/libpod"
	"github.com/berth-engine/berth/errdefs"
)

// inspectFlags are the flags of berth inspect.
type inspectFlags struct {
	format string
	size   bool
	kind   string // all, container, image, volume
	sel    selection
}

// newInspectCmd is berth inspect, of anything.
func newInspectCmd(a *app) *cobra.Command {
	o := inspectFlags{}
	cmd := inspectCmd(a, &o)
	cmd.Use = "inspect [FLAGS] NAME..."
	cmd.Short = "Show all that is known of containers, images or volumes"
	cmd.Long = `Show all that is known of each object, as JSON: the container of that name or ID, else the image, else the volume.`
	cmd.GroupID = groupLook
	cmd.Flags().StringVarP(&o.kind, "type", "t", "all", "Only objects of this `kind`: container, image, volume, all")
	return cmd
}

// newContainerInspectCmd is berth container inspect.
func newContainerInspectCmd(a *app) *cobra.Command {
	o := inspectFlags{kind: "container"}
	cmd := inspectCmd(a, &o)
	cmd.Use = "inspect [FLAGS] CONTAINER..."
	cmd.Short = "Show all that is known of containers"
	return cmd
}

func inspectCmd(a *app, o *inspectFlags) *cobra.Command {
	cmd := &cobra.Command{
		Example: `berth inspect web
berth inspect -f '{{.State.Status}} {{.State.Pid}}' web
berth inspect -f '{{range .Mounts}}{{.Source}} {{end}}' web`,
		Args: o.sel.checkOne(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.inspect(cmd.Context(), *o, args)
		},
	}
	cmd.Flags().StringVarP(&o.format, "format", "f", "", "json, or a Go `template` executed for each object")
	cmd.Flags().BoolVarP(&o.size, "size", "s", false, "Add the sizes of containers")
	o.sel.latestFlag(cmd.Flags())
	return cmd
}

// inspect prints the documents of all objects that are there, and an error for each that is not.
func (a *app) inspect(ctx context.Context, o inspectFlags, refs []string) error {
	s, err := a.services(ctx)
	if err != nil {
		return err
	}
	if o.sel.latest {
		id, err := latest(ctx, s.Containers)
		if err != nil {
			return err
		}
		refs = append(refs, id)
	}
	find, err := finders(s, o)
	if err != nil {
		return err
	}
	docs, failed := []any{}, false
	for _, ref := range refs {
		doc, err := findFirst(ctx, find, ref)
		if err != nil {
			report(a.err, err)
			failed = true
			continue
		}
		docs = append(docs, doc)
	}
	if err := printDocuments(a.out, o.format, docs); err != nil {
		return err
	}
	if failed {
		return said(exitEngine)
	}
	return nil
}

// finder finds one kind of object.
type finder func(ctx context.Context, ref string) (any, error)

// finders are those of the kind asked for, in the order that they are tried.
func finders(s *services, o inspectFlags) ([]finder, error) {
	byContainer := func(ctx context.Context, ref string) (any, error) {
		d, err := s.Containers.Inspect(ctx, strings.TrimPrefix(ref, "/"), o.size)
		if err != nil {
			return nil, err
		}
		return libpod.InspectContainer(d), nil
	}
	byImage := func(ctx context.Context, ref string) (any, error) { return imageDocument(ctx, s, ref) }
	byVolume := func(ctx context.Context, ref string) (any, error) { return volumeDocument(ctx, s, ref) }
	switch o.kind {
	case "all", "":
		return []finder{byContainer, byImage, byVolume}, nil
	case "container":
		return []finder{byContainer}, nil
	case "image":
		return []finder{byImage}, nil
	case "volume":
		return []finder{byVolume}, nil
	}
	return nil, errdefs.Invalid("--type %q: choose container, image, volume or all", o.kind)
}

// findFirst asks each finder until one knows the object.
func findFirst(ctx context.Context, find []finder, ref string) (any, error) {
	var err error
	for _, f := range find {
		var doc any
		if doc, err = f(ctx, ref); err == nil {
			return doc, nil
		}
		if !errors.Is(err, errdefs.ErrNotFound) {
			return nil, err
		}
	}
	if len(find) > 1 {
		return nil, errdefs.NotFound("no such object: %s", ref)
	}
	return nil, err
}

// printDocuments prints inspected objects as a JSON array, or each by a template. A template may name a field as Go has it or
// as the JSON has it (.ID, .Id).
func printDocuments(w io.Writer, format string, docs []any) error {
	if format == "" || isJSON(format) {
		return printJSON(w, docs)
	}
	t, err := parseTemplate(strings.TrimSpace(strings.TrimPrefix(format, "table ")))
	if err != nil {
		return err
	}
	for _, doc := range docs {
		var line bytes.Buffer
		if err := executeOne(&line, t, doc); err != nil {
			line.Reset()
			loose, jerr := asMap(doc)
			if jerr != nil || executeOne(&line, t.Option("missingkey=error"), loose) != nil {
				return err
			}
		}
		line.WriteByte('\n')
		if _, err := w.Write(line.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// asMap is a document as a client that read its JSON has it.
func asMap(doc any) (any, error) {
	b, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	var loose any
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	err = dec.Decode(&loose)
	return loose, err
}
