package security

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/kafkasrc"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/livekit"
	"github.com/superservices/voice/provider/vapi"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// TestPrintedValues: no verb of fmt and no handler of slog shows what is secret or
// personal; JSON does for what JSON is the contract of.
func TestPrintedValues(t *testing.T) {
	const number = "+14155550177"
	private := canaryWord + secretWord
	vapiConfig := vapi.Config{AuthToken: private, WebhookSecret: private, PhoneNumberID: "from", WebhookURL: "https://host.example"}
	livekitConfig := livekit.Config{URL: "wss://x.example", APIKey: "key", APISecret: private, SIPTrunkID: "trunk"}
	vapiProvider, err := vapi.New(vapiConfig)
	require.NoError(t, err)
	livekitProvider, err := livekit.New(livekitConfig)
	require.NoError(t, err)
	librdkafka := map[string]any{"sasl.password": private, "ssl.key.password": private}
	data := voicetask.Data{ContactNumber: number, ContactName: private, Extra: map[string]json.RawMessage{"k": json.RawMessage(`"` + private + `"`)}}
	task := voicetask.Task{ID: "t", AgentID: "a", Instructions: private, Callback: private, ModelConfig: json.RawMessage(`{"k":"` + private + `"}`), Data: data}
	call := provider.Call{ID: "c", Key: "t/1", Transcript: private, Summary: private, RecordingURL: private, Reason: private + number, From: number, Raw: json.RawMessage(`"` + private + `"`)}
	result := voicetask.Result{TaskID: "t", Reason: private, Data: voicetask.CallResult{ContactNumber: number, Customer: private, Transcript: private, CallSummary: private, RecordingURL: private, CallEndReason: private, Metadata: json.RawMessage(`"` + private + `"`), Error: private}}
	attempt := store.Attempt{N: 1, Key: "t/1", Reason: private}
	for _, v := range []struct {
		name  string
		value any
		json  bool // its JSON is whole
	}{
		{"vapi.Config", vapiConfig, false}, {"vapi.Provider", vapiProvider, false}, {"vapi.WebhookConfig", vapi.WebhookConfig{Secret: private}, false},
		{"livekit.Config", livekitConfig, false}, {"livekit.Provider", livekitProvider, false}, {"livekit.WebhookConfig", livekit.WebhookConfig{APIKey: "key", APISecret: private}, false},
		{"kafkasrc.Config", kafkasrc.Config{Brokers: []string{"b"}, Librdkafka: librdkafka}, false},
		{"kafkasrc.ReplayConfig", kafkasrc.ReplayConfig{Librdkafka: librdkafka}, false}, {"kafkasrc.ProducerConfig", kafkasrc.ProducerConfig{Librdkafka: librdkafka}, false},
		{"kafkasrc.Message", kafkasrc.Message{Topic: "x", Key: []byte(number), Value: []byte(private)}, true},
		{"provider.Request", provider.Request{Key: "t/1", To: number, ToName: private, Instructions: private, Data: json.RawMessage(`"` + private + `"`), ModelConfig: json.RawMessage(`"` + private + `"`)}, true},
		{"provider.Call", call, true}, {"provider.Event", provider.Event{Key: "t/1", Call: call}, true},
		{"store.Record", store.Record{ID: "t", To: number, Task: []byte(`"` + private + `"`), Result: []byte(`"` + private + `"`), Reason: private, Attempts: []store.Attempt{attempt}}, true}, {"store.Attempt", attempt, true},
		{"voicetask.Task", task, true}, {"voicetask.Data", data, true}, {"voicetask.Result", result, true}, {"voicetask.CallResult", result.Data, true},
		{"voicetask.CallInput", voicetask.CallInput{Task: task, Previous: call}, true}, {"voicetask.ResultInput", voicetask.ResultInput{Task: task, Result: result}, true},
		{"voicetask.Dialled", voicetask.Dialled{Call: call, Reason: private}, true}, {"voicetask.Dial", voicetask.Dial{Task: task, Previous: []store.Attempt{attempt}}, true},
	} {
		t.Run(v.name, func(t *testing.T) {
			var out bytes.Buffer
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
				fmt.Fprintf(&out, verb+"\n", v.value)
				fmt.Fprintf(&out, verb+"\n", []any{v.value})
				fmt.Fprintf(&out, verb+"\n", struct{ V any }{v.value})
			}
			fmt.Fprintln(&out, v.value)
			for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
				slog.New(h).Info("x", "v", v.value)
				slog.New(h).With("v", v.value).WithGroup("g").Info("x", slog.Group("g", "v", v.value))
			}
			raw, err := json.Marshal(v.value)
			if !v.json && err == nil {
				out.Write(raw)
			}
			if v.json {
				require.NoError(t, err)
				require.NotEmpty(t, raw)
			}
			said := out.String()
			require.NotEmpty(t, said)
			for _, secret := range []string{private, number, number[1:], fmt.Sprintf("%x", private), strings.ToUpper(fmt.Sprintf("%x", private)), fmt.Sprint([]byte(private))} {
				require.NotContains(t, said, secret)
			}
		})
	}
	raw, err := json.Marshal(task)
	require.NoError(t, err)
	require.Contains(t, string(raw), private, "the wire contract is not redacted")
}
