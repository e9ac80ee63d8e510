package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// row is one line of coverage.md's tables.
type row struct {
	line       int
	operations []string
	where      []string
	tests      []string
	state      string
}

var quoted = regexp.MustCompile("`([^`]+)`")

func TestWhatCoverageSaysIsDoneIsThere(t *testing.T) {
	text := readCoverage(t)
	rows := coverageRows(t, text)
	tree := readTree(t, "..")
	total, done := 0, 0
	for _, r := range rows {
		total += len(r.operations)
		if r.state == "open" {
			continue
		}
		done += len(r.operations)
		if len(r.where) == 0 || len(r.tests) == 0 {
			t.Errorf("line %d: %s: a done row names a symbol and a test", r.line, strings.Join(r.operations, ", "))
		}
		for _, s := range r.where {
			if !tree.symbols[s] {
				t.Errorf("line %d: there is no symbol %s", r.line, s)
			}
		}
		for _, s := range r.tests {
			if missing := tree.missingTest(s); missing != "" {
				t.Errorf("line %d: %s: there is no %s", r.line, s, missing)
			}
		}
	}
	if want := fmt.Sprintf("\n%d of %d operations are done.\n", done, total); !strings.Contains(text, want) {
		t.Errorf("expected the introduction to say: %s", strings.TrimSpace(want))
	}
	if total < 900 {
		t.Errorf("expected some 990 operations, found %d: the tables are not read right", total)
	}
}

// TestTheCheckItselfSeesWhatIsMissing guards the check above against passing everything.
func TestTheCheckItselfSeesWhatIsMissing(t *testing.T) {
	tree := readTree(t, "..")
	for _, s := range []string{"engine.Containers.Start", "container.Config.ID", "store.ContainerReader.Lookup", "engine.Open", "container.Removing"} {
		if !tree.symbols[s] {
			t.Errorf("expected %s to be found", s)
		}
	}
	for _, s := range []string{"engine.Containers.Nothing", "nowhere.Open", "engine.open", ""} {
		if tree.symbols[s] {
			t.Errorf("expected %q not to be found", s)
		}
	}
	for s, ok := range map[string]bool{
		"docs.TestTheCheckItselfSeesWhatIsMissing":                       true,
		"store/sqlite.TestConformance/names and IDs are unique":          true,
		"store/sqlite.TestConformance/names and IDs are not " + "unique": false,
		"docs.TestNothing":        false,
		"nowhere.TestConformance": false,
		"TestConformance":         false,
		"store/sqlite.Open":       false,
	} {
		if missing := tree.missingTest(s); (missing == "") != ok {
			t.Errorf("%s: expected found %v, got %q", s, ok, missing)
		}
	}
}

func readCoverage(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("coverage.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func coverageRows(t *testing.T, text string) []row {
	t.Helper()
	var rows []row
	number := 0
	for line := range strings.Lines(text) {
		number++
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| operation ") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 4 {
			t.Errorf("line %d: expected four cells, got %d", number, len(cells))
			continue
		}
		r := row{line: number, state: strings.TrimSpace(cells[3]), where: names(cells[1]), tests: names(cells[2])}
		if r.state != "open" && r.state != "done" {
			t.Errorf("line %d: the state is %q, not open or done", number, r.state)
		}
		r.operations = strings.Split(strings.TrimSpace(cells[0]), ", ")
		rows = append(rows, r)
	}
	return rows
}

func names(cell string) []string {
	var list []string
	for _, m := range quoted.FindAllStringSubmatch(cell, -1) {
		list = append(list, m[1])
	}
	return list
}

// tree is what the repository has: symbols and tests by package directory, and all strings in its test code and test suites, among
// which are the names of subtests.
type tree struct {
	symbols map[string]bool
	tests   map[string]bool
	strings map[string]bool
}

// missingTest says what of package.TestName/subtest there is not; empty if it is all there.
func (tr tree) missingTest(s string) string {
	at := strings.Index(s, ".Test")
	if at < 0 {
		return "package and test in it"
	}
	parts := strings.Split(s[at+1:], "/")
	if test := s[:at+1] + parts[0]; !tr.tests[test] {
		return "test " + test
	}
	for _, sub := range parts[1:] {
		if !tr.strings[sub] {
			return "subtest " + sub
		}
	}
	return ""
}

func readTree(t *testing.T, root string) tree {
	t.Helper()
	tr := tree{symbols: map[string]bool{}, tests: map[string]bool{}, strings: map[string]bool{}}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "bin" || name == "dist") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		tr.add(filepath.ToSlash(dir), strings.HasSuffix(name, "_test.go"), f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// add notes what one file has.
func (tr tree) add(dir string, test bool, f *ast.File) {
	for _, decl := range f.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if test {
				tr.tests[dir+"."+d.Name.Name] = d.Recv == nil
			} else if d.Name.IsExported() {
				tr.symbols[dir+"."+receiver(d)+d.Name.Name] = true
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if !test {
					tr.addSpec(dir, spec)
				}
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if s, err := strconv.Unquote(lit.Value); err == nil {
				tr.strings[s] = true
			}
		}
		return true
	})
}

// receiver is "Type." for a method.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return ""
	}
	expr := d.Recv.List[0].Type
	if star, ok := expr.(*ast.StarExpr); ok {
		expr = star.X
	}
	if id, ok := expr.(*ast.Ident); ok {
		return id.Name + "."
	}
	return ""
}

// addSpec notes constants, variables and types, with the fields of structs and the methods of interfaces.
func (tr tree) addSpec(dir string, spec ast.Spec) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for _, id := range s.Names {
			tr.symbols[dir+"."+id.Name] = id.IsExported()
		}
	case *ast.TypeSpec:
		tr.symbols[dir+"."+s.Name.Name] = s.Name.IsExported()
		var fields *ast.FieldList
		switch u := s.Type.(type) {
		case *ast.StructType:
			fields = u.Fields
		case *ast.InterfaceType:
			fields = u.Methods
		}
		if fields == nil {
			return
		}
		for _, field := range fields.List {
			for _, id := range field.Names {
				tr.symbols[dir+"."+s.Name.Name+"."+id.Name] = id.IsExported()
			}
		}
	}
}
