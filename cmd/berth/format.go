package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/tabwriter"
	"text/template"
	"unicode"
	"unicode/utf8"

	"github.com/berth-engine/berth/errdefs"
)

// A listing prints rows by a --format value. The grammar is what Docker and podman have in common:
//
//	json               all rows as one JSON array
//	table              the default table
//	table TEMPLATE     a table with the columns of the template, which \t separates
//	TEMPLATE           a Go template, executed for each row; over the slice of rows if it begins with {{range
//
// In a template, \t and \n are a tab and a newline, and the functions of templateFuncs are there.
type listing struct {
	// Format is the user's --format.
	Format string
	// Default is the table's template without the word table, used when Format is empty or "table".
	Default string
	// Heads are the titles of columns by field name; a field without one has its name in capitals.
	Heads map[string]string
	// NoHeading leaves the line of titles out.
	NoHeading bool
}

// print writes rows, a slice. wire, if not nil, is what --format json shows instead of the rows.
func (l listing) print(w io.Writer, rows, wire any) error {
	bw := bufio.NewWriter(w) // a table writes each cell on its own
	err := l.write(bw, rows, wire)
	if ferr := bw.Flush(); err == nil {
		err = ferr
	}
	return err
}

func (l listing) write(w io.Writer, rows, wire any) error {
	format := strings.TrimSpace(l.Format)
	switch {
	case isJSON(format):
		if wire == nil {
			wire = rows
		}
		return printJSON(w, wire)
	case format == "" || format == "table":
		return l.table(w, l.Default, rows)
	case strings.HasPrefix(format, "table "):
		return l.table(w, strings.TrimSpace(format[len("table "):]), rows)
	}
	return executeRows(w, format, rows)
}

// isJSON reports whether a --format value asks for the JSON array.
func isJSON(format string) bool {
	switch strings.ReplaceAll(format, " ", "") {
	case "json", "{{json}}":
		return true
	}
	return false
}

// table writes titles and rows in aligned columns.
func (l listing) table(w io.Writer, text string, rows any) error {
	tw := tabwriter.NewWriter(w, 12, 2, 2, ' ', 0)
	if !l.NoHeading {
		if err := l.titles(tw, text); err != nil {
			return err
		}
	}
	if err := executeRows(tw, text, rows); err != nil {
		return err
	}
	return tw.Flush()
}

// titles writes the line of titles: the template itself, executed on a value whose every field is its own title.
func (l listing) titles(w io.Writer, text string) error {
	t, err := parseTemplate(text)
	if err != nil {
		return err
	}
	heads := header{}
	for _, name := range fieldNames(t) {
		heads[name] = title(name)
	}
	for name, text := range l.Heads {
		heads[name] = text
	}
	var line bytes.Buffer
	if t.Execute(&line, heads) != nil {
		return nil // a template that only rows can satisfy has no line of titles
	}
	fmt.Fprintln(w, line.String())
	return nil
}

// header answers for a row in the line of titles.
type header map[string]string

// Label is the title of {{.Label "name"}}.
func (header) Label(name string) string {
	name = name[strings.LastIndexByte(name, '.')+1:]
	return strings.ToUpper(strings.NewReplacer("-", " ", "_", " ").Replace(name))
}

// executeRows executes the template for each of rows, a slice, each followed by a newline.
func executeRows(w io.Writer, text string, rows any) error {
	t, err := parseTemplate(text)
	if err != nil {
		return err
	}
	if strings.HasPrefix(strings.ReplaceAll(text, " ", ""), "{{range") {
		return executeOne(w, t, rows)
	}
	plain := plainPieces(t)
	v := reflect.ValueOf(rows)
	var line bytes.Buffer
	for i := range v.Len() {
		line.Reset()
		if !plain.fill(&line, v.Index(i)) {
			if err := executeOne(&line, t, v.Index(i).Interface()); err != nil {
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

// executeOne executes the template on one value and writes nothing if that fails.
func executeOne(w io.Writer, t *template.Template, value any) error {
	var b bytes.Buffer
	if err := t.Execute(&b, value); err != nil {
		return errdefs.Invalid("--format: %s", templateFault(err))
	}
	_, err := w.Write(b.Bytes())
	return err
}

// parseTemplate parses a --format template.
func parseTemplate(text string) (*template.Template, error) {
	text = strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(text)
	t, err := template.New("format").Funcs(templateFuncs).Parse(text)
	if err != nil {
		return nil, errdefs.Invalid("--format: %s", templateFault(err))
	}
	return t, nil
}

// templateFault is the template package's message without the parts that speak of Go.
func templateFault(err error) string {
	msg := strings.TrimPrefix(err.Error(), "template: ")
	return strings.TrimPrefix(msg, "format:")
}

// templateFuncs are the functions of --format templates, those of Docker and podman.
var templateFuncs = template.FuncMap{
	"json":     jsonText,
	"join":     joinText,
	"lower":    strings.ToLower,
	"upper":    strings.ToUpper,
	"title":    titleCase,
	"split":    strings.Split,
	"pad":      pad,
	"truncate": truncate,
}

// jsonText is the value as JSON in one line.
func jsonText(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// joinText joins a list of anything.
func joinText(list any, sep string) (string, error) {
	v := reflect.ValueOf(list)
	switch v.Kind() {
	case reflect.String: // a title
		return v.String(), nil
	case reflect.Slice, reflect.Array:
	default:
		return "", errdefs.Invalid("join needs a list, not %T", list)
	}
	parts := make([]string, v.Len())
	for i := range parts {
		parts[i] = fmt.Sprint(v.Index(i).Interface())
	}
	return strings.Join(parts, sep), nil
}

// titleCase makes the first letter of the text a capital.
func titleCase(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToTitle(r)) + s[n:]
}

// pad puts blanks around a text that is not empty.
func pad(s string, before, after int) string {
	if s == "" {
		return s
	}
	return strings.Repeat(" ", max(before, 0)) + s + strings.Repeat(" ", max(after, 0))
}

// truncate is the first n characters.
func truncate(s string, n int) string {
	r := []rune(s)
	if n < 0 || len(r) <= n {
		return s
	}
	return string(r[:n])
}

// printJSON writes v indented, as Docker and podman print documents.
func printJSON(w io.Writer, v any) error {
	if rv := reflect.ValueOf(v); rv.Kind() == reflect.Slice && rv.Len() == 0 {
		_, err := io.WriteString(w, "[]\n")
		return err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "     ")
	if err := enc.Encode(v); err != nil {
		return errdefs.Internal("writing JSON: %w", err)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// title is a field name as a column title: CreatedAt gives CREATED AT, ID stays ID.
func title(field string) string {
	var b strings.Builder
	runes := []rune(field)
	for i, r := range runes {
		if i > 0 && unicode.IsUpper(r) && unicode.IsLower(runes[i-1]) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String()
}
