package providertest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/provider"
)

// clock is a settable clock.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func clockedFake(t *testing.T, steps ...Step) (*Fake, *clock) {
	t.Helper()
	c := &clock{t: time.Date(2026, 1, 7, 10, 0, 0, 0, time.UTC)}
	f := NewFake("vapi", steps...)
	f.UseClock(c.now)
	return f, c
}

func placed(t *testing.T, f *Fake, key string) provider.Call {
	t.Helper()
	c, err := f.Place(t.Context(), provider.Request{Key: key, To: "+15550001111"})
	require.NoError(t, err)
	return c
}

func got(t *testing.T, f *Fake, id provider.CallID) provider.Call {
	t.Helper()
	c, err := f.Get(t.Context(), id)
	require.NoError(t, err)
	return c
}

func TestFakeProgressesByTheClock(t *testing.T) {
	for _, tt := range []struct {
		step     Step
		half     provider.Status // half way through
		answered bool
		noSpeech bool
	}{
		{Step{}, provider.StatusInProgress, true, false},
		{Step{Outcome: provider.OutcomeVoicemail}, provider.StatusInProgress, true, true},
		{Step{Outcome: provider.OutcomeTimedOut, Lasts: time.Hour}, provider.StatusInProgress, true, false},
		{Step{Outcome: provider.OutcomeNoAnswer}, provider.StatusRinging, false, true},
		{Step{Outcome: provider.OutcomeBusy, Lasts: time.Second}, provider.StatusRinging, false, true},
		{Step{Outcome: provider.OutcomeProviderFault}, provider.StatusRinging, false, true},
		{Step{Outcome: provider.OutcomeProviderFault, Answered: true}, provider.StatusInProgress, true, false},
	} {
		f, clk := clockedFake(t, tt.step)
		lasts, outcome := tt.step.Lasts, tt.step.Outcome
		if lasts == 0 {
			lasts = 30 * time.Second
		}
		if outcome == "" {
			outcome = provider.OutcomeCompleted
		}
		start := clk.now()
		c := placed(t, f, "task/1")
		assert.Equal(t, provider.CallID("call-1"), c.ID)
		assert.Equal(t, "task/1", c.Key)
		assert.Equal(t, provider.StatusRinging, c.Status)
		assert.NotEmpty(t, c.From)

		clk.advance(lasts / 2)
		c = got(t, f, c.ID)
		assert.Equal(t, tt.half, c.Status, outcome)
		assert.Empty(t, c.Outcome)

		clk.advance(lasts)
		c = got(t, f, c.ID)
		assert.Equal(t, provider.StatusEnded, c.Status)
		assert.Equal(t, outcome, c.Outcome)
		assert.NotEmpty(t, c.Reason)
		assert.Equal(t, start.Add(lasts), c.EndedAt)
		assert.Equal(t, tt.answered, !c.AnsweredAt.IsZero(), outcome)
		assert.Equal(t, tt.noSpeech, c.NoSpeech, outcome)
		if outcome == provider.OutcomeCompleted {
			assert.NotEmpty(t, c.Transcript)
			assert.NotEmpty(t, c.Summary)
			assert.NotEmpty(t, c.RecordingURL)
			assert.Positive(t, c.CostUSD)
		} else {
			assert.Empty(t, c.Transcript)
		}
	}
}

func TestFakeScript(t *testing.T) {
	boom := errors.New("boom")
	f, _ := clockedFake(t, Step{Fail: provider.ErrRateLimited}, Step{Fail: boom}, Step{LoseReply: true}, Step{Outcome: provider.OutcomeBusy})
	req := provider.Request{Key: "task/1", To: "+15550001111"}

	_, err := f.Place(t.Context(), req)
	assert.Same(t, provider.ErrRateLimited, err)
	_, err = f.Place(t.Context(), req)
	assert.Same(t, boom, err)
	assert.Zero(t, f.Dials())

	_, err = f.Place(t.Context(), req)
	assert.ErrorIs(t, err, provider.ErrOutcomeUnknown)
	assert.Equal(t, 1, f.Dials("task/1"))
	c, err := f.Find(t.Context(), "task/1", time.Time{})
	require.NoError(t, err)
	assert.Equal(t, provider.CallID("call-1"), c.ID)

	placed(t, f, "task/1")
	placed(t, f, "task/2")
	assert.Equal(t, 3, f.Dials())
	assert.Equal(t, 2, f.Dials("task/1"), "a key placed twice rings twice")
	assert.Equal(t, 3, f.Dials("task/1", "task/2"))
	assert.Zero(t, f.Dials("task/3"))
	require.Len(t, f.Requests(), 5)
	assert.Equal(t, "task/2", f.Requests()[4].Key)

	f.Next(Step{Fail: boom})
	_, err = f.Place(t.Context(), req)
	assert.Same(t, boom, err)
	c = placed(t, f, "task/4")
	f.Finish(c.ID, provider.OutcomeDeclined)
	assert.Equal(t, provider.OutcomeDeclined, got(t, f, c.ID).Outcome)

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = f.Place(gone, req)
	assert.ErrorIs(t, err, provider.ErrUnavailable)
	assert.Equal(t, 4, f.Dials())
}

