package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/berth-engine/berth/errdefs"
)

// printDocument prints one value by a --format: json as an indented document, a template executed on the value, and without
// a format whatever plain writes.
func printDocument(w io.Writer, format string, doc any, plain func(io.Writer) error) error {
	switch {
	case format == "":
		return plain(w)
	case isJSON(format):
		return printJSON(w, doc)
	}
	t, err := parseTemplate(format)
	if err != nil {
		return err
	}
	if err := executeOne(w, t, doc); err != nil {
		return err
	}
	_, err = io.WriteString(w, "\n")
	return err
}

// printYAML writes v, by its JSON names and in their order, as YAML 1.2 block style: what podman info prints, and what a person
// reads more easily than JSON.
func printYAML(w io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return errdefs.Internal("writing YAML: %w", err)
	}
	y := yamlWriter{dec: json.NewDecoder(bytes.NewReader(data))}
	y.dec.UseNumber()
	if err := y.value(0, false); err != nil {
		return errdefs.Internal("writing YAML: %w", err)
	}
	_, err = w.Write(bytes.TrimPrefix(y.out.Bytes(), []byte("\n")))
	return err
}

// yamlWriter turns a stream of JSON tokens into YAML.
type yamlWriter struct {
	dec *json.Decoder
	out bytes.Buffer
}

// value writes the next value, whose name or dash has been written. inList says that a dash stands before it, so that the
// first line of a mapping goes beside it.
func (y *yamlWriter) value(depth int, inList bool) error {
	token, err := y.dec.Token()
	if err != nil {
		return err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		y.out.WriteString(" " + yamlScalar(token) + "\n")
		return nil
	}
	if !y.dec.More() {
		y.out.WriteString(map[json.Delim]string{'{': " {}\n", '[': " []\n"}[delim])
		_, err := y.dec.Token()
		return err
	}
	if inList {
		y.out.WriteByte(' ')
	} else {
		y.out.WriteByte('\n')
	}
	if delim == '{' {
		err = y.mapping(depth, inList)
	} else {
		err = y.list(depth, inList)
	}
	if err != nil {
		return err
	}
	_, err = y.dec.Token() // the closing one
	return err
}

func (y *yamlWriter) mapping(depth int, inList bool) error {
	for first := true; y.dec.More(); first = false {
		name, err := y.dec.Token()
		if err != nil {
			return err
		}
		if !first || !inList {
			y.out.WriteString(strings.Repeat("  ", depth))
		}
		y.out.WriteString(yamlScalar(name) + ":")
		if err := y.value(depth+1, false); err != nil {
			return err
		}
	}
	return nil
}

func (y *yamlWriter) list(depth int, inList bool) error {
	for first := true; y.dec.More(); first = false {
		if !first || !inList {
			y.out.WriteString(strings.Repeat("  ", max(depth-1, 0)))
		}
		y.out.WriteByte('-')
		if err := y.value(depth, true); err != nil {
			return err
		}
	}
	return nil
}

// yamlScalar is a scalar as YAML: a text that would be read as something else is quoted.
func yamlScalar(token json.Token) string {
	switch v := token.(type) {
	case nil:
		return "null"
	case string:
		if yamlPlain(v) {
			return v
		}
		return strconv.Quote(v)
	}
	return fmt.Sprint(token)
}

// yamlPlain reports whether the text means itself when written without quotes. It says no when in doubt.
func yamlPlain(s string) bool {
	switch strings.ToLower(s) {
	case "", "null", "true", "false", "yes", "no", "on", "off", "y", "n":
		return false
	}
	const harmless = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _./()@,+~%=-"
	if strings.Trim(s, harmless) != "" || strings.TrimSpace(s) != s {
		return false
	}
	switch first := s[0]; {
	case first == '/':
		return true
	case first >= '0' && first <= '9':
		return !yamlNumber(s)
	}
	return strings.IndexByte("_.()@,+~%=-", s[0]) < 0
}

// yamlNumber reports whether a text that begins with a digit would be read as a number or a date.
func yamlNumber(s string) bool {
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return true
	}
	if _, err := strconv.ParseInt(s, 0, 64); err == nil {
		return true
	}
	return strings.Trim(s, "0123456789-_.") == "" && strings.Count(s, ".") < 2
}
