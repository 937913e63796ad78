package livekit

import (
	"context"
	"testing"
	"time"

	"github.com/superservices/voice/provider"
)

func TestRingLimits(t *testing.T) {
	p := newWorld(t, worldConfig{}).Provider
	for in, want := range map[time.Duration]time.Duration{0: 45 * time.Second, time.Second: time.Second, time.Hour: time.Minute} {
		if d, err := p.newDial(t.Context(), provider.Request{Key: "t/1", To: "x", RingTimeout: in}); err != nil || d.ring != want || d.most != 15*time.Minute {
			t.Errorf("%v: ring %v, longest %v, %v", in, d.ring, d.most, err)
		}
	}
}

// The ring limit cannot be over before its time: then somebody ended the call.
func TestEndWhileRinging(t *testing.T) {
	w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent"}})
	req := request("t/1")
	req.To = "+15550100080"
	ids := make(chan provider.CallID, 1)
	req.OnPlaced = func(c provider.Call) error { ids <- c.ID; return nil }
	done := make(chan provider.Call)
	go func() {
		c, err := w.Place(t.Context(), req)
		if err != nil {
			t.Error(err)
		}
		done <- c
	}()
	id := <-ids
	eventually(t, "ringing", func() bool {
		c, err := w.Get(t.Context(), id)
		return err == nil && c.Status == provider.StatusRinging
	})
	if err := w.again(t).End(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if c := <-done; c.Outcome != provider.OutcomeCancelled || c.ID != id {
		t.Errorf("got %+v", c)
	}
	if w.net.Live() != 0 {
		t.Error("it still rings")
	}
	if err := w.End(t.Context(), id); err != nil {
		t.Errorf("End of an ended call: %v", err)
	}
	w.onlyOneDial(t, 1)
}

// Somebody else dials a second time under the same identity: that call is live, so the
// first Place must not say that it is over.
func TestSecondDialIsNotTheEnd(t *testing.T) {
	w := newWorld(t, worldConfig{pace: untilPickUp})
	first := make(chan error)
	go func() {
		_, err := w.Place(t.Context(), request("t/1"))
		first <- err
	}()
	eventually(t, "rings", func() bool { return w.net.Rings("") == 1 })
	r := ref{room: derivedRoom("t/1"), identity: identityFor("t/1")}
	if err := w.api.call(t.Context(), "place", createSIP, mayCall(), sipRequest{
		SIPTrunkID: "ST_fake", SIPCallTo: answers5, RoomName: r.room, ParticipantIdentity: r.identity,
	}, nil); err != nil {
		t.Fatal(err)
	}
	kindIs(t, <-first, provider.KindOutcomeUnknown)
}

// A server that shuts down breaks off its requests with the code of a call that was
// ended, while the SIP service rings on.
func TestServerThatShutsDownIsNotTheEnd(t *testing.T) {
	w := newWorld(t, worldConfig{})
	w.lk.Refuse("CreateSIPParticipant", "canceled", 0)
	_, err := w.Place(t.Context(), request("t/1"))
	kindIs(t, err, provider.KindOutcomeUnknown)
	if !w.lk.DeleteRoom(derivedRoom("t/1")) {
		t.Error("the room of a call that may be live was deleted")
	}
}

// A callee who is in the room already was dialled before: a second dial would cut them
// off and ring again.
func TestCalleeWhoIsThereIsNotDialledAgain(t *testing.T) {
	for _, agent := range []string{"", "agent"} {
		w := newWorld(t, worldConfig{cfg: Config{AgentName: agent}})
		c := w.place(t, request("t/1"))
		_, err := w.again(t).Place(t.Context(), request("t/1"))
		kindIs(t, err, provider.KindOutcomeUnknown)
		w.onlyOneDial(t, 1)
		if found, err := w.again(t).Find(t.Context(), "t/1", time.Time{}); err != nil || found.ID != c.ID || found.Status != provider.StatusInProgress || w.net.Live() != 1 {
			t.Errorf("found %+v, %v", found, err)
		}
		w.lk.Refuse("ListParticipants", "", 500) // and where it cannot be seen, nobody is
		w.lk.Refuse("ListParticipants", "", 500)
		if agent == "" {
			_, err = w.Place(t.Context(), request("u/1"))
			kindIs(t, err, provider.KindUnavailable)
			w.onlyOneDial(t, 1)
		}
	}
}

// A context that ends hangs nobody up.
func TestContextEndsWhileRinging(t *testing.T) {
	w := newWorld(t, worldConfig{pace: untilPickUp})
	_, err := w.Place(w.whileRinging(t), request("t/1"))
	kindIs(t, err, provider.KindOutcomeUnknown)
	w.net.PickUp()
	eventually(t, "answered all the same", func() bool {
		c, err := w.Find(t.Context(), "t/1", time.Time{})
		return err == nil && c.Status == provider.StatusInProgress
	})
	w.onlyOneDial(t, 1)
}

// whileRinging is a context that ends once a phone rings.
func (w *world) whileRinging(t *testing.T) context.Context {
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		defer stop()
		for w.net.Rings("") == 0 && t.Context().Err() == nil {
			time.Sleep(time.Millisecond)
		}
	}()
	return ctx
}
