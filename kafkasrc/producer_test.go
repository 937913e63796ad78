package kafkasrc

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/superservices/voice/voicetask"
)

// TestContract has the records that a Producer writes, to the byte: other producers write
// the same ones.
func TestContract(t *testing.T) {
	p, err := NewProducer(ProducerConfig{Brokers: []string{"a:1"}})
	if err != nil {
		t.Fatal(err)
	}
	small := voicetask.Task{ID: "t-1", AgentID: "agent-1", Data: voicetask.Data{ContactNumber: "+14155550100"}}
	full := voicetask.Task{
		ID: "t-2", AgentID: "agent-1", Instructions: "Remind <of> it & \u2028 end", ModelConfig: json.RawMessage(`{"voice": "x"}`), Callback: "https://a.example/cb",
		RetryAttempt: 2, MessageType: voicetask.MessageTypeOutboundCall, TenantID: "acme", Priority: 2, TimeZone: "Europe/Berlin", MaxDials: 4,
		NotBefore: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Data:      voicetask.Data{ContactNumber: "+14155550100", ContactName: "Ada", Extra: map[string]json.RawMessage{"order": json.RawMessage("12345678901234567890")}},
		Extra:     map[string]json.RawMessage{"campaign": json.RawMessage(`{"id": 7.0}`)},
	}
	for _, tt := range []struct {
		task        voicetask.Task
		bulk        bool
		topic, want string
	}{
		{small, false, "agent_outbound_requests", `{"task_id":"t-1","agent_id":"agent-1","data":{"contact_number":"+14155550100"},"instructions":"","model_config":null,"callback":"","retry_attempt":0,"message_type":"outbound_call"}`},
		{full, true, "agent_outbound_requests_bulk", `{"task_id":"t-2","agent_id":"agent-1","data":{"contact_number":"+14155550100","contact_name":"Ada","order":12345678901234567890},"instructions":"Remind <of> it & \u2028 end","model_config":{"voice": "x"},"callback":"https://a.example/cb","retry_attempt":2,"message_type":"outbound_call","tenant_id":"acme","priority":2,"not_before":"2026-01-02T03:04:05Z","time_zone":"Europe/Berlin","max_dials":4,"campaign":{"id": 7.0}}`},
	} {
		m, err := p.record(tt.task, tt.bulk)
		if err != nil {
			t.Fatal(err)
		}
		if m.Topic != tt.topic || string(m.Key) != tt.task.ID || !reflect.DeepEqual(m.Headers, []Header{header("content-type", "application/json")}) {
			t.Errorf("topic %q, key %q, headers %q", m.Topic, m.Key, m.Headers)
		}
		if string(m.Value) != tt.want {
			t.Errorf("got  %s\nwant %s", m.Value, tt.want)
		}
		back, err := DecodeTask(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		again, err := p.record(back, tt.bulk)
		if err != nil || string(again.Value) != tt.want || back.ID != tt.task.ID || back.RetryAttempt != tt.task.RetryAttempt || !back.NotBefore.Equal(tt.task.NotBefore) {
			t.Errorf("read back: %+v, %v, written again: %s", back, err, again.Value)
		}
	}
}
