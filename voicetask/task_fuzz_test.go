package voicetask_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/voicetask"
)

// FuzzParseTask: no message makes it panic; what it accepts is the same task when
// it is written and read again, and no member of the message is lost.
func FuzzParseTask(f *testing.F) {
	for _, seed := range []string{
		message(""),
		message(`"retry":2,"x":1e999,"priority":3,"run_id":"r"`),
		message(`"not_before":"2026-01-07T10:00:00+02:00","not_after":null,"max_dials":0`),
		message(`"instructions":null,"callback":"","model_config":{"a":[1,{}]},"message_type":"outbound_call"`),
		`{"task_id":"t1","agent_id":"a1","data":{"contact_name":"Ada","name":"Ada","contact_number":7,"host":{"deep":[[]]}}}`,
		`{"task_id":"t1","agent_id":"a1","data":{"name":"Ada","room":"r","room":1,"contact_name":null}}`,
		` { "task_id" : "t1" , "agent_id":"\u00fc" , "data" : { } , "k" : " \" } " } `,
		message(`"instructions":"say \"hi\"\n\\ \u0000 \u2028 <b>","time_zone":"\ud83d\ude00"`),
		`{"task_id":"a/b","agent_id":"a1","data":{}}`, `{"task_id":1}`, `[]`, `null`, "\ufeff{}", `{"data":{}`, `{"data":{"x":"\ud800"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		task, err := voicetask.ParseTask(in)
		if err != nil {
			if !errors.Is(err, voicetask.ErrInvalidTask) {
				t.Fatalf("%q: %v is no ErrInvalidTask", in, err)
			}
			return
		}
		out, err := task.MarshalJSON()
		require.NoError(t, err, "%q", in)
		again, err := voicetask.ParseTask(out)
		require.NoError(t, err, "%q became %q", in, out)
		require.Equal(t, task, again, "%q became %q", in, out)
		keepsUnknownMembers(t, in, out)
	})
}

// keepsUnknownMembers checks that what the library does not read is in out as it
// was in in, beside data and in it. encoding/json is the oracle.
func keepsUnknownMembers(t *testing.T, in, out []byte) {
	t.Helper()
	var before, after map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(in, &before))
	require.NoError(t, json.Unmarshal(out, &after))
	requireUnknown(t, before, after, taskNames)
	var dataBefore, dataAfter map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(before["data"], &dataBefore))
	require.NoError(t, json.Unmarshal(after["data"], &dataAfter))
	requireUnknown(t, dataBefore, dataAfter, dataNames)
}

func requireUnknown(t *testing.T, before, after map[string]json.RawMessage, known []string) {
	t.Helper()
	for name, value := range before {
		if !slices.Contains(known, name) {
			require.Equal(t, string(value), string(after[name]), "member %q", name)
		}
	}
}

// The names that the library reads: that they are the same is checked by reading
// them again.
var (
	taskNames = []string{
		"task_id", "agent_id", "data", "instructions", "model_config", "callback", "retry_attempt", "message_type",
		"run_id", "tenant_id", "priority", "not_before", "not_after", "time_zone", "max_dials",
	}
	dataNames = []string{"contact_number", "contact_name", "room", "provider", "quality", "call_type", "vapi_agent_id"}
)
