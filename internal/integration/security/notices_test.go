package security

import (
	"bytes"
	"context"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/livekit"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/provider/vapi"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// desk is a Direct host whose notices are kept.
type desk struct {
	*host
	*voicetask.Direct
	mu   sync.Mutex
	seen []provider.Notice
}

func (d *desk) observe(_ context.Context, n provider.Notice) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seen = append(d.seen, n)
}

func (d *desk) kinds() (all []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, n := range d.seen {
		all = append(all, n.Kind)
	}
	return all
}

// baffling ends for a reason that no rule knows, as its polls tell.
type baffling struct{ quickFake }

func (p baffling) Traits() provider.Traits { return provider.Traits{} }

func (p baffling) Get(ctx context.Context, id provider.CallID) (provider.Call, error) {
	c, err := p.Fake.Get(ctx, id)
	c.Status, c.Outcome, c.Reason = provider.StatusEnded, provider.OutcomeUnknown, "flux-capacitor"
	return c, err
}

// TestNotices: each kind is reported in its situation, with the task or the provider it
// is about, and with nothing else in it.
func TestNotices(t *testing.T) {
	task := voicetask.Task{ID: "t1", AgentID: "a", Data: voicetask.Data{ContactNumber: "+14155550100"}}
	up := func(d *desk) {
		require.NoError(t, d.Submit(t.Context(), task))
		require.NoError(t, d.until(t.Context(), "t1", func(r store.Record) bool { return r.Status == store.StatusInProgress }))
	}
	for kind, c := range map[string]struct {
		platform func(*providertest.Fake) provider.Provider
		step     providertest.Step
		happen   func(d *desk)
		task     string
	}{
		provider.NoticeUnknownOutcome: {step: providertest.Step{LoseReply: true, Hidden: time.Hour}, task: "t1", happen: func(d *desk) {
			require.NoError(t, d.Submit(t.Context(), task))
		}},
		provider.NoticeUnmappedReason: {platform: func(f *providertest.Fake) provider.Provider { return baffling{quickFake{f}} }, step: providertest.Step{Lasts: time.Hour}, task: "t1", happen: func(d *desk) {
			require.NoError(t, d.Submit(t.Context(), task))
		}},
		provider.NoticeSecondCall: {step: providertest.Step{Lasts: time.Hour}, task: "t1", happen: func(d *desk) {
			up(d)
			require.NoError(t, d.Deliver(t.Context(), provider.Event{Provider: "vapi", Key: "t1/1", Call: provider.Call{ID: "another", Status: provider.StatusRinging}}))
		}},
		provider.NoticePayloadConflict: {step: providertest.Step{Lasts: time.Hour}, task: "t1", happen: func(d *desk) {
			up(d)
			other := task
			other.Instructions = "something else"
			require.NoError(t, d.Submit(t.Context(), other))
		}},
		provider.NoticeDuplicateTask: {step: providertest.Step{Lasts: time.Hour}, task: "t1", happen: func(d *desk) {
			up(d)
			require.NoError(t, d.Submit(t.Context(), task))
		}},
		provider.NoticeForgedWebhook: {happen: func(d *desk) {
			v, err := vapi.WebhookHandler(vapi.WebhookConfig{Secret: "right", Observe: d.observe}, d)
			require.NoError(t, err)
			l, err := livekit.WebhookHandler(livekit.WebhookConfig{APIKey: "k", APISecret: strings.Repeat("s", 32), Observe: d.observe}, d)
			require.NoError(t, err)
			r := httptest.NewRequest("POST", "/", bytes.NewReader([]byte(`{"message":{}}`)))
			r.Header.Set("X-Vapi-Secret", "wrong")
			w := httptest.NewRecorder()
			v.ServeHTTP(w, r)
			require.Equal(t, 401, w.Code)
			w = httptest.NewRecorder()
			l.ServeHTTP(w, httptest.NewRequest("POST", "/", bytes.NewReader([]byte(`{}`))))
			require.Equal(t, 401, w.Code)
			require.Len(t, d.kinds(), 2, "of both platforms")
		}},
	} {
		t.Run(kind, func(t *testing.T) {
			d := &desk{host: &host{t: t}}
			d.openRows()
			fake := providertest.NewFake("vapi", c.step)
			var p provider.Provider = quickFake{fake}
			if c.platform != nil {
				p = c.platform(fake)
			}
			var err error
			d.Direct, err = voicetask.NewDirect(voicetask.Config{
				Providers: registryOf(t, p), Store: d.rows, Observe: d.observe, Policy: voicetask.Policy{EventGrace: time.Hour, PollInterval: time.Second},
			})
			require.NoError(t, err)
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- d.Run(ctx) }()
			c.happen(d)
			require.Eventually(t, func() bool { return slices.Contains(d.kinds(), kind) }, time.Minute, 10*time.Millisecond, "reported: %v", d.kinds())
			stop()
			require.NoError(t, <-done)
			for _, n := range d.seen {
				require.Equal(t, kind, n.Kind, "and nothing else is")
				require.Equal(t, c.task, n.TaskID)
			}
		})
	}
}
