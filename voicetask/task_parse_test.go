package voicetask_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/voicetask"
)

// message is a minimal valid message with more members in front.
func message(more string) string {
	if more != "" {
		more += ","
	}
	return `{` + more + `"task_id":"t1","agent_id":"a1","data":{}}`
}

func mustParse(t *testing.T, in string) voicetask.Task {
	t.Helper()
	task, err := voicetask.ParseTask([]byte(in))
	require.NoError(t, err, in)
	return task
}

func TestParseTaskReadsEveryField(t *testing.T) {
	got := mustParse(t, `{
		"task_id": "t1", "agent_id": "a1",
		"data": {"contact_number": "+14155550100", "contact_name": "Ada", "room": "r1", "provider": "vapi", "quality": "high",
			"call_type": "survey", "vapi_agent_id": "v1", "document_id": "d1", "score": 12345678901234567890},
		"instructions": "Be kind", "model_config": {"model": "m"}, "callback": "https://example.test/cb", "retry_attempt": 2,
		"message_type": "outbound_call", "run_id": "run1", "tenant_id": "acme", "priority": 1,
		"not_before": "2026-01-07T10:00:00+02:00", "not_after": "2026-01-07T10:00:00Z", "time_zone": "Europe/Berlin", "max_dials": 5,
		"traceparent": "00-1"}`)
	require.Equal(t, voicetask.Task{
		ID: "t1", AgentID: "a1",
		Data: voicetask.Data{
			ContactNumber: "+14155550100", ContactName: "Ada", Room: "r1", Provider: "vapi", Quality: "high",
			CallType: "survey", VapiAgentID: "v1",
			Extra: map[string]json.RawMessage{"document_id": json.RawMessage(`"d1"`), "score": json.RawMessage(`12345678901234567890`)},
		},
		Instructions: "Be kind", ModelConfig: json.RawMessage(`{"model": "m"}`), Callback: "https://example.test/cb", RetryAttempt: 2,
		MessageType: "outbound_call", RunID: "run1", TenantID: "acme", Priority: 1,
		NotBefore: time.Date(2026, 1, 7, 8, 0, 0, 0, time.UTC), NotAfter: time.Date(2026, 1, 7, 10, 0, 0, 0, time.UTC),
		TimeZone: "Europe/Berlin", MaxDials: 5,
		Extra: map[string]json.RawMessage{"traceparent": json.RawMessage(`"00-1"`)},
	}, got)
}

func TestParseTaskDefaults(t *testing.T) {
	require.Equal(t, voicetask.Task{ID: "t1", AgentID: "a1", MessageType: "outbound_call"}, mustParse(t, message("")))
}

// TestNamesAreExact: encoding/json would fold the case, and set the field.
func TestNamesAreExact(t *testing.T) {
	got := mustParse(t, `{"Task_ID":"other","task_id":"t1","AGENT_ID":"other","agent_id":"a1","Priority":9,
		"data":{"Contact_Number":"+1","contact_number":"+2"}}`)
	require.Equal(t, "t1", got.ID)
	require.Equal(t, "a1", got.AgentID)
	require.Zero(t, got.Priority)
	require.Equal(t, "+2", got.Data.ContactNumber)
	require.Equal(t, `"other"`, string(got.Extra["Task_ID"]))
	require.Equal(t, `9`, string(got.Extra["Priority"]))
	require.Equal(t, `"+1"`, string(got.Data.Extra["Contact_Number"]))

	for _, in := range []string{`{"TASK_ID":"t1","agent_id":"a1","data":{}}`, `{"task_id":"t1","Agent_Id":"a1","data":{}}`, `{"task_id":"t1","agent_id":"a1","Data":{}}`} {
		_, err := voicetask.ParseTask([]byte(in))
		require.ErrorIs(t, err, voicetask.ErrInvalidTask, in)
	}
}

