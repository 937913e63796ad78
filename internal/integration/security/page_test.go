package security

import (
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

	"github.com/stretchr/testify/require"
)

const root = "../../.."

func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", "operations.md"))
	require.NoError(t, err)
	return string(text)
}

// tests is the text of all test files of the repository.
func tests(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root:
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	require.NoError(t, err)
	return all.String()
}

// TestThePageNamesTests: what docs/operations.md gives as proof is there.
func TestThePageNamesTests(t *testing.T) {
	_, section, found := strings.Cut(page(t), "\n## What proves it\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	named, all := regexp.MustCompile("`(Test[A-Za-z]+)`").FindAllStringSubmatch(section, -1), tests(t)
	require.Greater(t, len(named), 15)
	for _, n := range named {
		require.True(t, strings.Contains(all, "\nfunc "+n[1]+"(t *testing.T)"), "there is no %s", n[1])
	}
}

// TestThePageNamesEveryNotice: each kind has its row among the alarms, and tests that
// look for it.
func TestThePageNamesEveryNotice(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "provider", "event.go"), nil, 0)
	require.NoError(t, err)
	text, all, kinds := page(t), tests(t), 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Notice") || len(spec.Values) != 1 {
			return true
		}
		kind, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		require.NoError(t, err)
		kinds++
		require.True(t, strings.Contains(text, "| `"+kind+"` |"), "the page has no row for %s", kind)
		require.True(t, strings.Contains(all, "provider."+spec.Names[0].Name), "no test looks for %s", kind)
		return true
	})
	require.GreaterOrEqual(t, kinds, 10)
}
