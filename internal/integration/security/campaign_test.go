package security

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"golang.org/x/sync/errgroup"

	"github.com/superservices/voice/examples/codec"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

const seed = 20260107

// TestNothingIsSeenWithACodec: 500 tasks whose payloads the host encrypts. The texts of
// errors, which codec.Configure has encrypted too, are left readable here: they must be
// clean by themselves.
func TestNothingIsSeenWithACodec(t *testing.T) {
	o := options(nil)
	dc, err := codec.NewDataConverter([]byte(strings.Repeat("k", 32)), "k1")
	require.NoError(t, err)
	o.DataConverter = dc
	o.FailureConverter = temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{DataConverter: dc})
	h := newHost(t, "coded", seed, o, newHaystack())
	h.campaign(500, canaryWord)
	h.clean(append(everywhere, encrypted...), canaryWord)
	h.clean([]string{placeResults, placeRows}, secretWord)
}

// TestNothingIsSeenOutsidePayloads: without a codec payloads may hold numbers; nothing
// else may, and not even they hold a carrier's secret.
func TestNothingIsSeenOutsidePayloads(t *testing.T) {
	h := newHost(t, "plain", seed+1, options(nil), newHaystack())
	h.campaign(100, "platform") // summaries name the agent, which is nobody's secret
	h.clean(everywhere, canaryWord)
	h.clean([]string{placePayloads, placeWhole, placeResults, placeRows}, secretWord)
}

// campaign runs n tasks, each in its situation and by an agent whose id begins with
// agents, and collects all that can be seen.
func (h *host) campaign(n int, agents string) {
	h.t.Helper()
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	var tasks []canary
	for i := range n {
		c := newCanary(r, h.queue, i, situations[i%len(situations)])
		c.task.AgentID = agents + "-agent-" + letters(r, 6)
		h.add(c)
		tasks = append(tasks, c)
	}
	ctx, stop := context.WithCancel(h.t.Context())
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		var g errgroup.Group
		for i := range 4 {
			g.Go(func() error { h.watchAll(ctx, tasks, uint64(i)); return nil })
		}
		_ = g.Wait() // they return none
	}()

	outcomes, took := make([]provider.Outcome, n), make([]time.Duration, n)
	var g errgroup.Group
	g.SetLimit(64)
	for i, c := range tasks {
		g.Go(func() error {
			began := time.Now()
			var err error
			outcomes[i], err = h.carryOut(c)
			took[i] = time.Since(began)
			return err
		})
	}
	require.NoError(h.t, g.Wait())
	for i, d := range took {
		if d > 45*time.Second {
			h.t.Logf("slow: %s took %v and ended %s", tasks[i].kind.name, d.Round(time.Second), outcomes[i])
		}
	}
	stop()
	<-watching

	h.plant()
	for _, c := range tasks {
		id := voicetask.WorkflowID(c.task.ID)
		h.describe(h.t.Context(), h.temporal, id)
		h.history(h.temporal, id)
	}
	h.list()
	h.files(placeDatabase, database)
	h.files(placeRows, h.file)
	h.colourful(outcomes)
}

// colourful sees that the campaign met what it was made for.
func (h *host) colourful(outcomes []provider.Outcome) {
	h.t.Helper()
	seen := map[provider.Outcome]int{}
	for _, o := range outcomes {
		seen[o]++
	}
	h.t.Logf("outcomes: %v", seen)
	for _, o := range []provider.Outcome{
		provider.OutcomeCompleted, provider.OutcomeVoicemail, provider.OutcomeNoAnswer, provider.OutcomeBusy, provider.OutcomeDeclined, provider.OutcomeInvalidNumber,
		provider.OutcomeCancelled, provider.OutcomeProviderFault, provider.OutcomeConfigError, provider.OutcomeUnknown,
	} {
		require.Positive(h.t, seen[o], o)
	}
}

// watchAll looks at open workflows again and again: what a failed activity says is gone
// once it succeeds.
func (h *host) watchAll(ctx context.Context, tasks []canary, stream uint64) {
	r := rand.New(rand.NewPCG(seed, stream))
	for ctx.Err() == nil {
		id := voicetask.WorkflowID(tasks[r.IntN(len(tasks))].task.ID)
		h.describe(ctx, h.temporal, id)
		h.details(ctx, h.temporal, id)
	}
}