// TestNullAbsentAndEmptyAreOne for all fields that may be left out.
func TestNullAbsentAndEmptyAreOne(t *testing.T) {
	want := mustParse(t, message(""))
	for _, field := range []string{"instructions", "callback", "message_type", "run_id", "tenant_id", "time_zone"} {
		require.Equal(t, want, mustParse(t, message(`"`+field+`":null`)), field)
		require.Equal(t, want, mustParse(t, message(`"`+field+`":""`)), field)
	}
	for _, field := range []string{"model_config", "retry_attempt", "priority", "not_before", "not_after", "max_dials"} {
		require.Equal(t, want, mustParse(t, message(`"`+field+`":null`)), field)
	}
	for _, key := range []string{"contact_number", "contact_name", "room", "provider", "quality", "call_type", "vapi_agent_id"} {
		for _, value := range []string{`null`, `""`} {
			got := mustParse(t, `{"task_id":"t1","agent_id":"a1","data":{"`+key+`":`+value+`}}`)
			require.Equal(t, want, got, key)
		}
	}
}

func TestOldNameOfRetryAttempt(t *testing.T) {
	for in, want := range map[string]int{
		`"retry":2`:                       2,
		`"retry":2,"retry_attempt":0`:     2,
		`"retry":2,"retry_attempt":3`:     3,
		`"retry_attempt":3,"retry":2`:     3,
		`"retry":-1`:                      0,
		`"retry":"2"`:                     0,
		`"retry":2.5`:                     0,
		`"retry":null`:                    0,
		`"retry":1,"retry":2`:             2,
		`"retry":2,"retry":"later wins"`:  0,
		`"Retry":2`:                       0,
		`"retry":99999999999999999999999`: 0,
	} {
		got := mustParse(t, message(in))
		require.Equal(t, want, got.RetryAttempt, in)
	}
	require.Equal(t, `2`, string(mustParse(t, message(`"retry":2`)).Extra["retry"]), "it is an unknown field too, and survives")
}

func TestLastOfTwoWins(t *testing.T) {
	got := mustParse(t, `{"task_id":"t0","data":{"room":"lost"},"task_id":"t1","agent_id":"a1","x":1,"x":2,"priority":1,"priority":null,
		"data":{"contact_number":"+1","contact_number":7,"room":1,"room":"r2","quality":"high","quality":null,"k":1,"k":2}}`)
	require.Equal(t, "t1", got.ID)
	require.Equal(t, `2`, string(got.Extra["x"]))
	require.Zero(t, got.Priority)
	require.Equal(t, voicetask.Data{
		Room:  "r2",
		Extra: map[string]json.RawMessage{"contact_number": json.RawMessage(`7`), "k": json.RawMessage(`2`)},
	}, got.Data)
}

// TestTypedKeyThatHoldsNoString stays in Extra, byte for byte, and is written back.
func TestTypedKeyThatHoldsNoString(t *testing.T) {
	for _, key := range []string{"contact_number", "contact_name", "room", "provider", "quality", "call_type", "vapi_agent_id"} {
		for _, value := range []string{`14155550100`, `true`, `["+1"]`, `{"e164": "+1"}`, `1e999`} {
			in := `{"` + key + `":` + value + `}`
			var d voicetask.Data
			require.NoError(t, d.UnmarshalJSON([]byte(in)))
			require.Equal(t, voicetask.Data{Extra: map[string]json.RawMessage{key: json.RawMessage(value)}}, d)
			out, err := d.MarshalJSON()
			require.NoError(t, err)
			require.Equal(t, in, string(out))
		}
	}
}

