package run

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"
)

var passed = regexp.MustCompile(`(?m)^\s*--- PASS: (\S+)`)

// virtual runs a cell that is a test in virtual time, and counts what passed in it: a
// cell whose test is not there has proved nothing.
func (w *World) virtual(ctx context.Context, c Cell) (hits int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(w.Bin, "faults-virtual"), "-test.run", "^"+c.Virtual+"$", "-test.v", "-test.timeout", "9m")
	cmd.Dir, cmd.Env = w.dir, environment(w.dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%s: %w\n%s", c.Virtual, err, bytes.TrimSpace(out))
	}
	if hits = len(passed.FindAllSubmatch(out, -1)); hits == 0 {
		return 0, fmt.Errorf("no test %s was run", c.Virtual)
	}
	return hits, nil
}
