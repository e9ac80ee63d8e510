package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-engine/berth/engine"
)

// versionDocument is what version prints, in podman's and Docker's shape.
type versionDocument struct {
	Client versionPart
}

// Server answers templates written for an engine with a daemon: here both are one program.
func (d versionDocument) Server() versionPart { return d.Client }

// versionPart is a build, by podman's names in JSON and by Docker's too in templates.
type versionPart struct {
	Version   string
	GoVersion string
	GitCommit string
	BuiltTime string
	Built     int64 // seconds since 1970, 0 when unknown
	OsArch    string
	Os        string
	arch      string
}

// Arch, BuildTime and Experimental are Docker's names.
func (p versionPart) Arch() string       { return p.arch }
func (p versionPart) BuildTime() string  { return p.BuiltTime }
func (p versionPart) Experimental() bool { return false }

func newVersionPart(v engine.VersionInfo) versionPart {
	p := versionPart{
		Version: v.Version, GoVersion: v.GoVersion, GitCommit: v.GitCommit,
		OsArch: v.OS + "/" + v.Arch, Os: v.OS, arch: v.Arch,
	}
	if !v.Built.IsZero() {
		p.Built, p.BuiltTime = v.Built.Unix(), v.Built.Local().Format(time.ANSIC)
	}
	return p
}

func newVersionCmd(a *app) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "version [FLAGS]",
		Short: "Show what this program was built from",
		Long: `Show what this program was built from.

There is no server: what a template asks of .Server is answered by the program itself.`,
		Example: "berth version --format '{{.Client.Version}}'",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			doc := versionDocument{newVersionPart(engine.Build())}
			return printDocument(a.out, format, doc, doc.plain)
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "", "Print as json, or by a Go `template`")
	return cmd
}

// plain is the listing without --format.
func (d versionDocument) plain(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 2, 2, ' ', 0)
	for _, row := range [][2]string{
		{"Client:", "Berth"}, {"Version:", d.Client.Version}, {"Go Version:", d.Client.GoVersion},
		{"Git Commit:", d.Client.GitCommit}, {"Built:", d.Client.BuiltTime}, {"OS/Arch:", d.Client.OsArch},
	} {
		if row[1] != "" {
			fmt.Fprintf(tw, "%s\t%s\n", row[0], row[1])
		}
	}
	return tw.Flush()
}
