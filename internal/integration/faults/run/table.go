package run

import (
	"fmt"
	"strings"
)

// Table is the table of docs/faults.md.
func Table() string {
	var b strings.Builder
	b.WriteString("| cell | what happens | how | shortened | expected beside the invariants |\n|---|---|---|---|---|\n")
	for _, c := range Cells() {
		how := c.Inject
		if c.Point != "" {
			point := fmt.Sprintf("`%s` %s in %s", c.Point, c.Action, c.Process)
			if how != "" {
				point += "; "
			}
			how = point + how
		}
		label := strings.TrimPrefix(c.Label(), "0")
		if c.Short {
			label += " *"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", label, c.Name, how, c.Scaled, c.Expect)
	}
	return b.String()
}
