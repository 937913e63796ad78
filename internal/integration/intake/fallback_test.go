package intake_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/superservices/voice/internal/integration/faults/parts"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"
)

// TestHandOver takes Temporal away and brings it back, and before that has it carry out starts
// whose answers are lost, so that both engines have the same tasks. Each phone rings once.
func TestHandOver(t *testing.T) {
	for name, open := range map[string]func(*testing.T, *parts.Family) store.Store{"memory": memory, "sqlite": sqlite, "postgres": postgres} {
		t.Run(name, func(t *testing.T) { handOver(t, newRig(t, open)) })
	}
}

const (
	each  = 10
	after = 2 * time.Second
)

func handOver(t *testing.T, r *rig) {
	stopWorker := r.startWorker()
	defer func() { stopWorker() }()
	r.startConsumer(voicetask.ClientConfig{}, after)

	r.produce("up", each)
	r.eventually("Temporal carries them out", func() bool { return r.ended("up") })
	require.False(t, r.consumer.Stats().FallbackActive)

	// The server starts these workflows and says nothing; its worker is there, and with one of them it
	// is first, however slow this machine: Direct waits for that.
	// The calls last: only the fallback, or their end, settles the records.
	r.answers.on.Store(true)
	r.direct.waits.Store(true)
	r.fake.Next(slices.Repeat([]providertest.Step{{Lasts: 3 * after}}, each)...)
	r.produce("both", each)
	r.eventually("the worker has one of them", func() bool {
		return slices.ContainsFunc(r.sent, func(id string) bool { return strings.HasPrefix(id, "both") && r.row(id).Owner == "temporal" })
	})
	r.direct.waits.Store(false)
	began := r.claims(t, "both")
	r.eventually("all of them have ended", func() bool { return r.ended("both") })
	r.stands(t, began)
	t.Logf("%d starts of %d were carried out and their answers lost", r.answers.lost.Load(), each)
	require.Positive(t, r.answers.lost.Load(), "no start was carried out and its answer lost")

	// Now the worker is away: Direct has claimed these when the workflows come to them.
	r.giveBack(t)
	stopWorker()
	r.answers.on.Store(true)
	lost := r.answers.lost.Load()
	r.fake.Next(slices.Repeat([]providertest.Step{{Lasts: 3 * after}}, each)...)
	r.produce("claimed", each)
	began = r.claims(t, "claimed")
	require.Positive(t, r.answers.lost.Load()-lost, "of these, too, the server has started some")
	r.answers.on.Store(false)
	stopWorker = r.startWorker()
	r.eventually("Direct carries them out", func() bool { return r.ended("claimed") })
	r.stands(t, began)

	// Temporal dies.
	r.giveBack(t)
	stopWorker() // a worker that is to stop would wait for its server
	r.engine.Child().Kill()
	died := time.Now()
	r.produce("down", each)
	r.eventually("the fallback takes over", func() bool { return r.consumer.Stats().FallbackActive })
	t.Logf("the fallback took over %v after Temporal died", time.Since(died).Round(time.Millisecond))
	r.eventually("Direct carries them out", func() bool { return r.ended("down") })
	require.True(t, r.consumer.Stats().FallbackActive)
	t.Logf("%d tasks were done %v after Temporal died", each, time.Since(died).Round(time.Millisecond))
	require.GreaterOrEqual(t, time.Since(died), after)

	require.NoError(t, r.engine.Start(t.Context()))
	stopWorker = r.startWorker()
	r.giveBack(t)
	r.produce("back", each)
	r.eventually("Temporal carries them out", func() bool { return r.ended("back") })

	r.eventually("every task has ended", func() bool { return r.ended("") })
	r.audit(t)
}

// claims waits until each task of that prefix has an owner, and returns these by task.
func (r *rig) claims(t *testing.T, prefix string) map[string]string {
	t.Helper()
	owners := map[string]string{}
	r.eventually("all are claimed: "+prefix, func() bool {
		claimed := true
		for _, id := range r.sent {
			if !strings.HasPrefix(id, prefix) || owners[id] != "" {
				continue
			}
			owner := r.row(id).Owner
			owners[id], claimed = owner, claimed && owner != ""
		}
		return claimed
	})
	return owners
}

// stands fails if a task was taken from the engine that had claimed it first.
func (r *rig) stands(t *testing.T, owners map[string]string) {
	t.Helper()
	for id, first := range owners {
		require.Equal(t, first, r.row(id).Owner, "%s was taken over", id)
	}
}

// giveBack has tasks come in until one of them has found Temporal well, and waits until they have ended:
// what comes next may take their engine away.
func (r *rig) giveBack(t *testing.T) {
	t.Helper()
	r.answers.on.Store(false)
	until := time.Now().Add(patience)
	for n := 0; r.consumer.Stats().FallbackActive; n++ {
		require.True(t, time.Now().Before(until), "the fallback does not give back: %+v", r.consumer.Stats())
		before := r.consumer.Stats().Submitted
		r.produce("probe-"+time.Now().Format("150405.000000"), 1)
		r.eventually("the probe is accepted", func() bool { return r.consumer.Stats().Submitted > before })
		time.Sleep(200 * time.Millisecond)
	}
	r.eventually("the probes have ended", func() bool { return r.ended("probe") })
}

// audit counts rings and engines.
func (r *rig) audit(t *testing.T) {
	t.Helper()
	viaTemporal, viaDirect := 0, 0
	by := map[string]map[bool]int{}
	for _, id := range r.sent {
		rec := r.row(id)
		direct := strings.HasPrefix(rec.Owner, "direct:")
		if direct {
			viaDirect++
		} else {
			viaTemporal++
		}
		prefix, _, _ := strings.Cut(id, "-")
		if by[prefix] == nil {
			by[prefix] = map[bool]int{}
		}
		by[prefix][direct]++
		require.Equal(t, store.StatusCompleted, rec.Status, "%s: %+v", id, rec)
		require.Equal(t, 1, r.fake.Dials(id+"/1"), "%s did not ring once", id)
	}
	t.Logf("tasks %d, rings %d, via Temporal %d, via Direct %d", len(r.sent), r.fake.Dials(), viaTemporal, viaDirect)
	for _, prefix := range []string{"up", "both", "claimed", "down", "back"} {
		t.Logf("  %-8s via Temporal %d, via Direct %d", prefix, by[prefix][false], by[prefix][true])
	}
	require.Len(t, r.sent, r.fake.Dials(), "rings")
	require.Positive(t, viaTemporal)
	require.Positive(t, viaDirect)
	require.Equal(t, each, by["up"][false])
	require.Equal(t, each, by["back"][false], "the consumer returned to Temporal")
	require.Equal(t, each, by["down"][true])
	require.Equal(t, each, by["claimed"][true], "what Direct began stays its own")
}
