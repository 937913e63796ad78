package voicetask_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/voicetask"
)

func marshal(t *testing.T, task voicetask.Task) string {
	t.Helper()
	b, err := task.MarshalJSON()
	require.NoError(t, err)
	return string(b)
}

func TestMarshalTaskSmall(t *testing.T) {
	require.Equal(t,
		`{"task_id":"t1","agent_id":"a1","data":{},"instructions":"","model_config":null,"callback":"","retry_attempt":0,"message_type":"outbound_call"}`,
		marshal(t, voicetask.Task{ID: "t1", AgentID: "a1"}))
}

func TestMarshalTaskFull(t *testing.T) {
	zone := time.FixedZone("", 2*60*60)
	require.Equal(t,
		`{"task_id":"t1","agent_id":"a<1>&","data":{"contact_number":"+1","contact_name":"Ada","room":"r","provider":"p","quality":"q","call_type":"c","vapi_agent_id":"v","a":1,"b":2},`+
			`"instructions":"i","model_config":{ "m" : 1 },"callback":"cb","retry_attempt":1,"message_type":"outbound_call",`+
			`"run_id":"run","tenant_id":"ten","priority":2,"not_before":"2026-01-07T10:00:00+02:00","not_after":"2026-01-07T10:00:00Z","time_zone":"UTC","max_dials":4,`+
			`"x":[1,  2],"z":1e999}`,
		marshal(t, voicetask.Task{
			ID: "t1", AgentID: "a<1>&",
			Data: voicetask.Data{
				ContactNumber: "+1", ContactName: "Ada", Room: "r", Provider: "p", Quality: "q", CallType: "c", VapiAgentID: "v",
				Extra: raws(`b`, `2`, `a`, `1`),
			},
			Instructions: "i", ModelConfig: json.RawMessage(`{ "m" : 1 }`), Callback: "cb", RetryAttempt: 1, MessageType: "outbound_call",
			RunID: "run", TenantID: "ten", Priority: 2,
			NotBefore: time.Date(2026, 1, 7, 10, 0, 0, 0, zone), NotAfter: time.Date(2026, 1, 7, 10, 0, 0, 0, time.UTC),
			TimeZone: "UTC", MaxDials: 4, Extra: raws(`z`, `1e999`, `x`, `[1,  2]`),
		}))
}

// TestMarshalQuotesAsEncodingJSONDoes, but for <, > and &.
func TestMarshalQuotesAsEncodingJSONDoes(t *testing.T) {
	for _, s := range []string{
		"", "plain", `say "hi"`, `back\slash`, "two\nlines\r\t", "\x00\x1f\x7f", "<b>&amp;</b>", "grüße", "任务", "😀", "\u2028\u2029", "bad\xff", "\ufffd",
	} {
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		require.NoError(t, enc.Encode(s))
		task := voicetask.Task{ID: "t1", AgentID: "a1", Instructions: s, Data: voicetask.Data{Room: s, Extra: map[string]json.RawMessage{"k" + s: json.RawMessage("1")}}}
		got := marshal(t, task)
		quoted := strings.TrimSpace(want.String())
		require.Contains(t, got, `"instructions":`+quoted+`,`)
		require.Contains(t, got, `"k`+quoted[1:]+`:1`)
		if s != "" {
			require.Contains(t, got, `"room":`+quoted)
		}
		require.True(t, json.Valid([]byte(got)))
		require.Equal(t, strings.ToValidUTF8(s, "\ufffd"), mustParse(t, got).Instructions)
	}
}

func raws(pairs ...string) map[string]json.RawMessage {
	m := map[string]json.RawMessage{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = json.RawMessage(pairs[i+1])
	}
	return m
}

// TestUnknownFieldsSurviveByteForByte: beside data and in it, whatever they hold.
func TestUnknownFieldsSurviveByteForByte(t *testing.T) {
	for _, value := range []string{
		`12345678901234567890123`, `1e999`, `-0`, `0.10`, `1E+2`, `null`, `""`, `true`, `[ ]`, `{ "b" : 1,  "a":[ 1 ,2 ] , "a" : 3 }`,
		`"\u00fc\/<&>"`, `"ü"`, `"\ud800"`, "[\n\t1\r\n]",
	} {
		in := `{"task_id":"t1","agent_id":"a1","data":{"host":` + value + `},"instructions":"","model_config":null,"callback":"","retry_attempt":0,"message_type":"outbound_call","other":` + value + `}`
		require.Equal(t, in, marshal(t, mustParse(t, in)))
	}
}

// TestExtraNeverShadowsAField: a host that puts a typed name into Extra does not
// get it twice.
func TestExtraNeverShadowsAField(t *testing.T) {
	task := voicetask.Task{
		ID: "t1", AgentID: "a1", Extra: raws("task_id", `"other"`, "run_id", `"r"`, "data", `{}`),
		Data: voicetask.Data{Room: "r1", Extra: raws("room", `"other"`)},
	}
	require.Equal(t,
		`{"task_id":"t1","agent_id":"a1","data":{"room":"r1"},"instructions":"","model_config":null,"callback":"","retry_attempt":0,"message_type":"outbound_call"}`,
		marshal(t, task))
}

