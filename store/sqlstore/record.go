package sqlstore

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// doc is the JSON column. Its names are permanent; fields are only added.
type doc struct {
	Task              json.RawMessage `json:"task,omitempty"`
	Result            json.RawMessage `json:"result,omitempty"`
	Attempts          []store.Attempt `json:"attempts,omitempty"`
	CancelRequestedAt time.Time       `json:"cancel_requested_at,omitzero"`
	Owner             string          `json:"owner,omitempty"`
	LeaseUntil        time.Time       `json:"lease_until,omitzero"`
}

// row is a record as it is written.
type row struct {
	record  store.Record // as it will be read again, but for Version and the store's times
	costUSD float64
	doc     string
	calls   string // JSON [["provider", "call id"], ...], or empty
}

// args are parameters 1 to 12 of a write.
func (w row) args() []any {
	r := w.record
	return []any{
		r.ID, r.TenantID, r.RunID, string(r.Status), micros(r.DueAt), r.Version,
		r.AgentID, r.To, string(r.Outcome), r.Reason, w.costUSD, w.doc,
	}
}

// encode checks r and prepares it for writing.
func encode(r store.Record) (row, error) {
	if r.ID == "" {
		return row{}, errors.New("sqlstore: Record.ID is empty")
	}
	r = normalize(r)
	if y := r.DueAt.Year(); y < 0 || y > 9999 {
		return row{}, fmt.Errorf("sqlstore: task %q: the year of DueAt, %d, is outside 0 to 9999", r.ID, y)
	}
	text := []string{r.ID, r.TenantID, r.RunID, string(r.Status), r.AgentID, r.To, string(r.Outcome), r.Reason}
	w := row{record: r}
	var calls [][2]string
	for _, a := range r.Attempts {
		w.costUSD += a.CostUSD
		for _, id := range append([]provider.CallID{a.CallID}, a.OtherCallIDs...) {
			call := [2]string{a.Provider, string(id)}
			if id != "" && !slices.Contains(calls, call) {
				calls = append(calls, call)
				text = append(text, call[:]...)
			}
		}
	}
	var err error
	if w.doc, err = marshal(doc{r.Task, r.Result, r.Attempts, r.CancelRequestedAt, r.Owner, r.LeaseUntil}); err != nil {
		return row{}, fmt.Errorf("sqlstore: encode task %q: %w", r.ID, err)
	}
	if calls != nil {
		if w.calls, err = marshal(calls); err != nil {
			return row{}, fmt.Errorf("sqlstore: encode calls of task %q: %w", r.ID, err)
		}
	}
	// A Task or Result with broken UTF-8 comes out of marshal as it went in.
	if i := slices.IndexFunc(append(text, w.doc), func(s string) bool { return !storable(s) }); i >= 0 {
		return row{}, fmt.Errorf("task %q: %w", r.ID, ErrText)
	}
	return w, nil
}

// marshal is json.Marshal without the escapes for HTML, which would change Task
// and Result.
func marshal(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// scan reads the columns of a row.
func scan(rows *sql.Rows) (store.Record, error) {
	var (
		r                    store.Record
		due, created, edited int64
		text                 []byte
	)
	if err := rows.Scan(&r.ID, &r.TenantID, &r.RunID, &r.Status, &due, &r.Version, &created, &edited,
		&r.AgentID, &r.To, &r.Outcome, &r.Reason, &text); err != nil {
		return store.Record{}, err
	}
	var d doc
	if err := json.Unmarshal(text, &d); err != nil {
		return store.Record{}, fmt.Errorf("decode column doc of task %q: %w", r.ID, err)
	}
	r.DueAt, r.CreatedAt, r.UpdatedAt = fromMicros(due), fromMicros(created), fromMicros(edited)
	r.Task, r.Result, r.Attempts = d.Task, d.Result, d.Attempts
	r.CancelRequestedAt, r.Owner, r.LeaseUntil = d.CancelRequestedAt, d.Owner, d.LeaseUntil
	return normalize(r), nil
}

// normalize returns a copy that shares nothing with r, its times in UTC and cut to
// the microsecond.
func normalize(r store.Record) store.Record {
	r.Task, r.Result = bytes.Clone(r.Task), bytes.Clone(r.Result)
	cut(&r.DueAt, &r.CancelRequestedAt, &r.LeaseUntil)
	r.Attempts = slices.Clone(r.Attempts)
	for i := range r.Attempts {
		a := &r.Attempts[i]
		a.OtherCallIDs = slices.Clone(a.OtherCallIDs)
		cut(&a.NotBefore, &a.ReservedAt, &a.SentAt, &a.DialledAt, &a.AnsweredAt, &a.EndedAt)
	}
	return r
}

func cut(times ...*time.Time) {
	for _, t := range times {
		*t = t.UTC().Truncate(time.Microsecond)
	}
}

// storable reports whether every database takes s as text.
func storable(s ...string) bool {
	for _, s := range s {
		if strings.ContainsRune(s, 0) || !utf8.ValidString(s) {
			return false
		}
	}
	return true
}

// endOfTime is the last time a lease or a query can ask for.
var endOfTime = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// micros is t as a column. The zero time is year 1, before all others.
func micros(t time.Time) int64 {
	if t.After(endOfTime) {
		t = endOfTime
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time { return time.UnixMicro(n).UTC() }
