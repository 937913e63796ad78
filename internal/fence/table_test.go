package fence_test

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/internal/fence"
)

const root = "../.."

// TestDesignPageShowsTheTable: the page and the code have the same rows, word for word.
func TestDesignPageShowsTheTable(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "design.md"))
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "\n## The dial fence\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	var shown []string
	for _, line := range strings.Split(section, "\n") {
		if strings.HasPrefix(line, "| `") {
			shown = append(shown, line)
		}
	}
	var want []string
	for _, row := range fence.Transitions {
		want = append(want, shownRow(row))
	}
	require.NotEmpty(t, shown)
	require.Equal(t, strings.Join(want, "\n"), strings.Join(shown, "\n"), "the table of the code on the left, that of docs/design.md on the right")
}

func shownRow(row fence.Transition) string {
	from := string(row.From)
	if row.From == fence.None {
		from = "(none)"
	}
	return "| `" + row.Name + "` | " + from + " -> " + string(row.To) + " | " + row.Who + " | " + row.Guard + " |"
}

// TestRowsAreListedOnce.
func TestRowsAreListedOnce(t *testing.T) {
	seen := map[fence.Transition]bool{}
	for _, row := range fence.Transitions {
		key := fence.Transition{Name: row.Name, From: row.From, To: row.To}
		require.False(t, seen[key], "%v", key)
		seen[key] = true
		require.NotEmpty(t, row.Who)
	}
}

// TestNobodyElseMovesAnAttempt reads the code of the module: where package store is
// imported, only the fence writes a field State, and no Attempt is made with one.
func TestNobodyElseMovesAnAttempt(t *testing.T) {
	files, steps := 0, 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name == "testdata" || name == "storetest" || name == "node_modules" || (strings.HasPrefix(name, ".") && name != "..") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		fset := gotoken.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if !importsStore(file) {
			return nil
		}
		files++
		inFence := filepath.Base(filepath.Dir(path)) == "fence"
		for _, at := range stateWrites(file) {
			if inFence {
				steps++
				continue
			}
			t.Errorf("%s writes the state of an attempt: use a transition of internal/fence", fset.Position(at))
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, files, 10, "there was something to read")
	require.Equal(t, 1, steps, "the fence itself writes it in one place")
}

func importsStore(file *ast.File) bool {
	for _, i := range file.Imports {
		if p, err := strconv.Unquote(i.Path.Value); err == nil && p == "github.com/superservices/voice/store" {
			return true
		}
	}
	return false
}

// stateWrites finds x.State = ..., &x.State, and Attempt{..., State: ...}.
func stateWrites(file *ast.File) []gotoken.Pos {
	var found []gotoken.Pos
	isState := func(e ast.Expr) bool {
		s, ok := e.(*ast.SelectorExpr)
		return ok && s.Sel.Name == "State"
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, left := range n.Lhs {
				if isState(left) {
					found = append(found, left.Pos())
				}
			}
		case *ast.UnaryExpr:
			if n.Op == gotoken.AND && isState(n.X) {
				found = append(found, n.Pos())
			}
		case *ast.CompositeLit:
			if list, ok := n.Type.(*ast.ArrayType); ok && isAttempt(list.Elt) {
				for _, e := range n.Elts {
					found = append(found, stateIn(e)...)
				}
			} else if isAttempt(n.Type) {
				found = append(found, stateIn(n)...)
			}
		}
		return true
	})
	return found
}

func isAttempt(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	return ok && s.Sel.Name == "Attempt"
}

// stateIn finds a State among the fields of a literal, which may have no names.
func stateIn(e ast.Expr) []gotoken.Pos {
	literal, ok := e.(*ast.CompositeLit)
	if !ok {
		return nil
	}
	for _, field := range literal.Elts {
		kv, named := field.(*ast.KeyValueExpr)
		if !named {
			return []gotoken.Pos{field.Pos()}
		}
		if name, ok := kv.Key.(*ast.Ident); ok && name.Name == "State" {
			return []gotoken.Pos{field.Pos()}
		}
	}
	return nil
}
