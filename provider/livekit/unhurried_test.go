package livekit

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/superservices/voice/internal/carrier"
	"github.com/superservices/voice/internal/carrier/fakelivekit"
	"github.com/superservices/voice/provider"
)

// The wait for the agent takes nothing from the time in which the callee may answer:
// either there is enough for both, or nobody is rung.
func TestAgentWaitDoesNotShortenTheRing(t *testing.T) {
	t.Parallel()
	const wait = 4 * time.Second // longer than a busy machine stands still
	w := newWorld(t, worldConfig{
		cfg:  Config{AgentName: "agent", AgentWait: time.Hour},
		fake: fakelivekit.Config{Agents: []string{"another"}},
	})
	req := request("t/1")
	ctx, stop := context.WithTimeout(t.Context(), req.RingTimeout+answerMargin+wait)
	defer stop()
	began := time.Now()
	_, err := w.Place(ctx, req)
	var e *provider.Error
	if !errors.As(err, &e) || e.Kind != provider.KindUnavailable || e.Code != codeNoAgent {
		t.Fatalf("got %v", err)
	}
	// That is after wait. A provider that took the ring's time would go on for as long.
	if took := time.Since(began); took > wait+req.RingTimeout/2 {
		t.Errorf("gave up after %v: by then a dial would have had too little time left", took)
	}
	if n := w.lk.Requests("CreateSIPParticipant"); n != 0 || w.lk.DeleteRoom(derivedRoom("t/1")) {
		t.Errorf("%d dials; or the room was left", n)
	}
	// A caller who leaves less than the ring limit takes the consequences, as before.
	w.lk.SetAgents("agent")
	short, stop := context.WithTimeout(t.Context(), req.RingTimeout)
	defer stop()
	if c, err := w.Place(short, request("t/1")); err != nil || c.Status != provider.StatusInProgress {
		t.Errorf("got %+v, %v", c, err)
	}
}

// The library is told how long a dial may take beyond its ring limit, and how long
// after its beginning a call may still turn up.
func TestTraitsCountTheAgentWait(t *testing.T) {
	cfg := valid()
	if p, _ := New(cfg); p.Traits() != (provider.Traits{VisibilityLag: visibilityLag}) {
		t.Errorf("without an agent: %+v", p.Traits())
	}
	cfg.AgentName, cfg.AgentWait, cfg.Webhooks = "agent", 40*time.Second, true
	if p, _ := New(cfg); p.Traits() != (provider.Traits{Events: true, VisibilityLag: visibilityLag + 40*time.Second, SetupTime: 40 * time.Second}) {
		t.Errorf("with an agent: %+v", p.Traits())
	}
	cfg.AgentDials = true
	if p, _ := New(cfg); p.Traits().SetupTime != 0 {
		t.Errorf("whose agent dials: %+v", p.Traits())
	}
}

// When LiveKit has not answered though the ring limit is long over, a phone that still
// rings is stopped: nobody would find the call in time. One that was answered stays.
func TestPhoneThatRingsBeyondItsLimitIsStopped(t *testing.T) {
	// This number's phone takes no notice of the limit it was dialled with.
	for name, ring := range map[string]time.Duration{"rings on": time.Hour, "answered": 20 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, worldConfig{pace: carrier.Pace{Setup: time.Millisecond, Ring: ring, Talk: time.Hour}})
			w.margin = time.Second
			w.lk.Trouble(fakelivekit.Slow)
			req := request("t/1")
			req.RingTimeout = 3 * time.Second // the dial must leave before, and the callee answer
			_, err := w.Place(t.Context(), req)
			kindIs(t, err, provider.KindOutcomeUnknown)
			live := 0
			if ring < time.Hour {
				live = 1
			}
			eventually(t, "as it should be", func() bool { return w.net.Live() == live })
			w.onlyOneDial(t, 1)
			c, err := w.Find(t.Context(), "t/1", time.Time{})
			if found := err == nil && c.Status == provider.StatusInProgress; found != (live == 1) {
				t.Errorf("found %+v, %v", c, err)
			}
		})
	}
}