func TestMarshalRefusesAnExtraThatIsNoJSON(t *testing.T) {
	_, err := voicetask.Task{ID: "t1", AgentID: "a1", Extra: raws("x", `{`)}.MarshalJSON()
	require.ErrorContains(t, err, `Extra["x"]`)
	_, err = voicetask.Task{ID: "t1", AgentID: "a1", Data: voicetask.Data{Extra: raws("y", ``)}}.MarshalJSON()
	require.ErrorContains(t, err, `Extra["y"]`)
	_, err = voicetask.Task{ID: "t1", AgentID: "a1", NotBefore: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}.MarshalJSON()
	require.Error(t, err)
}

// TestContactNameAndName: either key is the name; both are kept as they came.
func TestContactNameAndName(t *testing.T) {
	for in, want := range map[string]string{
		`{"contact_name":"Ada"}`:               "Ada",
		`{"name":"Ada"}`:                       "Ada",
		`{"contact_name":"Ada","name":"Bob"}`:  "Ada",
		`{"contact_name":"Ada","name":"Ada"}`:  "Ada",
		`{"contact_name":"Ada","name":7}`:      "Ada",
		`{"name":7}`:                           "",
		`{"name":null}`:                        "",
		`{"name":""}`:                          "",
		`{"contact_name":{"f":1},"name":"Ad"}`: "",
	} {
		var d voicetask.Data
		require.NoError(t, d.UnmarshalJSON([]byte(in)))
		require.Equal(t, want, d.ContactName, in)
		out, err := d.MarshalJSON()
		require.NoError(t, err)
		require.Equal(t, in, string(out))
	}
	for _, empty := range []string{`null`, `""`} {
		var d voicetask.Data
		require.NoError(t, d.UnmarshalJSON([]byte(`{"contact_name":`+empty+`,"name":"Ada"}`)))
		require.Equal(t, "Ada", d.ContactName, "an empty contact_name leaves the word to name")
	}
}

// TestRenamingTheContact: the field is what counts, whatever "name" said.
func TestRenamingTheContact(t *testing.T) {
	var d voicetask.Data
	require.NoError(t, d.UnmarshalJSON([]byte(`{"name":"Ada"}`)))
	d.ContactName = "Bob"
	out, err := json.Marshal(d)
	require.NoError(t, err)
	require.Equal(t, `{"contact_name":"Bob","name":"Ada"}`, string(out))
}

func TestDataSetAndGet(t *testing.T) {
	var d voicetask.Data
	require.NoError(t, d.Set("document_id", "d1"))
	require.NoError(t, d.Set("scores", []int{1, 2}))
	require.Error(t, d.Set("bad", func() {}))
	for _, key := range []string{"contact_number", "contact_name", "room", "provider", "quality", "call_type", "vapi_agent_id"} {
		require.ErrorContains(t, d.Set(key, "x"), key)
	}
	require.Equal(t, raws("document_id", `"d1"`, "scores", `[1,2]`), d.Extra)

	var s string
	ok, err := d.Get("document_id", &s)
	require.True(t, ok)
	require.NoError(t, err)
	require.Equal(t, "d1", s)

	d.ContactNumber = "+1"
	ok, err = d.Get("contact_number", &s)
	require.True(t, ok, "a typed key can be read like any other")
	require.NoError(t, err)
	require.Equal(t, "+1", s)

	d.Extra["none"] = json.RawMessage("null")
	for _, key := range []string{"none", "missing", "room"} {
		ok, err = d.Get(key, &s)
		require.False(t, ok, key)
		require.NoError(t, err, key)
	}

	var n int
	ok, err = d.Get("document_id", &n)
	require.False(t, ok)
	require.ErrorContains(t, err, "document_id")
	require.NotContains(t, err.Error(), "d1", "an error must not quote the value")

	require.NoError(t, d.UnmarshalJSON([]byte(`{"room":7}`)))
	ok, err = d.Get("room", &n)
	require.True(t, ok, "a typed key that holds no string is in Extra")
	require.NoError(t, err)
	require.Equal(t, 7, n)
}

func TestValidateOfATaskBuiltInGo(t *testing.T) {
	valid := voicetask.Task{ID: "t1", AgentID: "a1"}
	require.NoError(t, valid.Validate())
	for name, spoil := range map[string]func(t *voicetask.Task){
		"task_id not UTF-8":   func(t *voicetask.Task) { t.ID = "\xff" },
		"tenant_id not UTF-8": func(t *voicetask.Task) { t.TenantID = "\xff" },
		"model_config a list": func(t *voicetask.Task) { t.ModelConfig = json.RawMessage(`[]`) },
		"model_config broken": func(t *voicetask.Task) { t.ModelConfig = json.RawMessage(`{"a":`) },
		"Extra broken":        func(t *voicetask.Task) { t.Extra = raws("x", `{`) },
		"Data.Extra broken":   func(t *voicetask.Task) { t.Data.Extra = raws("x", ``) },
		"message_type":        func(t *voicetask.Task) { t.MessageType = "inbound_call" },
	} {
		t.Run(name, func(t *testing.T) {
			task := valid
			spoil(&task)
			require.ErrorIs(t, task.Validate(), voicetask.ErrInvalidTask)
		})
	}
}
