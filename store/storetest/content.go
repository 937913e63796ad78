package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// roundTrip creates r and adds what differs when it is read again, and once more
// after an Update.
func (p *problems) roundTrip(ctx context.Context, st store.Store, what string, r store.Record) {
	created, err := st.Create(ctx, r)
	if err != nil {
		p.addf("%s: Create: %v", what, err)
		return
	}
	p.compare(what+": Create", r, created)
	got, err := st.Get(ctx, r.ID)
	if err != nil {
		p.addf("%s: Get: %v", what, err)
		return
	}
	p.compare(what+": Get", r, got)
	r.Version = got.Version
	updated, err := st.Update(ctx, r)
	if err != nil {
		p.addf("%s: Update: %v", what, err)
		return
	}
	p.compare(what+": Update", r, updated)
	if got, err = st.Get(ctx, r.ID); err != nil {
		p.addf("%s: Get after Update: %v", what, err)
		return
	}
	p.compare(what+": Get after Update", r, got)
}

func checkRoundTrip(ctx context.Context, s subject) error {
	var p problems
	st := s.open()
	p.roundTrip(ctx, st, "every field", filled("task-1"))
	// Every field again, now by an Update of a bare record.
	bare, err := st.Create(ctx, store.Record{ID: "task-2"})
	if err != nil {
		return fmt.Errorf("Create: %w", err)
	}
	full := filled("task-2")
	full.Version = bare.Version
	if _, err := st.Update(ctx, full); err != nil {
		return fmt.Errorf("Update: %w", err)
	}
	got, err := st.Get(ctx, "task-2")
	if err != nil {
		return fmt.Errorf("Get: %w", err)
	}
	p.compare("every field set by Update", full, got)
	return p.err()
}

func checkZeroValues(ctx context.Context, s subject) error {
	var p problems
	p.roundTrip(ctx, s.open(), "a record with an ID only", store.Record{ID: "task-1"})
	st := s.open()
	p.roundTrip(ctx, st, "an attempt with a number only", store.Record{ID: "task-1", Attempts: []store.Attempt{{N: 1}}})
	// An Update can clear what was set.
	full, err := st.Create(ctx, filled("task-2"))
	if err != nil {
		return fmt.Errorf("Create: %w", err)
	}
	bare := store.Record{ID: "task-2", Version: full.Version}
	if _, err := st.Update(ctx, bare); err != nil {
		return fmt.Errorf("Update: %w", err)
	}
	got, err := st.Get(ctx, "task-2")
	if err != nil {
		return fmt.Errorf("Get: %w", err)
	}
	p.compare("every field cleared by Update", bare, got)
	return p.err()
}

func checkJSON(ctx context.Context, s subject) error {
	var p problems
	st := s.open()
	for i, text := range []string{
		`{"big":12345678901234567890,"exact":0.1000,"tiny":1e-400,"huge":1E+400,"negative":-0}`,
		`{"text":"é\u00e9\ud83d\ude00 <b>&amp;</b> \"\\\/\b\f\n\r\t\u2028","nul":"a\u0000b","":"empty key"}`,
		`{ "white" : [ 1 , 2 , { } , [ ] , null , true , false ] }`,
		`[]`, `"text"`, `12345678901234567890`, `null`,
	} {
		p.roundTrip(ctx, st, text, store.Record{
			ID: fmt.Sprintf("task-%d", i), Status: store.StatusPending, Task: json.RawMessage(text), Result: json.RawMessage(text),
		})
	}
	return p.err()
}

func checkLarge(ctx context.Context, s subject) error {
	var p problems
	// A message may be 1 MiB, and a result holds a whole transcript.
	text := json.RawMessage(`{"text":"` + strings.Repeat("0123456789abcdef", 1<<16) + `"}`)
	r := store.Record{ID: "task-1", Status: store.StatusPending, Task: text, Result: text, Reason: strings.Repeat("reason ", 1000)}
	for n := range 30 {
		r.Attempts = append(r.Attempts, store.Attempt{N: n, Key: provider.Key(r.ID, n), Reason: strings.Repeat("é", 1000)})
	}
	p.roundTrip(ctx, s.open(), "a large record", r)
	return p.err()
}

