package security

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/superservices/voice/voicetask"
)

// What each canary begins with: whoever finds one of these words has found a leak.
const (
	canaryWord = "canary" // what is personal: encrypted payloads and the host's store may hold it
	secretWord = "sigsec" // carriers' secrets and control URLs: nobody may keep them
)

// canary is what one task must not give away.
type canary struct {
	task    voicetask.Task
	kind    situation
	number  string
	name    string
	secrets string
	words   string // of transcript, summary and the vendor
}

func letters(r *rand.Rand, n int) string {
	const all = "abcdefghijklmnopqrstuvwxyz"
	var b strings.Builder
	for range n {
		b.WriteByte(all[r.IntN(len(all))])
	}
	return b.String()
}

// newCanary makes the i-th task of a run. The last two digits of a number are the
// script of its callee.
func newCanary(r *rand.Rand, run string, i int, kind situation) canary {
	number := fmt.Sprintf("+%d%d%07d%s", 1+r.IntN(9), 200+r.IntN(700), r.IntN(10_000_000), kind.ending)
	if kind.sip {
		number = "sip:" + canaryWord + letters(r, 8) + kind.ending + "@example.org"
	}
	c := canary{
		kind: kind, number: number,
		name:    canaryWord + letters(r, 8) + " O'" + letters(r, 6),
		secrets: secretWord + letters(r, 12), words: canaryWord + letters(r, 12),
	}
	t := voicetask.Task{
		ID: fmt.Sprintf("%s-%d-%s", run, i, letters(r, 6)), AgentID: "agent",
		Instructions: "tell her that " + canaryWord + letters(r, 10), Callback: "https://host.example/" + canaryWord + letters(r, 10),
		Data: voicetask.Data{ContactNumber: number, ContactName: c.name, Provider: kind.provider},
	}
	for key, value := range map[string]any{
		"context":                   map[string]any{"note": canaryWord + letters(r, 9), "number": number},
		canaryWord + letters(r, 5):  letters(r, 5),
		"token":                     canaryWord + letters(r, 20),
		"document_id":               canaryWord + letters(r, 7),
		"metadata":                  map[string]any{"crm": canaryWord + letters(r, 7)},
		"spelled":                   spellings(number)[r.IntN(len(spellings(number)))],
		"nested_" + letters(r, 3):   []any{1, nil, map[string]any{"name": c.name}},
		"not_a_string_" + "" + "id": r.IntN(1 << 30),
	} {
		if err := t.Data.Set(key, value); err != nil {
			panic(err)
		}
	}
	c.task = t
	return c
}

// spellings of a number that people and vendors use.
func spellings(number string) []string {
	d := strings.TrimPrefix(number, "+")
	if len(d) < 10 || strings.Contains(number, ":") {
		return []string{number}
	}
	n := len(d)
	return []string{
		number, d, "00" + d,
		fmt.Sprintf("+%s (%s) %s-%s", d[:n-10], d[n-10:n-7], d[n-7:n-4], d[n-4:]),
		fmt.Sprintf("%s.%s.%s", d[n-10:n-7], d[n-7:n-4], d[n-4:]),
		fmt.Sprintf("(%s) %s %s", d[n-10:n-7], d[n-7:n-4], d[n-4:]),
		fmt.Sprintf("%s-%s-%s-%s", d[n-10:n-8], d[n-8:n-6], d[n-6:n-3], d[n-3:]),
	}
}

// reason is what a host's people write down, which its own store may hold.
func (c canary) reason() string { return c.name + " (" + spellings(c.number)[0] + ") wants no calls" }

// quote is what a vendor, a gate or a store says that quotes its input: number and name.
func (c canary) quote(r *rand.Rand) string {
	all := spellings(c.number)
	return fmt.Sprintf("no route to %s (%q, <%s>) at https://user:%s@crm.example/v1?to=%s",
		all[r.IntN(len(all))], c.name, c.number, c.secrets, strings.TrimPrefix(c.number, "+"))
}
