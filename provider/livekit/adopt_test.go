package livekit_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/superservices/voice/internal/carrier"
	"github.com/superservices/voice/internal/carrier/fakelivekit"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/livekit"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// lostAnswer dials through the library, without Temporal, on a LiveKit that troubles
// the dial, and returns how the task ended.
func lostAnswer(t *testing.T, number string, pace carrier.Pace, f fakelivekit.Fault, during func(net *carrier.Network, lk *fakelivekit.Server, rec store.Record) (over bool)) (store.Record, *carrier.Network) {
	t.Helper()
	const key, secret = "APIkey", "a-secret-of-at-least-32-characters"
	net := carrier.New(io.Discard, pace)
	lk := fakelivekit.New(fakelivekit.Config{Network: net, APIKey: key, APISecret: secret, Agents: []string{"agent"}})
	t.Cleanup(lk.Close)
	srv := httptest.NewServer(lk)
	t.Cleanup(srv.Close)
	t.Cleanup(srv.CloseClientConnections)
	p, err := livekit.New(livekit.Config{URL: srv.URL, APIKey: key, APISecret: secret, SIPTrunkID: "ST_fake", AgentName: "agent", GoneAfter: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	registry, err := provider.NewRegistry(p)
	if err != nil {
		t.Fatal(err)
	}
	rows := store.NewMemory()
	direct, err := voicetask.NewDirect(voicetask.Config{
		Providers: registry, Store: rows, AllowVolatile: true, DefaultProvider: "livekit",
		Policy: voicetask.Policy{PollInterval: time.Second, RingTimeout: 2 * time.Second, MaxCallDuration: time.Minute},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- direct.Run(ctx) }()
	defer func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	lk.Trouble(f)
	err = direct.Submit(ctx, voicetask.Task{ID: "t", AgentID: "a", Data: voicetask.Data{ContactNumber: number}})
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		rec, err := rows.Get(ctx, "t")
		if err != nil {
			t.Fatal(err)
		}
		if during(net, lk, rec) {
			return rec, net
		}
	}
	rec, _ := rows.Get(ctx, "t")
	shown, _ := json.Marshal(rec)
	t.Fatalf("never over: %s", shown)
	return rec, net
}

// A phone whose dial's answer was lost is found by the library, followed to its end,
// and not rung again.
func TestLostAnswerIsAdopted(t *testing.T) {
	pace := carrier.Pace{Setup: time.Millisecond, Ring: 10 * time.Millisecond, Talk: time.Hour}
	adopted := false
	rec, net := lostAnswer(t, "+15550100099", pace, fakelivekit.CloseConnection, func(_ *carrier.Network, lk *fakelivekit.Server, rec store.Record) bool {
		if len(rec.Attempts) == 1 && rec.Attempts[0].State == store.AttemptPlaced && !rec.Attempts[0].AnsweredAt.IsZero() && !adopted {
			adopted = true
			room, identity := livekit.Names(rec.Attempts[0].CallID)
			if !lk.HangUp(room, identity) {
				t.Error("nobody was on the line that was adopted")
			}
		}
		return rec.Status == store.StatusCompleted
	})
	if !adopted || len(rec.Attempts) != 1 || rec.Attempts[0].Outcome != provider.OutcomeCompleted || net.Rings("") != 1 || net.Live() != 0 {
		t.Errorf("adopted %t, %d rings, %d live: %+v", adopted, net.Rings(""), net.Live(), rec.Attempts)
	}
}

// One that nobody answers stops ringing by the limit that it was sent with, whatever
// becomes of us, and is not rung again.
func TestLostAnswerEndsByItsOwnLimit(t *testing.T) {
	pace := carrier.Pace{Setup: time.Millisecond}
	rec, net := lostAnswer(t, "+15550100080", pace, fakelivekit.CloseConnection, func(net *carrier.Network, _ *fakelivekit.Server, rec store.Record) bool {
		return len(rec.Attempts) > 0 && net.Rings("") > 0 && net.Live() == 0
	})
	if net.Rings("") != 1 || len(rec.Attempts) != 1 || rec.Attempts[0].State == store.AttemptNotSent {
		t.Errorf("%d rings: %+v", net.Rings(""), rec.Attempts)
	}
}