// oddStrings are fit for an id: no control characters, no "/", at most 200 bytes.
// Some differ only in case, in white space at the end or in how "é" is written.
var oddStrings = []string{
	"case", "Case", "trailing", "trailing ", " trailing", "é", "e\u0301", "ss", "ß", "i", "İ", "ı",
	`'`, `''`, `"`, "`", `\`, `\\`, `\'`, `%`, `_`, `a%b_c`, `\x00`, `\u0000`, `&lt;<b>&`, `;`, `--`, `#`,
	`'; DROP TABLE voice_tasks; --`, `" OR ""="`, `1) OR (1=1`, `$1`, `?`, `?1`, `:id`, `@id`, `{tasks}`, `$$`, `%s%d`,
	"NULL", "null", "true", "0", "-1", "1e3", "2026-01-07", "[]", "{}", "日本語", "العربية", "👩‍👩‍👧‍👦", "\u200b", "\ufeff", "\ufffd", "\U0010ffff", "\u2028",
	"" + strings.Repeat("x", 200),
}

func checkStrings(ctx context.Context, s subject) error {
	var p problems
	st := s.open()
	records := map[string]store.Record{}
	for _, odd := range oddStrings {
		call := []provider.CallID{provider.CallID("other " + odd)}
		r := store.Record{
			ID: odd, TenantID: odd, RunID: odd, Status: store.StatusPending, AgentID: odd, To: odd, Reason: odd + "\n\t\r",
			Owner: odd, Attempts: []store.Attempt{{N: 1, Key: odd + "/1", Provider: odd, Token: odd, CallID: provider.CallID(odd), OtherCallIDs: call, Reason: odd + "\n\t\x01"}},
		}
		r.Task, _ = json.Marshal(map[string]string{odd: odd})
		if _, err := st.Create(ctx, r); err != nil {
			p.addf("Create of task %q: %v", odd, err)
			continue
		}
		records[odd] = r
	}
	for odd, want := range records {
		got, err := st.Get(ctx, odd)
		if err != nil {
			p.addf("Get of task %q: %v", odd, err)
			continue
		}
		p.compare(fmt.Sprintf("Get of task %q", odd), want, got)
		p.lookUp(ctx, st, odd)
	}
	p.unstorable(ctx, st)
	return p.err()
}

// lookUp finds the task whose strings are all odd.
func (p *problems) lookUp(ctx context.Context, st store.Store, odd string) {
	if lister, ok := st.(store.Lister); ok {
		for _, q := range []store.Query{{TenantID: odd}, {RunID: odd}} {
			listed, err := lister.List(ctx, q)
			if err != nil || ids(listed) != odd {
				p.addf("List of %+v: got %q and error %v, want %q", q, ids(listed), err, odd)
			}
		}
	}
	if finder, ok := st.(store.CallFinder); ok {
		for _, id := range []string{odd, "other " + odd} {
			found, err := finder.FindCall(ctx, odd, provider.CallID(id))
			if err != nil || found.ID != odd {
				p.addf("FindCall of %q: got %q and error %v, want %q", id, found.ID, err, odd)
			}
		}
	}
}

// unstorable tries what some databases refuse: that is an error and changes
// nothing, or it is kept as it is, but nothing between.
func (p *problems) unstorable(ctx context.Context, st store.Store) {
	for i, text := range []string{"nul \x00 byte", "broken \xff UTF-8"} {
		id := fmt.Sprintf("unstorable-%d", i)
		before, err := st.Create(ctx, store.Record{ID: id, Reason: "before"})
		if err != nil {
			p.addf("Create: %v", err)
			continue
		}
		write := before
		write.Reason = text
		want, err := st.Update(ctx, write)
		if err != nil {
			want = before
		} else {
			p.compare(fmt.Sprintf("Update with Reason %q", text), write, want)
		}
		got, err := st.Get(ctx, id)
		if err != nil {
			p.addf("Get: %v", err)
			continue
		}
		p.same(fmt.Sprintf("Get after Update with Reason %q", text), want, got)
		if _, err := st.Get(ctx, text); err == nil {
			p.addf("Get of id %q, which does not exist: got no error", text)
		}
	}
}
