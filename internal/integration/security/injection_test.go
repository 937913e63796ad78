package security

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/store/sqlstore"
	"github.com/superservices/voice/voicetask"
)

// hostile are strings that end statements, lines and terminals' patience.
var hostile = []string{
	`'; DROP TABLE voice_tasks; --`, `" OR ""="`, `1' OR '1'='1`, `$1`, `?`, `%s%n%d`, `{{.}}`, `\`, `'`, `"`, "`", `/* */`, `); DELETE FROM voice_tasks WHERE (1=1`,
	"a\r\nlevel=ERROR msg=forged", "a\n{\"level\":\"ERROR\",\"msg\":\"forged\"}", "\x1b[2J\x1b[31mred", "\u2028\u2029\u0085", "a\tb\vc\fd", "\u202eevil",
	"Ω≈ç√∫˜µ≤≥÷", "田中さんにあげて下さい", "😍🏳️‍🌈", "\uFEFF", "ＳＥＬＥＣＴ ＊", strings.Repeat("'", 150), "../../etc/passwd", "<script>alert(1)</script>", "${jndi:ldap://x}",
}

// TestHostileStringsInEveryField: they go through Submit, Deliver, Hold and Settle into
// SQLite, and come back byte for byte or are refused; the tables stay.
func TestHostileStringsInEveryField(t *testing.T) {
	h := &host{t: t}
	h.openRows()
	var logged bytes.Buffer
	d, err := voicetask.NewDirect(voicetask.Config{
		Providers: registryOf(t, providertest.NewFake("vapi")), Store: h.rows, Logger: slog.New(slog.NewTextHandler(&logged, nil)),
	})
	require.NoError(t, err)
	taken := 0
	for i, s := range hostile {
		task := voicetask.Task{
			ID: fmt.Sprintf("t-%d", i), AgentID: "a", Instructions: s, Callback: s, TimeZone: s,
			Data: voicetask.Data{ContactNumber: s, ContactName: s, Room: s, Provider: s, Quality: s, CallType: s, VapiAgentID: s},
		}
		require.NoError(t, task.Data.Set("k"+s, map[string]string{s: s}))
		require.NoError(t, d.Submit(t.Context(), task), s)
		for _, field := range []*string{&task.ID, &task.AgentID, &task.RunID, &task.TenantID} { // ids may be refused
			other := task
			ids := []*string{&other.ID, &other.AgentID, &other.RunID, &other.TenantID}
			for j, f := range []*string{&task.ID, &task.AgentID, &task.RunID, &task.TenantID} {
				if f == field {
					*ids[j] = s
					if j != 0 {
						other.ID = fmt.Sprintf("t-%d-%d", i, j)
					}
				}
			}
			switch err := d.Submit(t.Context(), other); {
			case err == nil:
				taken++
				r, err := h.rows.Get(t.Context(), other.ID)
				require.NoError(t, err)
				require.Equal(t, []string{other.ID, other.AgentID, other.RunID, other.TenantID}, []string{r.ID, r.AgentID, r.RunID, r.TenantID})
			default:
				require.ErrorIs(t, err, voicetask.ErrInvalidTask, s)
			}
		}
		require.NoError(t, d.Hold(t.Context(), task.ID, s))
		r, err := h.rows.Get(t.Context(), task.ID)
		require.NoError(t, err)
		require.Equal(t, s, r.To)
		require.Equal(t, "hold: "+s, r.Reason)
		back, err := voicetask.ParseTask(r.Task)
		require.NoError(t, err)
		require.Equal(t, s, back.Instructions)
		require.Equal(t, s, back.Data.ContactName)

		for _, e := range []provider.Event{
			{ID: s, Provider: s, Key: s, Call: provider.Call{ID: provider.CallID(s), Reason: s, Transcript: s}},
			{ID: s, Provider: s, Call: provider.Call{ID: provider.CallID(s)}},
			{ID: s, Provider: s, Key: task.ID + "/1", Call: provider.Call{ID: provider.CallID(s), Reason: s}},
		} {
			require.ErrorIs(t, d.Deliver(t.Context(), e), provider.ErrUnknownCall, s)
		}
		_, err = h.rows.List(t.Context(), store.Query{TenantID: s, RunID: s, After: s})
		require.NoError(t, err)
		require.Error(t, d.Settle(t.Context(), s, provider.Call{Outcome: provider.OutcomeBusy}))
		require.ErrorIs(t, d.Cancel(t.Context(), "no"+s), voicetask.ErrUnknownTask)
	}
	require.Greater(t, taken, len(hostile), "most are lawful ids")
	all, err := h.rows.List(t.Context(), store.Query{Limit: 1000})
	require.NoError(t, err)
	require.Len(t, all, len(hostile)+taken, "no row was added, lost or changed by words")
}