func TestParseTaskRefuses(t *testing.T) {
	long := strings.Repeat("x", 201)
	deep := strings.Repeat("[", 64) + strings.Repeat("]", 64) // in an object that is 65
	const secret = "s3cret"
	for name, c := range map[string]struct{ in, says string }{
		"nothing":                     {``, "not valid JSON"},
		"no JSON":                     {`task ` + secret, "not valid JSON"},
		"a byte order mark":           {"\ufeff" + message(""), "not valid JSON"},
		"not UTF-8":                   {message("\"x\":\"" + secret + "\xff\""), "not valid UTF-8"},
		"two messages":                {message("") + message(""), "not valid JSON"},
		"no object":                   {`["` + secret + `"]`, "not a JSON object"},
		"null":                        {`null`, "not a JSON object"},
		"nested too deeply":           {message(`"x":` + deep), "nested"},
		"nested too deeply in data":   {`{"task_id":"t1","agent_id":"a1","data":{"x":` + deep + `}}`, "nested"},
		"no task_id":                  {`{"agent_id":"a1","data":{}}`, "task_id"},
		"empty task_id":               {`{"task_id":"","agent_id":"a1","data":{}}`, "task_id"},
		"null task_id":                {`{"task_id":null,"agent_id":"a1","data":{}}`, "task_id"},
		"task_id a number":            {`{"task_id":1,"agent_id":"a1","data":{}}`, "task_id"},
		"task_id too long":            {`{"task_id":"` + long + `","agent_id":"a1","data":{}}`, "task_id"},
		"task_id with a slash":        {`{"task_id":"` + secret + `/1","agent_id":"a1","data":{}}`, "task_id"},
		"task_id with a newline":      {`{"task_id":"` + secret + `\n","agent_id":"a1","data":{}}`, "task_id"},
		"task_id with DEL":            {`{"task_id":"` + secret + `\u007f","agent_id":"a1","data":{}}`, "task_id"},
		"task_id with a C1 control":   {`{"task_id":"` + secret + `\u0085","agent_id":"a1","data":{}}`, "task_id"},
		"no agent_id":                 {`{"task_id":"t1","data":{}}`, "agent_id"},
		"agent_id too long":           {`{"task_id":"t1","agent_id":"` + long + `","data":{}}`, "agent_id"},
		"agent_id with a tab":         {`{"task_id":"t1","agent_id":"` + secret + `\t","data":{}}`, "agent_id"},
		"agent_id a list":             {`{"task_id":"t1","agent_id":["` + secret + `"],"data":{}}`, "agent_id"},
		"no data":                     {`{"task_id":"t1","agent_id":"a1"}`, "data"},
		"data null":                   {`{"task_id":"t1","agent_id":"a1","data":null}`, "data"},
		"data a list":                 {`{"task_id":"t1","agent_id":"a1","data":["` + secret + `"]}`, "data"},
		"data a string":               {`{"task_id":"t1","agent_id":"a1","data":"` + secret + `"}`, "data"},
		"instructions a number":       {message(`"instructions":7`), "instructions"},
		"callback an object":          {message(`"callback":{"url":"` + secret + `"}`), "callback"},
		"model_config a string":       {message(`"model_config":"` + secret + `"`), "model_config"},
		"model_config a list":         {message(`"model_config":[]`), "model_config"},
		"retry_attempt a string":      {message(`"retry_attempt":"` + secret + `"`), "retry_attempt"},
		"retry_attempt broken":        {message(`"retry_attempt":1.5`), "retry_attempt"},
		"retry_attempt negative":      {message(`"retry_attempt":-1`), "retry_attempt"},
		"retry_attempt beyond an int": {message(`"retry_attempt":9223372036854775808`), "retry_attempt"},
		"message_type of another":     {message(`"message_type":"` + secret + `"`), "message_type"},
		"message_type in capitals":    {message(`"message_type":"OUTBOUND_CALL"`), "message_type"},
		"run_id too long":             {message(`"run_id":"` + long + `"`), "run_id"},
		"tenant_id with a control":    {message(`"tenant_id":"` + secret + `\u0000"`), "tenant_id"},
		"priority 6":                  {message(`"priority":6`), "priority"},
		"priority negative":           {message(`"priority":-1`), "priority"},
		"max_dials negative":          {message(`"max_dials":-1`), "max_dials"},
		"max_dials 101":               {message(`"max_dials":101`), "max_dials"},
		"time_zone a number":          {message(`"time_zone":1`), "time_zone"},
		"not_before without offset":   {message(`"not_before":"2026-01-07T10:00:00"`), "not_before"},
		"not_before without seconds":  {message(`"not_before":"2026-01-07T10:00Z"`), "not_before"},
		"not_before with a space":     {message(`"not_before":"2026-01-07 10:00:00Z"`), "not_before"},
		"not_before a date":           {message(`"not_before":"2026-01-07"`), "not_before"},
		"not_before a number":         {message(`"not_before":1767780000`), "not_before"},
		"not_before empty":            {message(`"not_before":""`), "not_before"},
		"not_before in year 10000":    {message(`"not_before":"9999-12-31T23:59:59-01:00"`), "not_before"},
		"not_after in year -1":        {message(`"not_after":"0000-01-01T00:00:00+01:00"`), "not_after"},
		"not_after without offset":    {message(`"not_after":"2026-01-07T10:00:00"`), "not_after"},
		"not_after before not_before": {message(`"not_before":"2026-01-07T10:00:00Z","not_after":"2026-01-07T09:59:59Z"`), "not_after"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := voicetask.ParseTask([]byte(c.in))
			require.ErrorIs(t, err, voicetask.ErrInvalidTask)
			require.Zero(t, got)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), secret, "an error must not quote what was sent")
			require.NotContains(t, err.Error(), "xxxx")
		})
	}
}

