package providertest

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"

	"github.com/superservices/voice/provider"
)

// recorder is a reporter that only writes down.
type recorder struct {
	mu     sync.Mutex
	errors []string
}

func (r *recorder) Helper()             {}
func (r *recorder) Logf(string, ...any) {}
func (r *recorder) FailNow()            { runtime.Goexit() }
func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

// failures makes every check that h allows and returns what those that failed said.
func failures(t *testing.T, h Harness) map[string][]string {
	t.Helper()
	s := newSuite(h)
	failed := map[string][]string{}
	for _, chk := range checks() {
		if s.skips(chk) != "" {
			continue
		}
		r := &recorder{}
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.run(t, r, chk)
		}()
		<-done
		if len(r.errors) > 0 {
			failed[chk.name] = r.errors
		}
	}
	return failed
}

// failuresInABubble are the failures over an in-process platform, where the waiting
// for what never comes takes no time.
func failuresInABubble(t *testing.T, h Harness) (failed map[string][]string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { failed = failures(t, h) })
	return failed
}

// breakage is a provider with one fault.
type breakage struct {
	fault    string
	blocking bool
	wrap     func(f *Fake) provider.Provider
	want     []string
}

// allBut is what fails where a fault is gross.
func allBut(spared ...string) []string {
	var all []string
	for _, chk := range checks() {
		if !slices.Contains(spared, chk.name) {
			all = append(all, chk.name)
		}
	}
	return all
}

// breakages are providers with one fault each, and the checks that must object. No
// other check may.
var breakages = slices.Concat(placeBreakages, refusalBreakages, toldAsAnother(), followBreakages, findBreakages, mannerBreakages, blockingBreakages)

// TestRunObjects sees each breakage fail the checks it is to fail and no other, and
// each check fail alone.
func TestRunObjects(t *testing.T) {
	alone := map[string]bool{"Harness": true} // TestHarnessProblems
	for _, b := range httpBreakages {         // TestRunObjectsOverHTTP
		if len(b.want) == 1 {
			alone[b.want[0]] = true
		}
	}
	ran := 0
	for _, b := range breakages {
		t.Run(strings.ReplaceAll(b.fault, " ", "_"), func(t *testing.T) {
			ran++
			failed := failuresInABubble(t, harnessOf(b.blocking, b.wrap))
			got := slices.Sorted(maps.Keys(failed))
			if len(got) == 1 {
				alone[got[0]] = true
			}
			if !assert.Equal(t, slices.Sorted(slices.Values(b.want)), got) {
				for name, said := range failed {
					t.Logf("%s: %s", name, strings.Join(said, "\n"))
				}
			}
		})
	}
	if ran < len(breakages) { // -run has chosen some
		return
	}
	for _, chk := range checks() {
		assert.True(t, alone[chk.name], "no breakage makes the check %s object, and no other", chk.name)
	}
}

func TestIntactFailsNothing(t *testing.T) {
	assert.Empty(t, failuresInABubble(t, harnessOf(false, intact)))
	assert.Empty(t, failuresInABubble(t, harnessOf(true, intact)))
}