func TestFakeHidden(t *testing.T) {
	f, clk := clockedFake(t, Step{Hidden: time.Minute, Lasts: time.Hour})
	placed(t, f, "task/1")
	_, err := f.Find(t.Context(), "task/1", clk.now())
	assert.ErrorIs(t, err, provider.ErrNotFound)
	clk.advance(time.Minute)
	_, err = f.Find(t.Context(), "task/1", clk.now().Add(-time.Minute))
	assert.NoError(t, err)
	_, err = f.Find(t.Context(), "task/1", clk.now())
	assert.ErrorIs(t, err, provider.ErrNotFound, "placed before since")
}

func TestFakeEnd(t *testing.T) {
	f, clk := clockedFake(t, Step{}, Step{}, Step{Outcome: provider.OutcomeVoicemail})
	early, late, machine := placed(t, f, "task/1"), placed(t, f, "task/2"), placed(t, f, "task/3")
	require.NoError(t, f.End(t.Context(), early.ID))
	clk.advance(10 * time.Second)
	require.NoError(t, f.End(t.Context(), late.ID))
	require.NoError(t, f.End(t.Context(), late.ID))
	require.NoError(t, f.End(t.Context(), machine.ID))
	require.NoError(t, f.End(t.Context(), "no-such-call"))
	clk.advance(time.Hour)

	c := got(t, f, early.ID)
	assert.Equal(t, provider.OutcomeCancelled, c.Outcome)
	assert.True(t, c.AnsweredAt.IsZero())
	c = got(t, f, late.ID)
	assert.Equal(t, provider.OutcomeCompleted, c.Outcome)
	assert.Equal(t, "hung up", c.Reason)
	assert.Equal(t, c.CreatedAt.Add(10*time.Second), c.EndedAt)
	assert.Equal(t, provider.OutcomeVoicemail, got(t, f, machine.ID).Outcome)

	clk.advance(-2 * time.Hour) // another goroutine's clock may be behind
	require.NoError(t, f.End(t.Context(), late.ID))
	assert.Equal(t, provider.StatusEnded, got(t, f, late.ID).Status)

	_, err := f.Get(t.Context(), "no-such-call")
	assert.ErrorIs(t, err, provider.ErrNotFound)
}

func TestFakeEvent(t *testing.T) {
	f, clk := clockedFake(t)
	assert.Equal(t, provider.Event{Provider: "vapi", Key: "task/1", At: clk.now()}, f.Event("task/1"))
	c := placed(t, f, "task/1")
	ringing := f.Event("task/1")
	clk.advance(time.Hour)
	ended := f.Event("task/1")
	assert.Equal(t, c.ID, ringing.Call.ID)
	assert.Equal(t, provider.StatusEnded, ended.Call.Status)
	assert.NotEqual(t, ringing.ID, ended.ID)
	assert.Equal(t, ended.ID, f.Event("task/1").ID)
	assert.Equal(t, clk.now(), ended.At)
}

func TestFakeBlocking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFake("vapi", Step{Blocking: true}, Step{Outcome: provider.OutcomeBusy})
		assert.True(t, f.Traits().Blocking)
		var heard provider.CallID
		req := provider.Request{Key: "task/1", OnPlaced: func(c provider.Call) error {
			heard = c.ID
			return errors.New("not kept")
		}}
		start := time.Now()
		c, err := f.Place(t.Context(), req)
		require.NoError(t, err)
		assert.Equal(t, 30*time.Second, time.Since(start))
		assert.Equal(t, provider.OutcomeCompleted, c.Outcome)
		assert.Equal(t, c.ID, heard)

		f.Next(Step{Blocking: true})
		req.OnPlaced = func(c provider.Call) error {
			time.AfterFunc(10*time.Second, func() { assert.NoError(t, f.End(context.Background(), c.ID)) })
			return nil
		}
		start = time.Now()
		c, err = f.Place(t.Context(), req)
		require.NoError(t, err)
		assert.Equal(t, 10*time.Second, time.Since(start))
		assert.Equal(t, "hung up", c.Reason)

		f.Next(Step{Blocking: true})
		req.OnPlaced = func(c provider.Call) error { heard = c.ID; return nil }
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = f.Place(ctx, req)
		assert.ErrorIs(t, err, provider.ErrOutcomeUnknown)
		assert.NotEqual(t, provider.StatusEnded, got(t, f, heard).Status, "the call goes on")
	})
}

func TestFakeBlockingWithAClock(t *testing.T) {
	f, clk := clockedFake(t, Step{Blocking: true})
	c := placed(t, f, "task/1")
	assert.Equal(t, provider.StatusEnded, c.Status)
	assert.Equal(t, clk.now().Add(30*time.Second), c.EndedAt)
	assert.Equal(t, provider.StatusRinging, got(t, f, c.ID).Status, "Get goes by the clock")

	g := NewFake("vapi", Step{Blocking: true, Lasts: time.Hour})
	done := make(chan provider.Call)
	go func() { done <- placed(t, g, "task/1") }()
	require.Eventually(t, func() bool { return g.Dials() == 1 }, time.Minute, time.Millisecond)
	g.UseClock(clk.now)
	g.UseClock(nil)
	g.UseClock(clk.now)
	assert.Equal(t, provider.OutcomeCompleted, (<-done).Outcome)
}

func TestFakeConcurrentEnds(t *testing.T) {
	f := NewFake("vapi")
	c := placed(t, f, "task/1")
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() { assert.NoError(t, f.End(t.Context(), c.ID)) })
		wg.Go(func() { f.Finish(c.ID, provider.OutcomeBusy) })
		wg.Go(func() { _ = f.Event("task/1") })
	}
	wg.Wait()
	assert.Equal(t, provider.StatusEnded, got(t, f, c.ID).Status)
}