// TestTablePrefix: it is the one thing that goes into statements as it is.
func TestTablePrefix(t *testing.T) {
	db, err := sql.Open("sqlite", "file::memory:")
	require.NoError(t, err)
	defer func() { _ = db.Close() }()
	for _, prefix := range []string{"voice_", "v.", "voice.calls_"} {
		_, err := sqlstore.New(db, sqlstore.Config{Dialect: sqlstore.SQLite, Prefix: prefix})
		require.NoError(t, err, prefix)
	}
	for _, prefix := range append(hostile, "Voice_", "1voice", "a b", "a;b", "a--", "a.b.c_", ".", "voice_\x00", strings.Repeat("a", 70)) {
		_, err := sqlstore.New(db, sqlstore.Config{Dialect: sqlstore.SQLite, Prefix: prefix})
		require.Error(t, err, prefix)
	}
}

func registryOf(t *testing.T, ps ...provider.Provider) *provider.Registry {
	t.Helper()
	r, err := provider.NewRegistry(ps...)
	require.NoError(t, err)
	return r
}

// lines counts the lines written, which must be whole.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
	n   int
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++ // a handler writes a record at once
	return l.buf.Write(p)
}

// TestForeignTextMakesNoLogLine: whatever a gate, a store or a platform says, one record
// is one line, without control characters.
func TestForeignTextMakesNoLogLine(t *testing.T) {
	for name, handler := range map[string]func(io.Writer) slog.Handler{
		"text": func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) },
		"json": func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			out := &lines{}
			h := &host{t: t}
			h.openRows()
			asked := make(chan struct{}, 1000)
			d, err := voicetask.NewDirect(voicetask.Config{
				Providers: registryOf(t, providertest.NewFake("vapi")), Store: h.rows, Logger: slog.New(handler(out)),
				Gates: []voicetask.Gate{voicetask.GateFunc(func(_ context.Context, d voicetask.Dial) (voicetask.Verdict, error) {
					asked <- struct{}{}
					return voicetask.Verdict{}, errors.New("gate: " + d.Task.Instructions)
				})},
			})
			require.NoError(t, err)
			for i, s := range hostile {
				require.NoError(t, d.Submit(t.Context(), voicetask.Task{ID: fmt.Sprint("t", i), AgentID: "a", Instructions: s, Data: voicetask.Data{ContactNumber: "+14155550100"}}))
			}
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- d.Run(ctx) }()
			for range hostile {
				select {
				case <-asked:
				case <-time.After(time.Minute):
					t.Fatal("the gate is not asked")
				}
			}
			stop()
			require.NoError(t, <-done)
			text := out.buf.String()
			require.GreaterOrEqual(t, out.n, len(hostile), "each was logged")
			require.Equal(t, out.n, strings.Count(text, "\n"), "one line a record")
			require.NotContains(t, text, "\x1b")
			require.NotContains(t, text, "\r")
			for line := range strings.Lines(text) {
				require.NotRegexp(t, `^level=ERROR`, line)
				if name == "json" {
					require.True(t, json.Valid([]byte(line)), line)
				}
			}
		})
	}
}
