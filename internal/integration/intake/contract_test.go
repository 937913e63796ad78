package intake_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/superservices/voice/kafkasrc"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/voicetask"
)

// put writes messages to a topic.
func (r *rig) put(topic string, values ...string) {
	r.t.Helper()
	for _, v := range values {
		require.NoError(r.t, r.kafka.ProduceSync(r.t.Context(), &kgo.Record{Topic: topic, Value: []byte(v)}).FirstErr())
	}
}

// priority is that of a task's workflow, as the server tells it.
func (r *rig) priority(id string) *commonpb.Priority {
	r.t.Helper()
	d, err := r.temporal.DescribeWorkflowExecution(r.t.Context(), voicetask.WorkflowID(id), "")
	require.NoError(r.t, err)
	return d.WorkflowExecutionInfo.Priority
}

// TestPriority has the server tell with which priority and fairness the workflows of both lanes
// were started.
func TestPriority(t *testing.T) {
	r := newRig(t, memory)
	r.startConsumer(voicetask.ClientConfig{StartOptions: func(t voicetask.Task, o *client.StartWorkflowOptions) {
		if t.TenantID == "weighty" {
			o.Priority = temporal.Priority{PriorityKey: 2, FairnessKey: "tier-gold", FairnessWeight: 2.5}
		}
	}}, 0)
	const data = `"agent_id":"a","data":{"contact_number":"+14155550100"}`
	want := map[string]*commonpb.Priority{}
	for topic, lane := range map[string]string{kafkasrc.DefaultTopic: "normal", kafkasrc.DefaultTopic + "_bulk": "bulk"} {
		r.put(topic,
			`{"task_id":"`+lane+`-plain",`+data+`}`,
			`{"task_id":"`+lane+`-tenant",`+data+`,"tenant_id":"acme","priority":1}`,
			`{"task_id":"`+lane+`-last",`+data+`,"tenant_id":"acme","priority":5}`,
			`{"task_id":"`+lane+`-weighty",`+data+`,"tenant_id":"weighty"}`,
		)
		want[lane+"-plain"] = &commonpb.Priority{PriorityKey: 3}
		want[lane+"-tenant"] = &commonpb.Priority{PriorityKey: 1, FairnessKey: "acme"}
		want[lane+"-last"] = &commonpb.Priority{PriorityKey: 5, FairnessKey: "acme"}
		want[lane+"-weighty"] = &commonpb.Priority{PriorityKey: 2, FairnessKey: "tier-gold", FairnessWeight: 2.5}
	}
	r.eventually("all are submitted", func() bool { return r.consumer.Stats().Submitted == int64(len(want)) })
	for id, p := range want {
		got := r.priority(id)
		require.Equal(t, p.PriorityKey, got.GetPriorityKey(), id)
		require.Equal(t, p.FairnessKey, got.GetFairnessKey(), id)
		require.Equal(t, p.FairnessWeight, got.GetFairnessWeight(), id)
	}
}

// TestFieldsReachTheProvider sends an old producer's message with fields that nobody here knows
// through Kafka and Temporal: the platform gets those of data byte for byte, Prepare gets the rest.
func TestFieldsReachTheProvider(t *testing.T) {
	const data = `{"contact_number":"+14155550100","contact_name":"Ada","order":12345678901234567890,"nested":{"a":[1.50,null,"\u00e4"]}}`
	r := newRig(t, sqlite)
	var mu sync.Mutex
	prepared := map[string]voicetask.Task{}
	r.cfg.Prepare = func(_ context.Context, t voicetask.Task, _ *provider.Request) error {
		mu.Lock()
		defer mu.Unlock()
		prepared[t.ID] = t
		return nil
	}
	defer r.startWorker()()
	r.startConsumer(voicetask.ClientConfig{}, 0)
	r.put(kafkasrc.DefaultTopic, `{"task_id":"old","agent_id":"a","data":`+data+`,"retry":2,"model_config":{"voice":"x"},"campaign":{"id":007}}`)
	r.put(kafkasrc.DefaultTopic, `{"task_id":"old","agent_id":"a","data":`+data+`,"retry":2,"model_config":{"voice":"x"},"campaign":{"id":7.0}}`)
	r.sent = []string{"old"}
	r.eventually("it has ended", func() bool { return r.ended("old") })
	requests := r.fake.Requests()
	require.Len(t, requests, 1)
	require.Equal(t, "+14155550100", requests[0].To)
	require.JSONEq(t, `{"voice":"x"}`, string(requests[0].ModelConfig))
	var got, sent map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(requests[0].Data, &got))
	require.NoError(t, json.Unmarshal([]byte(data), &sent))
	require.Equal(t, `12345678901234567890`, string(got["order"]))
	require.Equal(t, string(sent["nested"]), string(got["nested"]), "byte for byte")
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, 2, prepared["old"].RetryAttempt)
	require.Equal(t, `{"id":7.0}`, string(prepared["old"].Extra["campaign"]))
	r.eventually("a number with leading zeros is no JSON", func() bool { return r.consumer.Stats().DeadLettered == 1 })
}