// clean fails for each find at a place that was not planted, and for each place where
// nothing was looked at or what was planted is not found.
func (h *host) clean(places []string, word string) {
	h.t.Helper()
	for _, place := range places {
		planted, leaks := 0, 0
		finds := h.hay.search(place, word)
		if word == canaryWord {
			finds = append(append(finds, h.hay.search(place, secretWord)...), h.hay.searchNumbers(place)...)
		}
		for _, find := range finds {
			if strings.Contains(find, "planted") || strings.Contains(find, plantedNumber) || isCoded(find) {
				planted++
				continue
			}
			if leaks++; leaks <= 5 {
				h.t.Errorf("%s: %s", place, find)
			}
		}
		h.t.Logf("%-45s %9d bytes, %d planted found, %d leaks", place, h.hay.size(place), planted, leaks)
		if planted == 0 {
			h.t.Errorf("%s: what was planted there is not found: the search proves nothing", place)
		}
	}
}

// isCoded reports a find of the planted word in base64.
func isCoded(find string) bool {
	for _, coded := range inBase64(plantedWord) {
		if strings.Contains(find, coded) {
			return true
		}
	}
	return false
}

// carryOut is one task's life, with all that its host does about it.
func (h *host) carryOut(c canary) (provider.Outcome, error) {
	ctx, cancel := context.WithTimeout(h.t.Context(), 20*time.Minute)
	defer cancel()
	for h.told(h.client.Submit(ctx, c.task)) != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
	}
	if err := h.steer(ctx, c); err != nil {
		return "", err
	}
	res, err := h.client.Wait(ctx, c.task.ID)
	if h.told(err) != nil && c.kind.provider == "" {
		return "", err
	}
	told, err := json.Marshal(res)
	if err != nil {
		return "", err
	}
	h.hay.add(placeResults, string(told))
	if c.kind.host == "erase" {
		err = h.told(h.client.Erase(ctx, c.task.ID))
	}
	return res.Outcome, err
}

// steer is what the host does to a task on its way, a second time for good measure.
func (h *host) steer(ctx context.Context, c canary) error {
	id := c.task.ID
	_ = h.told(h.client.Erase(ctx, id)) // refused: it is open
	_, err := h.client.State(ctx, id)
	_ = h.told(err)
	switch c.kind.host {
	case "cancel":
		if err := h.until(ctx, id, func(r store.Record) bool { return r.Status == store.StatusInProgress }); err != nil {
			return err
		}
		return h.told(h.client.Cancel(ctx, id))
	case "hold":
		if err := h.told(h.client.Hold(ctx, id, c.reason())); err != nil {
			return err
		}
		h.times("held", c)
		h.details(ctx, h.temporal, voicetask.WorkflowID(id))
		time.Sleep(time.Second) // for the watcher to see it
		return h.told(h.client.Resume(ctx, id))
	case "duplicate":
		_ = h.told(h.client.Submit(ctx, c.task))
		other := c.task
		other.Instructions += " " + c.number
		_ = h.told(h.client.Submit(ctx, other))
		bad := c.task
		bad.ID = "a/" + c.number + c.name
		_ = h.told(h.client.Submit(ctx, bad))
		bad = c.task
		bad.ModelConfig = json.RawMessage(`"` + c.number + c.name + `"`)
		_ = h.told(h.client.Submit(ctx, bad))
		_, err := voicetask.ParseTask([]byte(`{"task_id": "x", "agent_id": ["` + c.name + c.number + `"], "data": {}}`))
		_ = h.told(err)
		_ = h.told(h.client.Deliver(ctx, provider.Event{Provider: "vapi", Key: "nobody/1", Call: provider.Call{ID: "x", Reason: c.name}}))
		_ = h.told(h.client.Settle(ctx, id+"/1", provider.Call{Outcome: provider.OutcomeBusy, Reason: c.name + c.number}))
	}
	return nil
}

func (h *host) until(ctx context.Context, id string, ok func(store.Record) bool) error {
	for {
		r, err := h.rows.Get(ctx, id)
		switch {
		case err == nil && ok(r):
			return nil
		case err == nil && r.Status.Terminal():
			return errors.New("task " + id + " has ended before")
		case ctx.Err() != nil:
			return errors.New("task " + id + " does not get there")
		}
		time.Sleep(20 * time.Millisecond)
	}
}
