package main

import (
	"bytes"
	"errors"
	"testing"

	"github.com/berth-engine/berth/errdefs"
)

// formatRow has what templates meet: a field, a method, a list and a map.
type formatRow struct {
	ID   string
	Tags []string
	Map  map[string]int
}

func (formatRow) RunningFor() string { return "3 minutes" }

func TestFormatGolden(t *testing.T) {
	rows := []formatRow{{ID: "abcdef", Tags: []string{"x", "y"}, Map: map[string]int{"k": 1}}, {ID: "b"}}
	for _, c := range []struct{ name, format, want string }{
		{"the default table", "", "THE ID      RUNNING FOR\nabcdef      3 minutes\nb           3 minutes\n"},
		{"the word table", "table", "THE ID      RUNNING FOR\nabcdef      3 minutes\nb           3 minutes\n"},
		{"a table of one's own", `table {{.RunningFor}}\t{{.ID}}`, "RUNNING FOR  THE ID\n3 minutes    abcdef\n3 minutes    b\n"},
		{"a template", "{{.ID}}", "abcdef\nb\n"},
		{"tab and newline are real", `{{.ID}}\t-\n`, "abcdef\t-\n\nb\t-\n\n"},
		{"json of a row", "{{json .Map}}", "{\"k\":1}\nnull\n"},
		{"json of all", "json", "[\n     {\n          \"ID\": \"abcdef\",\n          \"Tags\": [\n               \"x\",\n               \"y\"\n          ],\n          \"Map\": {\n               \"k\": 1\n          }\n     },\n     {\n          \"ID\": \"b\",\n          \"Tags\": null,\n          \"Map\": null\n     }\n]\n"},
		{"join", `{{join .Tags "+"}}`, "x+y\n\n"},
		{"upper, lower, title", `{{upper .ID}} {{lower "AB"}} {{title .ID}}`, "ABCDEF ab Abcdef\nB ab B\n"},
		{"pad and truncate", `[{{pad .ID 1 2}}] {{truncate .ID 3}}`, "[ abcdef  ] abc\n[ b  ] b\n"},
		{"split", `{{index (split .ID "c") 0}}`, "ab\nb\n"},
		{"println", `{{println .ID}}`, "abcdef\n\nb\n\n"},
		{"range over all rows", "{{range .}}{{.ID}};{{end}}", "abcdef;b;"},
		{"a pipe in a table", `table {{.ID | upper}}\t{{len .Tags}}`, "THE ID      4\nABCDEF      2\nB           0\n"},
	} {
		var got bytes.Buffer
		l := listing{Format: c.format, Default: `{{.ID}}\t{{.RunningFor}}`, Heads: map[string]string{"ID": "THE ID"}}
		if err := l.print(&got, rows, nil); err != nil || got.String() != c.want {
			t.Errorf("%s: --format %q\nexpected:\n%s\ngot (%v):\n%s", c.name, c.format, c.want, err, got.String())
		}
	}
}

func TestFormatOfNoRowsIsATitleOrAnEmptyArray(t *testing.T) {
	for format, want := range map[string]string{"": "ID\n", "json": "[]\n", "{{.ID}}": ""} {
		var got bytes.Buffer
		l := listing{Format: format, Default: "{{.ID}}"}
		if err := l.print(&got, []formatRow{}, nil); err != nil || got.String() != want {
			t.Errorf("--format %q of nothing: expected %q, got %q (%v)", format, want, got.String(), err)
		}
	}
}

func TestFormatFaultsAreTheUsers(t *testing.T) {
	for _, format := range []string{"{{.ID", "{{.Nope}}", "table {{nope .ID}}", "{{.ID.X}}", `{{join .ID}}`} {
		var got bytes.Buffer
		err := listing{Format: format}.print(&got, []formatRow{{}}, nil)
		if !errors.Is(err, errdefs.ErrInvalidArgument) || got.Len() > 0 && format[0] != 't' {
			t.Errorf("--format %q: expected an invalid argument and no output, got %v and %q", format, err, got.String())
		}
	}
}

func TestTitlesOfFields(t *testing.T) {
	for field, want := range map[string]string{"ID": "ID", "CreatedAt": "CREATED AT", "ImageID": "IMAGE ID", "Names": "NAMES", "": ""} {
		if got := title(field); got != want {
			t.Errorf("title of %q: expected %q, got %q", field, want, got)
		}
	}
}

func FuzzFormat(f *testing.F) {
	for _, seed := range []string{"json", "table {{.ID}}", "{{range .}}{{end}}", "{{json .}}", `{{.Map.k}}\t`, "{{truncate .ID -1}}", "{{pad .ID 1 1}}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, format string) {
		if len(format) > 200 {
			return
		}
		var out bytes.Buffer
		listing{Format: format, Default: "{{.ID}}"}.print(&out, []formatRow{{ID: "x"}}, nil)
	})
}
