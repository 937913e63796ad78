// Package examples_test holds the examples to what they promise: how few lines it takes.
package examples_test

import (
	"os"
	"strings"
	"testing"
)

// longest is the length of a line beyond which it hides several.
const longest = 120

// Each of these is what a host has to write itself, without package clause, imports, blank
// lines and comments.
func TestCounts(t *testing.T) {
	for _, c := range []struct {
		file, what string
		most       int
	}{
		{"worker/main.go", "worker", 15},
		{"consumer/main.go", "consumer", 12},
		{"customprovider/acme.go", "provider", 60},
		{"hosttest/suppression_test.go", "host test", 25},
	} {
		source, err := os.ReadFile(c.file)
		if err != nil {
			t.Error(err)
			continue
		}
		lines, ok := between(string(source), c.what)
		if !ok {
			t.Errorf("%s: want one \"// begin: %s\" and then one \"// end: %[2]s\"", c.file, c.what)
			continue
		}
		if len(lines) == 0 || len(lines) > c.most {
			t.Errorf("%s: %d lines between the marks, want 1 to %d", c.file, len(lines), c.most)
		}
		for _, line := range lines {
			if n := len([]rune(line)); n > longest {
				t.Errorf("%s: a line of %d characters, want %d at most: %s", c.file, n, longest, line)
			}
			if strings.Contains(line, ";") && !strings.HasPrefix(strings.TrimSpace(line), "if ") {
				t.Errorf("%s: two statements on a line: %s", c.file, line)
			}
		}
		t.Logf("%-28s %2d of %d lines", c.file, len(lines), c.most)
	}
}

// between returns the lines of code between the marks of what. It is not ok unless each
// mark is there once, a line of its own, in order.
func between(source, what string) (lines []string, ok bool) {
	begin, end := "// begin: "+what, "// end: "+what
	begins, ends := 0, 0
	for line := range strings.Lines(source) {
		line = strings.TrimRight(line, "\r\n")
		switch text := strings.TrimSpace(line); {
		case text == begin:
			begins++
			if ends > 0 {
				return nil, false
			}
		case text == end:
			ends++
		case begins == 1 && ends == 0 && text != "" && !strings.HasPrefix(text, "//"):
			lines = append(lines, line)
		}
	}
	return lines, begins == 1 && ends == 1
}

func TestBetween(t *testing.T) {
	for name, c := range map[string]struct {
		source string
		lines  int
		ok     bool
	}{
		"code":         {"x\n// begin: a\n\n\ty := 1 // why\n\t// why\n// end: a\nz\n", 1, true},
		"CRLF":         {"// begin: a\r\ny\r\n// end: a\r\n", 1, true},
		"another's":    {"// begin: ab\ny\n// end: ab\n", 0, false},
		"no begin":     {"y\n// end: a\n", 0, false},
		"no end":       {"// begin: a\ny\n", 1, false},
		"end first":    {"// end: a\ny\n// begin: a\n", 0, false},
		"begin twice":  {"// begin: a\ny\n// begin: a\n// end: a\n", 1, false},
		"end twice":    {"// begin: a\n// end: a\ny\n// end: a\n", 0, false},
		"not alone":    {"x // begin: a\ny\n// end: a\n", 0, false},
		"nothing here": {"// begin: a\n// end: a\n", 0, true},
	} {
		lines, ok := between(c.source, "a")
		if ok != c.ok || ok && len(lines) != c.lines {
			t.Errorf("%s: got %q, %v", name, lines, ok)
		}
	}
}
