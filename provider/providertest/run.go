package providertest

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/provider"
)

// Run checks the providers of h.New against the contract of package provider. Each
// check is a subtest on a fresh platform, one after the other; all of them take a
// few seconds on a fast fake. A missing hook that is not in h.Cannot fails, and
// what is in h.Cannot is printed at the end.
//
// Run it with -race: the checks call the provider from many goroutines.
func Run(t *testing.T, h Harness) {
	t.Helper()
	if h.New == nil || h.Request == nil {
		t.Fatal("providertest: Harness.New and Harness.Request are required")
	}
	s := newSuite(h)
	made, all := 0, checks()
	for _, chk := range all {
		t.Run(chk.name, func(t *testing.T) {
			t.Helper()
			if reason := s.skips(chk); reason != "" {
				t.Skip(reason)
			}
			made++
			s.run(t, t, chk)
		})
	}
	t.Log(s.summary(made, len(all)))
}

// reporter is what a check needs of *testing.T, so that the package's own test can
// watch checks fail.
type reporter interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	FailNow()
}

// check is one check. need is the hook, or hook and kind, without which it cannot
// be made.
type check struct {
	name, need string
	run        func(c *checking)
}

type suite struct {
	h        Harness
	patience time.Duration // for what must happen in the end; only a failure uses it up
	prompt   time.Duration // for Place to return after its ctx ended
	settle   time.Duration // for what must not happen, at the end of a check
	watch    time.Duration // for a call that must not be hung up
}

func newSuite(h Harness) *suite {
	return &suite{h: h, patience: 10 * time.Second, prompt: 5 * time.Second, settle: 15 * time.Millisecond, watch: 100 * time.Millisecond}
}

// skips returns why a check is not made, or "". A hook that is missing without a
// reason fails the check named Harness.
func (s *suite) skips(chk check) string {
	if chk.need == "" {
		return ""
	}
	if reason, cannot := s.h.why(chk.need); cannot {
		return "cannot: " + reason
	}
	hook, _, _ := strings.Cut(chk.need, "/")
	if !s.h.has(hook) {
		return "Harness." + hook + " is missing"
	}
	return ""
}

func (s *suite) summary(made, all int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "providertest: %d of %d checks made; %d entries in Harness.Cannot", made, all, len(s.h.Cannot))
	for _, name := range slices.Sorted(maps.Keys(s.h.Cannot)) {
		fmt.Fprintf(&b, "\n  cannot %s: %s", name, s.h.Cannot[name])
	}
	return b.String()
}

// run makes one check on a fresh platform. t is for Harness.New, r hears of
// failures.
func (s *suite) run(t *testing.T, r reporter, chk check) {
	r.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := &checking{reporter: r, s: s, ctx: ctx}
	c.p = s.h.New(t)
	if c.p == nil {
		c.fatalf("Harness.New returned nil")
	}
	c.name, c.traits = c.p.Name(), provider.TraitsOf(c.p)
	c.finder, _ = c.p.(provider.Finder)
	c.prefix = fmt.Sprintf("providertest-%08x", rand.Uint32())
	defer c.hangUp()
	chk.run(c)
	c.countDials()
}
