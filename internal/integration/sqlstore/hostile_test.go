package sqlstore_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// hostile are strings that have broken programs before: quoting, comments and
// placeholders of SQL, escapes of JSON and of LIKE, control and formatting
// characters, text of other scripts and at the edges of Unicode, what looks like a
// number, a date or a word of a language. NUL and broken UTF-8, which no database
// takes as text, are TestUnstorable's.
func hostile() []string {
	all := []string{
		// SQL
		`'`, `''`, `"`, `""`, "`", `;`, `--`, `/*`, `*/`, `\`, `\\`, `\'`, `''; --`, `$1`, `$$`, `$tag$ $tag$`, `?`, `?1`, `:name`, `@p1`, `%s`, `%`, `_`, `%_%`, `E'\x27'`, `U&'\0027'`,
		`'; DROP TABLE voice_tasks; --`, `1; DELETE FROM voice_tasks`, `' OR '1'='1`, `') OR ('1'='1`, `" OR ""="`, `x' UNION SELECT id FROM voice_tasks --`,
		`'||pg_sleep(10)||'`, `'; SELECT pg_terminate_backend(pg_backend_pid()); --`, `'; ATTACH DATABASE 'x' AS y; --`, `load_extension('x')`, `{tasks}`, `{now}`, `{scopes}`,
		// other languages
		`<script>alert(1)</script>`, `&lt;&amp;`, `${7*7}`, `{{7*7}}`, `$(true)`, "`true`", `|| true`, `../../etc/passwd`, `C:\x`, `file:///x`, `%00`, `%0d%0a`, `\u0000`, `\x00`, `\0`, `\n`,
		"first\r\nSecond: header", "\x1b[31mred\x1b[0m", "\a\b\t\v\f\x7f", "\u0085\u2028\u2029",
		// looks like something else
		"NULL", "null", "nil", "None", "undefined", "true", "false", "0", "-0", "00", "1e309", "NaN", "Infinity", "-Infinity", "0x1F", "1/0", "9223372036854775808", "1.0", "1,0", "2026-02-30", "now()", "[]", "{}", `{"a":1}`, `""`,
		// white space
		" ", "  ", "\t", "\n", " lead", "trail ", "\u00a0", "\u3000", "\u200b", "\ufeff", "a\u00adb",
		// scripts, marks, directions
		"ß", "ẞ", "İ", "ı", "ſ", "é", "e\u0301", "Å", "Å", "ﬁ", "Ω≈ç√∫", "田中さん", "사회과학원", "التطبيق", "שלום", "ไทย", "\u202egnp.exe", "\u2066x\u2069", "Z\u0351\u032b\u0343a\u0300l\u0301",
		"👍🏽", "👩‍👩‍👧‍👦", "🇦🇹", "\U0001f469\u200d\u2764\ufe0f", "\U0010ffff", "\ue000", "\ufffd", "\ufffe", "\uffff", "１２３", "١٢٣", "½", "³",
		strings.Repeat("x", 2000), strings.Repeat("é", 900), strings.Repeat("'", 999), strings.Repeat("\U0001f600", 300),
	}
	for c := rune(1); c < 0x20; c++ {
		all = append(all, fmt.Sprintf("a%cb", c))
	}
	return all
}

// fillStrings sets every string within v, whatever its type, and counts them.
func fillStrings(v reflect.Value, s string) (n int) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
		return 1
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return 0
		}
		for i := range v.NumField() {
			n += fillStrings(v.Field(i), s)
		}
	case reflect.Slice:
		if v.Type() != reflect.TypeFor[json.RawMessage]() {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			n += fillStrings(v.Index(0), s)
		}
	}
	return n
}

// Every string field of a record and of its attempts holds every hostile string, is
// read back byte for byte, and finds that record and no other.
func TestHostileStrings(t *testing.T) {
	inBoth(t, func(t *testing.T, d database) {
		s, db := d.store(t, nil)
		ctx := t.Context()
		seen := map[string]bool{}
		for _, text := range hostile() {
			if seen[text] {
				continue
			}
			seen[text] = true
			var r store.Record
			if n := fillStrings(reflect.ValueOf(&r).Elem(), text); n < 17 {
				t.Fatalf("only %d strings in a record", n)
			}
			r.Attempts[0].N = 1
			r.Task, _ = json.Marshal(map[string]string{text: text})
			r.Result = r.Task
			written, err := s.Create(ctx, r)
			if err != nil {
				t.Errorf("Create with %.40q: %v", text, err)
				continue
			}
			if written, err = s.Update(ctx, written); err != nil {
				t.Errorf("Update with %.40q: %v", text, err)
				continue
			}
			got, err := s.Get(ctx, text)
			if err != nil || !reflect.DeepEqual(got, written) {
				t.Errorf("%.40q came back changed, with error %v:\ngot  %+v\nwant %+v", text, err, got, written)
			}
			r.Version, r.CreatedAt, r.UpdatedAt = got.Version, got.CreatedAt, got.UpdatedAt
			if !sameStrings(reflect.ValueOf(r), reflect.ValueOf(got)) || string(got.Task) != compact(t, r.Task) {
				t.Errorf("%.40q: what was written is not what is read", text)
			}
		}
		for text := range seen {
			for _, q := range []store.Query{{TenantID: text}, {RunID: text}, {Statuses: []store.Status{store.Status(text)}}, {TenantID: text, RunID: text, Statuses: []store.Status{store.Status(text)}, DueBefore: time.Now()}} {
				listed, err := s.List(ctx, q)
				if err != nil || len(listed) != 1 || listed[0].ID != text {
					t.Errorf("List by %.40q: got %d records and error %v, want its own", text, len(listed), err)
				}
				if sum, err := s.Summarize(ctx, q); err != nil || len(sum.ByStatus) != 1 || sum.ByStatus[store.Status(text)] != 1 {
					t.Errorf("Summarize by %.40q: got %v and error %v", text, sum.ByStatus, err)
				}
			}
			if found, err := s.FindCall(ctx, text, provider.CallID(text)); err != nil || found.ID != text {
				t.Errorf("FindCall of %.40q: got %.40q and error %v", text, found.ID, err)
			}
			l := store.Lease{Holder: text, Scopes: map[string]int{text: 1}, Until: time.Now().Add(time.Hour)}
			if taken, err := s.Acquire(ctx, l); !taken || err != nil {
				t.Errorf("Acquire of %.40q: got %v and error %v", text, taken, err)
			}
			l.Holder += "'"
			if taken, err := s.Acquire(ctx, l); taken || err != nil {
				t.Errorf("Acquire of %.40q by another: got %v and error %v", text, taken, err)
			}
			if err := s.Release(ctx, text); err != nil {
				t.Errorf("Release of %.40q: %v", text, err)
			}
		}
		var tasks int
		if err := db.QueryRow(`SELECT count(*) FROM ` + d.table("tasks")).Scan(&tasks); err != nil || tasks != len(seen) || tasks < 150 {
			t.Errorf("%d tasks and error %v, want %d", tasks, err, len(seen))
		}
	})
}

func compact(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(raw); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// sameStrings compares what fillStrings sets.
func sameStrings(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.String:
		return a.String() == b.String()
	case reflect.Struct:
		for i := 0; i < a.NumField() && a.Type() != reflect.TypeFor[time.Time](); i++ {
			if !sameStrings(a.Field(i), b.Field(i)) {
				return false
			}
		}
	case reflect.Slice:
		if a.Type() == reflect.TypeFor[json.RawMessage]() {
			return true
		}
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !sameStrings(a.Index(i), b.Index(i)) {
				return false
			}
		}
	}
	return true
}
