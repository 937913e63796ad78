package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/superservices/voice/store"
)

// closed is a database that must not be touched.
type closed struct{ t *testing.T }

func (c closed) Connect(context.Context) (driver.Conn, error) {
	c.t.Error("the database was touched")
	return nil, errors.New("closed")
}
func (closed) Driver() driver.Driver { return nil }

func TestNew(t *testing.T) {
	db := sql.OpenDB(closed{t})
	if _, err := New(nil, Config{Dialect: SQLite}); err == nil || !strings.Contains(err.Error(), "db is nil") {
		t.Errorf("New of a nil db: got error %v", err)
	}
	for _, d := range []Dialect{"", "mysql", "Postgres"} {
		if _, err := New(db, Config{Dialect: d}); err == nil || !strings.Contains(err.Error(), "Config.Dialect") {
			t.Errorf("New of dialect %q: got error %v", d, err)
		}
	}
	for _, prefix := range []string{
		".", "..", "a.b.c", "a..b", ".a", "Voice_", "voice-", "1voice", "vöice", "voice ", "voice;", `voice"`, "voice'", "voice_\n", "a.b\n", "a\n.b",
		"x; DROP TABLE users; --", strings.Repeat("a", 32), strings.Repeat("a", 32) + ".", "a." + strings.Repeat("b", 32),
	} {
		_, err := New(db, Config{Dialect: SQLite, Prefix: prefix})
		if err == nil || !strings.Contains(err.Error(), "Config.Prefix") {
			t.Errorf("New of prefix %q: got error %v", prefix, err)
		}
		if _, err := Migrations(Config{Dialect: SQLite, Prefix: prefix}); err == nil {
			t.Errorf("Migrations of prefix %q: got no error", prefix)
		}
	}
	for prefix, tasks := range map[string]string{
		"": "voice_tasks", "voice_": "voice_tasks", "v": "vtasks", "_": "_tasks",
		"voice.": `"voice".tasks`, "order.app_": `"order".app_tasks`, strings.Repeat("a", 31) + ".": `"` + strings.Repeat("a", 31) + `".tasks`,
	} {
		for _, d := range []Dialect{Postgres, SQLite} {
			s, err := New(db, Config{Dialect: d, Prefix: prefix})
			if err != nil {
				t.Errorf("New of prefix %q: %v", prefix, err)
				continue
			}
			if got := s.names.qualified("tasks"); got != tasks {
				t.Errorf("prefix %q: got table %s, want %s", prefix, got, tasks)
			}
			if !s.Durable() {
				t.Error("Durable is false")
			}
		}
	}
}

// What cannot be written does not reach the database.
func TestChecksBeforeTheDatabase(t *testing.T) {
	s, err := New(sql.OpenDB(closed{t}), Config{Dialect: Postgres})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), store.Record{}); err == nil {
		t.Error("Create without an ID: got no error")
	}
	if _, err := s.Create(t.Context(), store.Record{ID: "task-1", Reason: "\x00"}); !errors.Is(err, ErrText) {
		t.Errorf("Create with a NUL byte: got error %v, want %v", err, ErrText)
	}
	if _, err := s.Update(t.Context(), store.Record{}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Update without an ID: got error %v, want %v", err, store.ErrNotFound)
	}
}

// Every text that goes to a database, complete and with parameters numbered from 1
// without a gap.
func TestQueryTexts(t *testing.T) {
	for d, mark := range map[Dialect]string{Postgres: "$", SQLite: "?"} {
		s, err := New(sql.OpenDB(closed{t}), Config{Dialect: d, Prefix: "a.b_"})
		if err != nil {
			t.Fatal(err)
		}
		texts := []string{s.q.create, s.q.update, s.q.get, s.q.exists, s.q.call, s.q.list, s.q.sum, s.q.end}
		if d == Postgres {
			texts = append(texts, s.q.createCalls, s.q.updateCalls)
		}
		for _, text := range texts {
			if strings.ContainsAny(text, "{}") {
				t.Errorf("%s: a placeholder is left in %s", d, text)
			}
			if other := map[string]string{"$": "?", "?": "$"}[mark]; strings.Contains(text, other) {
				t.Errorf("%s: a parameter of the other dialect in %s", d, text)
			}
			seen := map[string]bool{}
			for _, m := range regexp.MustCompile(regexp.QuoteMeta(mark)+`(\d+)`).FindAllStringSubmatch(text, -1) {
				seen[m[1]] = true
			}
			for n := range len(seen) {
				if !seen[fmt.Sprint(n+1)] {
					t.Errorf("%s: parameter %d is missing in %s", d, n+1, text)
				}
			}
		}
	}
}

func TestMigrations(t *testing.T) {
	var versions [2]string
	for i, d := range []Dialect{Postgres, SQLite} {
		steps, err := Migrations(Config{Dialect: d, Prefix: "order.app_"})
		if err != nil {
			t.Fatal(err)
		}
		for n, step := range steps {
			versions[i] += fmt.Sprint(step.Version, step.Name, " ")
			if step.Version != n+1 || step.Name == "" {
				t.Errorf("%s: step %d has Version %d and Name %q", d, n+1, step.Version, step.Name)
			}
			if strings.ContainsAny(step.SQL, "{}") {
				t.Errorf("%s: step %d: a placeholder is left", d, step.Version)
			}
			record := fmt.Sprintf(`INSERT INTO "order".app_schema_version (version, name) VALUES (%d, '%s');`, step.Version, step.Name)
			if !strings.HasSuffix(strings.TrimSpace(step.SQL), record) {
				t.Errorf("%s: step %d does not end with %s", d, step.Version, record)
			}
			for _, m := range regexp.MustCompile(`CREATE (?:TABLE|INDEX|TRIGGER) (\S+)`).FindAllStringSubmatch(step.SQL, -1) {
				if !strings.Contains(m[1], "app_") {
					t.Errorf("%s: step %d creates %s, without the prefix", d, step.Version, m[1])
				}
			}
		}
	}
	if versions[0] != versions[1] || versions[0] == "" {
		t.Errorf("the dialects have different steps: %s, %s", versions[0], versions[1])
	}
}

// A released step has been applied somewhere: add a new one instead of changing it.
// (Before the first release, correct the sums.)
func TestReleasedMigrationsStand(t *testing.T) {
	released := map[string]string{
		"postgres/0001_tasks.sql": "7389056143e2b4d8",
		"sqlite/0001_tasks.sql":   "edb149983296e89c",
	}
	seen := 0
	err := fs.WalkDir(files, "migrations", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, "migrations/")
		if got := fmt.Sprintf("%x", sha256.Sum256(text))[:16]; got != released[name] {
			t.Errorf("%s: its text has the sum %s, want %q", name, got, released[name])
		}
		seen++
		return nil
	})
	if err != nil || seen != len(released) {
		t.Errorf("found %d steps, want %d; error %v", seen, len(released), err)
	}
}
