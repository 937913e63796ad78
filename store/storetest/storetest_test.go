package storetest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/superservices/voice/store"
)

// childEnv makes the test binary run Run on broken stores, where it is to fail.
const childEnv = "STORETEST_BROKEN"

// TestRunFailsOnBrokenStores runs the suite in another process and reads there
// which subtests failed.
func TestRunFailsOnBrokenStores(t *testing.T) {
	child := exec.Command(os.Args[0], "-test.run=^TestBrokenStores$", "-test.v", "-test.parallel=64") // they mostly sleep
	child.Env = append(os.Environ(), childEnv+"=1")
	out, err := child.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("the suite on broken stores ended with %v\n%s", err, out)
	}
	failed := map[string][]string{}
	for _, m := range regexp.MustCompile(`--- FAIL: TestBrokenStores/(\S+?)/(\S+)`).FindAllSubmatch(out, -1) {
		failed[string(m[1])] = append(failed[string(m[1])], string(m[2]))
	}
	seen := map[string]bool{}
	for _, f := range faults {
		name := strings.ReplaceAll(f.name, " ", "_")
		if got := strings.Join(failed[name], " "); got != f.fails {
			t.Errorf("a store where %q: failed %q, want %q", f.name, got, f.fails)
		}
		if !bytes.Contains(out, []byte("=== RUN   TestBrokenStores/"+name+"\n")) {
			t.Errorf("a store where %q: was not run", f.name)
		}
		seen[f.fails] = true
	}
	for _, c := range checks {
		if !seen[c.name] {
			t.Errorf("check %s has never been seen to fail alone", c.name)
		}
	}
	if t.Failed() {
		t.Logf("%s", out)
	}
}

// TestBrokenStores is run by TestRunFailsOnBrokenStores only.
func TestBrokenStores(t *testing.T) {
	if os.Getenv(childEnv) == "" {
		t.Skip("is to fail; run by TestRunFailsOnBrokenStores")
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			Run(t, Harness{Open: func(*testing.T) store.Store {
				b := &broken{Memory: store.NewMemory()}
				f.do(b)
				return b
			}})
		})
	}
}

// A store without the optional interfaces passes; it is taken for durable.
func TestRequiredMethodsOnly(t *testing.T) {
	type required struct{ store.Store }
	Run(t, Harness{
		Open:   func(*testing.T) store.Store { return required{store.NewMemory()} },
		Reopen: func(_ *testing.T, s store.Store) store.Store { return s },
	})
	for _, c := range checks {
		err := c.run(t.Context(), subject{open: func() store.Store { return required{store.NewMemory()} }})
		switch {
		case c.needs != "" && !errors.Is(err, errAbsent):
			t.Errorf("%s of a store without store.%s: got error %v", c.name, c.needs, err)
		case c.name == "restart" && (err == nil || errors.Is(err, errAbsent)):
			t.Errorf("%s of a store without Durability nor Reopen: got error %v", c.name, err)
		}
	}
}
