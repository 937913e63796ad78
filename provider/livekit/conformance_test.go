package livekit

import (
	"testing"
	"time"

	"github.com/superservices/voice/internal/carrier/fakelivekit"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
)

func TestConformance(t *testing.T) {
	t.Run("dialled here", func(t *testing.T) { conformance(t, Config{AgentName: "agent"}) })
	t.Run("dialled by the agent", func(t *testing.T) { conformance(t, Config{AgentName: "agent", AgentDials: true}) })
}

func conformance(t *testing.T, cfg Config) {
	const lag = 120 * time.Millisecond
	cfg.GoneAfter = 2 * lag
	dials := "CreateSIPParticipant"
	cannot := map[string]string{
		"Finish/no_answer": "Place waits for the answer: a live call that it returned has been answered",
	}
	refusals := map[provider.Kind]struct {
		method, code string
		status       int
	}{
		provider.KindInvalidRequest:  {dials, "invalid_argument", 0},
		provider.KindUnauthenticated: {dials, "unauthenticated", 0},
		provider.KindNotFound:        {dials, "not_found", 0},
		provider.KindRejected:        {"CreateRoom", "", 402},
		provider.KindRateLimited:     {"CreateRoom", "resource_exhausted", 0}, // of the dial's own answers it proves nothing
		provider.KindUnavailable:     {dials, "unavailable", 0},
	}
	if cfg.AgentDials {
		for k, r := range refusals {
			r.method = "CreateRoom"
			refusals[k] = r
		}
		cannot["Refuse/unavailable"] = "creating the room is the dial, and LiveKit's unavailable does not prove that no room was made; what proves it is that nothing was sent"
		cannot["Finish/no_answer"] = "the room of a call that was never answered shows nothing: only webhooks tell"
	}
	var w *world
	providertest.Run(t, providertest.Harness{
		New: func(t *testing.T) provider.Provider {
			w = newWorld(t, worldConfig{cfg: cfg})
			return w.Provider
		},
		Request:   request,
		Dials:     func() int { return w.net.Rings("") },
		LoseReply: func() { w.lk.Trouble(fakelivekit.LoseReply) },
		Trouble: func(kind providertest.Trouble) {
			switch kind {
			case providertest.FaultAfterAccept:
				w.lk.Trouble(fakelivekit.FaultAfterAccept)
			case providertest.ClosedConnection:
				w.lk.Trouble(fakelivekit.CloseConnection)
			case providertest.Slow:
				w.lk.Trouble(fakelivekit.Slow)
			case providertest.FindLag:
				w.lk.FindLag(lag)
			}
		},
		Refuse: func(k provider.Kind) {
			r := refusals[k]
			w.lk.Refuse(r.method, r.code, r.status)
		},
		Finish: func(id provider.CallID, _ provider.Outcome) {
			// What no poll has seen answered cannot be known to have been.
			eventually(t, "in progress", func() bool {
				c, err := w.Get(t.Context(), id)
				return err == nil && c.Status == provider.StatusInProgress
			})
			r, _ := parseID(id)
			w.lk.HangUp(r.room, r.identity)
		},
		Cannot: cannot,
	})
}
