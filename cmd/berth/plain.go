package main

import (
	"bytes"
	"reflect"
	"text/template"
	"text/template/parse"
)

// plain is a template that is nothing but texts and names of fields, as every default table is. It is filled in without
// text/template, whose reflection would take most of the time of a long listing. Nil is a template of another kind.
type plain []piece

// piece is a text, or the name of a field.
type piece struct{ text, field string }

// fielder is a row that knows its fields by name.
type fielder interface {
	// field returns what a template prints for {{.name}}, and false for a name that only the template itself can look up.
	field(name string) (text string, ok bool)
}

// plainPieces takes a template apart, if it is plain.
func plainPieces(t *template.Template) plain {
	if t.Tree == nil {
		return nil
	}
	var p plain
	for _, n := range t.Root.Nodes {
		if text, ok := n.(*parse.TextNode); ok {
			p = append(p, piece{text: string(text.Text)})
			continue
		}
		field := loneField(n)
		if field == "" {
			return nil
		}
		p = append(p, piece{field: field})
	}
	return p
}

// loneField is NAME of a node {{.NAME}}, empty for any other.
func loneField(n parse.Node) string {
	action, ok := n.(*parse.ActionNode)
	if !ok || len(action.Pipe.Decl) > 0 || len(action.Pipe.Cmds) != 1 || len(action.Pipe.Cmds[0].Args) != 1 {
		return ""
	}
	field, ok := action.Pipe.Cmds[0].Args[0].(*parse.FieldNode)
	if !ok || len(field.Ident) != 1 {
		return ""
	}
	return field.Ident[0]
}

// fill writes what the template makes of the row, an addressable value, or nothing and returns false if the template itself has to.
func (p plain) fill(w *bytes.Buffer, row reflect.Value) bool {
	f, ok := row.Addr().Interface().(fielder)
	if p == nil || !ok {
		return false
	}
	for _, piece := range p {
		text := piece.text
		if piece.field != "" {
			if text, ok = f.field(piece.field); !ok {
				w.Reset()
				return false
			}
		}
		w.WriteString(text)
	}
	return true
}
