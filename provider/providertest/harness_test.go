package providertest

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestHarnessProblems(t *testing.T) {
	full := harnessOf(false, intact)
	for _, tt := range []struct {
		name string
		edit func(h *Harness)
		want string // in the only problem; "" = none
	}{
		{"complete", func(*Harness) {}, ""},
		{"nil and explained", func(h *Harness) { h.LoseReply = nil; h.Cannot = map[string]string{"LoseReply": "why"} }, ""},
		{"nil and all kinds explained", func(h *Harness) {
			h.Finish = nil
			h.Cannot = map[string]string{"Finish/completed": "why", "Finish/no_answer": "why"}
		}, ""},
		{"one kind explained", func(h *Harness) { h.Cannot = map[string]string{"Trouble/find_lag": "why"} }, ""},
		{"nil LoseReply", func(h *Harness) { h.LoseReply = nil }, "Harness.LoseReply is nil"},
		{"nil Dials", func(h *Harness) { h.Dials = nil }, "Harness.Dials is nil"},
		{"nil Refuse", func(h *Harness) { h.Refuse = nil }, "Harness.Refuse is nil"},
		{"nil and one kind explained", func(h *Harness) {
			h.Finish = nil
			h.Cannot = map[string]string{"Finish/completed": "why"}
		}, "why Finish/no_answer cannot be had"},
		{"there and explained away", func(h *Harness) { h.Cannot = map[string]string{"Dials": "why"} }, "drop one of them"},
		{"a typo", func(h *Harness) { h.Cannot = map[string]string{"Trouble/findlag": "why"} }, `Cannot["Trouble/findlag"]`},
		{"no such hook", func(h *Harness) { h.Cannot = map[string]string{"Hangup": "why"} }, `Cannot["Hangup"]`},
		{"no reason", func(h *Harness) { h.Cannot = map[string]string{"Trouble/slow": " "} }, "gives no reason"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := full
			tt.edit(&h)
			problems := h.problems()
			if tt.want == "" {
				assert.Empty(t, problems)
				return
			}
			if assert.Len(t, problems, 1) {
				assert.Contains(t, problems[0], tt.want)
			}
			assert.Equal(t, map[string][]string{"Harness": problems}, failuresInABubble(t, h))
		})
	}
}

func TestSkips(t *testing.T) {
	h := harnessOf(false, intact)
	h.Refuse = nil
	h.Cannot = map[string]string{"Refuse": "it never refuses", "Trouble/slow": "it is quick"}
	s := newSuite(h)
	assert.Equal(t, "cannot: it never refuses", s.skips(check{need: "Refuse/rejected"}))
	assert.Equal(t, "cannot: it is quick", s.skips(check{need: "Trouble/slow"}))
	assert.Empty(t, s.skips(check{need: "Trouble/find_lag"}))
	assert.Equal(t, "providertest: 3 of 9 checks made; 2 entries in Harness.Cannot\n  cannot Refuse: it never refuses\n  cannot Trouble/slow: it is quick", s.summary(3, 9))
}