func TestParseTaskAccepts(t *testing.T) {
	for name, in := range map[string]string{
		"an id of 200 bytes":        `{"task_id":"` + strings.Repeat("x", 200) + `","agent_id":"a1","data":{}}`,
		"an id beyond ASCII":        `{"task_id":"täsk-任务","agent_id":"a1","data":{}}`,
		"an id with a space":        `{"task_id":"task 1","agent_id":"a1","data":{}}`,
		"an agent id with a slash":  `{"task_id":"t1","agent_id":"team/a1","data":{}}`,
		"a time with a fraction":    message(`"not_before":"2026-01-07T10:00:00.123456789Z"`),
		"both bounds the same":      message(`"not_before":"2026-01-07T10:00:00Z","not_after":"2026-01-07T12:00:00+02:00"`),
		"an escape in a field name": `{"task\u005fid":"t1","agent_id":"a1","data":{}}`,
		"64 deep":                   message(`"x":` + strings.Repeat("[", 63) + strings.Repeat("]", 63)),
		"space around":              " \n" + message("") + "\t",
	} {
		t.Run(name, func(t *testing.T) { mustParse(t, in) })
	}
}

func TestParseTaskKeepsNoPartOfItsInput(t *testing.T) {
	in := []byte(message(`"x":"before","model_config":{"m":1}`))
	got, err := voicetask.ParseTask(in)
	require.NoError(t, err)
	for i := range in {
		in[i] = '#'
	}
	require.Equal(t, `"before"`, string(got.Extra["x"]))
	require.JSONEq(t, `{"m":1}`, string(got.ModelConfig))
}

func TestFailedUnmarshalLeavesTheTaskAlone(t *testing.T) {
	task := mustParse(t, message(`"x":1`))
	want := mustParse(t, message(`"x":1`))
	require.Error(t, task.UnmarshalJSON([]byte(`{"task_id":"t2","agent_id":"a2","data":7}`)))
	require.Equal(t, want, task)

	d := voicetask.Data{Room: "r1"}
	require.ErrorIs(t, d.UnmarshalJSON([]byte(`[]`)), voicetask.ErrInvalidTask)
	require.ErrorIs(t, d.UnmarshalJSON([]byte(`{`)), voicetask.ErrInvalidTask)
	require.Equal(t, voicetask.Data{Room: "r1"}, d)
}
