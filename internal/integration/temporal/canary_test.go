package temporal_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// Canaries: a number, a name and words that must be seen nowhere but in payloads,
// which the host encrypts, and in the store.
const (
	canaryNumber = "+14155559876"
	canaryName   = "Canary Wharfinger"
	canaryWords  = "canary-instructions"
)

// sealing encrypts every payload, as a host would.
type sealing struct{ aead cipher.AEAD }

func newSealing(t *testing.T) sealing {
	t.Helper()
	key := make([]byte, 32)
	_, err := rand.Read(key)
	require.NoError(t, err)
	block, err := aes.NewCipher(key)
	require.NoError(t, err)
	aead, err := cipher.NewGCM(block)
	require.NoError(t, err)
	return sealing{aead}
}

func (s sealing) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		plain, err := proto.Marshal(p)
		if err != nil {
			return nil, err
		}
		nonce := make([]byte, s.aead.NonceSize())
		if _, err := rand.Read(nonce); err != nil {
			return nil, err
		}
		out[i] = &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte("sealed")}, Data: s.aead.Seal(nonce, nonce, plain, nil)}
	}
	return out, nil
}

func (s sealing) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		if string(p.Metadata["encoding"]) != "sealed" {
			out[i] = p
			continue
		}
		n := s.aead.NonceSize()
		plain, err := s.aead.Open(nil, p.Data[:n], p.Data[n:], nil)
		if err != nil {
			return nil, err
		}
		out[i] = &commonpb.Payload{}
		if err := proto.Unmarshal(plain, out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// leaky says the callee's number in its errors and reasons, as vendors do.
type leaky struct{ *providertest.Fake }

func (p leaky) Place(ctx context.Context, req provider.Request) (provider.Call, error) {
	c, err := p.Fake.Place(ctx, req)
	if c.Status == provider.StatusEnded {
		c.Reason = "could not reach " + req.To
	}
	return c, err
}

func TestNothingPersonalOutsidePayloads(t *testing.T) {
	var logged bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	refused := &provider.Error{Provider: "vapi", Op: "place", Kind: provider.KindUnavailable, Err: errors.New("no route to " + canaryNumber)}
	r := newRig(t, func(c *voicetask.Config) { c.Logger = logger },
		providertest.Step{Fail: refused}, providertest.Step{Outcome: provider.OutcomeProviderFault, Lasts: 10 * time.Millisecond}, providertest.Step{Lasts: 10 * time.Millisecond})
	r.worker.Stop()
	options := clientOptions(server.FrontendHostPort())
	r.converter = converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), newSealing(t))
	options.DataConverter = r.converter
	var err error
	r.temporal, err = client.Dial(options)
	require.NoError(t, err)
	t.Cleanup(r.temporal.Close)
	registry, err := provider.NewRegistry(leaky{r.fake})
	require.NoError(t, err)
	r.cfg.Providers = registry
	r.client, err = voicetask.NewClient(r.temporal, voicetask.ClientConfig{TaskQueue: r.queue, Store: r.store, Logger: logger})
	require.NoError(t, err)
	w := r.newWorker()
	require.NoError(t, w.Start())
	defer w.Stop()

	task := newTask("canary")
	task.Data.ContactNumber, task.Data.ContactName, task.Instructions = canaryNumber, canaryName, canaryWords
	require.NoError(t, r.client.Submit(t.Context(), task))
	r.untilRow("canary", "recorded", func(rec store.Record) bool { return rec.Status.Terminal() })

	h := r.history("canary", "", "")
	raw, err := temporalproto.CustomJSONMarshalOptions{}.Marshal(h)
	require.NoError(t, err)
	described, err := r.temporal.DescribeWorkflowExecution(t.Context(), voicetask.WorkflowID("canary"), "")
	require.NoError(t, err)
	seen := string(raw) + described.String() + logged.String()
	require.Contains(t, seen, "voice-task-canary", "there is something to look at")
	for _, canary := range []string{canaryNumber, canaryNumber[1:], canaryName, canaryWords} {
		require.NotContains(t, seen, canary)
	}
	rec, err := r.store.Get(t.Context(), "canary")
	require.NoError(t, err)
	require.Equal(t, canaryNumber, rec.To, "the store has it")
}
