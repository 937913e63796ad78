package security

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/store/sqlstore"
	"github.com/superservices/voice/voicetask"
)

// barrier holds up whoever comes to it until it is opened, and counts the tasks: an
// execution that a busy machine has cut off comes a second time.
type barrier struct {
	mu    sync.Mutex
	tasks map[string]bool
	open  chan struct{}
	once  sync.Once
}

func newBarrier() *barrier { return &barrier{tasks: map[string]bool{}, open: make(chan struct{})} }

func (b *barrier) held() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.tasks)
}

func (b *barrier) wait(ctx context.Context, task string) {
	b.mu.Lock()
	b.tasks[task] = true
	b.mu.Unlock()
	select {
	case <-b.open:
	case <-ctx.Done():
	}
}

func (b *barrier) lift() { b.once.Do(func() { close(b.open) }) }

// slowStore holds up the write that passes the fence.
type slowStore struct {
	*sqlstore.Store
	at   string // tasks
	hold *barrier
}

func (s slowStore) Update(ctx context.Context, r store.Record) (store.Record, error) {
	if n := len(r.Attempts); strings.HasPrefix(r.ID, s.at) && n > 0 && r.Attempts[n-1].State == store.AttemptSending && r.Attempts[n-1].Sends == 1 && r.Attempts[n-1].Kind == "" {
		s.hold.wait(context.WithoutCancel(ctx), r.ID)
	}
	return s.Store.Update(ctx, r)
}

// TestKillSwitchBetweenJudgeAndSend: 100 tasks stand between the beginning of execute
// and the request, in a slow gate, in Prepare and in the store. Once the switch is off
// none of them rings; calls that are up go on; on again each rings once.
func TestKillSwitchBetweenJudgeAndSend(t *testing.T) {
	const live, each = 5, 33
	var off atomic.Bool
	var answers atomic.Pointer[string] // "panic": the switch's source fails
	gates, prepares, fences := newBarrier(), newBarrier(), newBarrier()
	fake := providertest.NewFake("vapi", providertest.Step{Lasts: time.Hour})
	registry, err := provider.NewRegistry(fake)
	require.NoError(t, err)
	h := &host{t: t}
	h.openRows()
	rows := slowStore{h.rows, "fence-", fences}
	c, err := client.Dial(options(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	defer c.Close()
	w := worker.New(c, "killswitch", worker.Options{Identity: identity})
	require.NoError(t, voicetask.RegisterWorker(w, voicetask.Config{
		Providers: registry, Store: rows, Policy: voicetask.Policy{EventGrace: time.Hour, MaxCallDuration: time.Hour},
		Enabled: func() bool {
			if answers.Load() != nil {
				panic(*answers.Load())
			}
			return !off.Load()
		},
		Gates: []voicetask.Gate{voicetask.GateFunc(func(ctx context.Context, d voicetask.Dial) (voicetask.Verdict, error) {
			if strings.HasPrefix(d.Task.ID, "gate-") {
				gates.wait(ctx, d.Task.ID)
			}
			return voicetask.Verdict{}, nil
		})},
		Prepare: func(ctx context.Context, task voicetask.Task, _ *provider.Request) error {
			if strings.HasPrefix(task.ID, "prepare-") {
				prepares.wait(ctx, task.ID)
			}
			return nil
		},
	}))
	require.NoError(t, w.Start())
	defer w.Stop()
	defer func() { gates.lift(); prepares.lift(); fences.lift() }()
	tasks, err := voicetask.NewClient(c, voicetask.ClientConfig{TaskQueue: "killswitch", Store: rows})
	require.NoError(t, err)
	submit := func(place string, n int) {
		for i := range n {
			require.NoError(t, tasks.Submit(t.Context(), voicetask.Task{
				ID: fmt.Sprintf("%s-%d", place, i), AgentID: "a", Data: voicetask.Data{ContactNumber: fmt.Sprintf("+1415555%04d", i)},
			}))
		}
	}
	submit("live", live)
	require.Eventually(t, func() bool { return fake.Dials() == live }, time.Minute, 10*time.Millisecond)
	submit("gate", each)
	submit("prepare", each)
	submit("fence", each+1)
	require.Eventually(t, func() bool {
		return gates.held() == each && prepares.held() == each && fences.held() == each+1
	}, 2*time.Minute, 10*time.Millisecond, "not all tasks stand where they should")

	off.Store(true)
	fences.lift() // within the 5 s that a send may take
	gates.lift()
	source := "the flag service said +14155550100"
	answers.Store(&source) // a source that panics is off, too
	prepares.lift()
	settled := func(place string, ok func(store.Record) bool) func() bool {
		return func() bool {
			for i := range each {
				if r, err := h.rows.Get(t.Context(), fmt.Sprintf("%s-%d", place, i)); err != nil || !ok(r) {
					return false
				}
			}
			return true
		}
	}
	switchedOff := func(r store.Record) bool {
		return r.Status == store.StatusScheduled && strings.HasPrefix(r.Reason, voicetask.RuleKillSwitch)
	}
	require.Eventually(t, settled("gate", switchedOff), time.Minute, 20*time.Millisecond)
	require.Eventually(t, settled("prepare", switchedOff), time.Minute, 20*time.Millisecond)
	require.Eventually(t, settled("fence", func(r store.Record) bool {
		return switchedOff(r) || len(r.Attempts) == 1 && r.Attempts[0].State == store.AttemptNotSent
	}), time.Minute, 20*time.Millisecond)
	require.True(t, settled("prepare", func(r store.Record) bool { return len(r.Attempts) == 1 && r.Attempts[0].Sends == 0 })(), "no send was used up")
	require.Equal(t, live, fake.Dials(), "nobody rings once the switch is off")
	require.True(t, settledLive(t, h, live), "calls that are up go on")

	answers.Store(nil)
	off.Store(false)
	require.Eventually(t, func() bool { return fake.Dials() == live+3*each+1 }, 2*time.Minute, 50*time.Millisecond, "each rings once it is on again")
	for _, r := range fake.Requests() {
		require.Equal(t, 1, fake.Dials(r.Key), r.Key)
	}
}

func settledLive(t *testing.T, h *host, n int) bool {
	t.Helper()
	for i := range n {
		if r, err := h.rows.Get(t.Context(), fmt.Sprintf("live-%d", i)); err != nil || r.Status != store.StatusInProgress {
			return false
		}
	}
	return true
}
