package main

import (
	"slices"
	"text/template"
	"text/template/parse"
)

// fieldNames returns the names of the row's fields that the template uses, so that a table knows its titles.
func fieldNames(t *template.Template) []string {
	var names []string
	if t.Tree != nil {
		walkFields(t.Root, func(name string) { names = append(names, name) })
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// usesField reports whether the template uses one of the row's fields.
func usesField(format string, names ...string) bool {
	t, err := parseTemplate(format)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(fieldNames(t), func(f string) bool { return slices.Contains(names, f) })
}

func walkFields(node parse.Node, found func(string)) {
	switch n := node.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, child := range n.Nodes {
			walkFields(child, found)
		}
	case *parse.ActionNode:
		walkPipe(n.Pipe, found)
	case *parse.IfNode:
		walkBranch(&n.BranchNode, found)
	case *parse.RangeNode:
		walkBranch(&n.BranchNode, found)
	case *parse.WithNode:
		walkBranch(&n.BranchNode, found)
	}
}

func walkBranch(b *parse.BranchNode, found func(string)) {
	walkPipe(b.Pipe, found)
	walkFields(b.List, found)
	walkFields(b.ElseList, found)
}

func walkPipe(p *parse.PipeNode, found func(string)) {
	if p == nil {
		return
	}
	for _, cmd := range p.Cmds {
		for _, arg := range cmd.Args {
			switch a := arg.(type) {
			case *parse.FieldNode:
				found(a.Ident[0])
			case *parse.PipeNode:
				walkPipe(a, found)
			}
		}
	}
}
