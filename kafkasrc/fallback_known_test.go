package kafkasrc

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
	"github.com/superservices/voice/store"
	"github.com/superservices/voice/voicetask"

	"go.temporal.io/sdk/client"
)

// noTemporal is a Temporal that is away.
type noTemporal struct{ voicetask.TemporalClient }

func (noTemporal) ExecuteWorkflow(context.Context, client.StartWorkflowOptions, any, ...any) (client.WorkflowRun, error) {
	return nil, errAway
}

// noRows is a store that is away.
type noRows struct{ store.Store }

func (noRows) Create(context.Context, store.Record) (store.Record, error) {
	return store.Record{}, errAway
}

// TestFailoverWithoutTheStore has the store away, not Temporal: the fallback, which has the same, is
// not called for, and when the store is back it does not get what had to wait.
func TestFailoverWithoutTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		temporal, err := voicetask.NewClient(noTemporal{}, voicetask.ClientConfig{Store: noRows{store.NewMemory()}})
		if err != nil {
			t.Fatal(err)
		}
		f := &failover{
			primary:  temporal,
			fallback: submitFunc(func(context.Context, voicetask.Task) error { t.Error("the fallback was asked"); return nil }),
			after:    time.Minute, notes: newConditions(slog.New(slog.DiscardHandler)), count: &counters{},
		}
		for range 4 {
			if err := f.Submit(t.Context(), voicetask.Task{ID: "new", AgentID: "a"}); err == nil || f.active.Load() {
				t.Errorf("without a store: %v, fallback active %v", err, f.active.Load())
			}
			time.Sleep(time.Minute)
		}
	})
}

// TestFailoverKnownTasks has tasks come again while Temporal is away. Their rows alone answer for
// them: that says nothing of Temporal, so it neither keeps the fallback from taking over nor has it
// give back.
func TestFailoverKnownTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rows := store.NewMemory()
		providers, err := provider.NewRegistry(providertest.NewFake("vapi"))
		if err != nil {
			t.Fatal(err)
		}
		temporal, err := voicetask.NewClient(noTemporal{}, voicetask.ClientConfig{Store: rows})
		if err != nil {
			t.Fatal(err)
		}
		direct, err := voicetask.NewDirect(voicetask.Config{Providers: providers, Store: rows, AllowVolatile: true})
		if err != nil {
			t.Fatal(err)
		}
		f := &failover{primary: temporal, fallback: direct, after: time.Minute, notes: newConditions(slog.New(slog.DiscardHandler)), count: &counters{}}
		submit := func(id string) error {
			return f.Submit(t.Context(), voicetask.Task{ID: id, AgentID: "a", Data: voicetask.Data{ContactNumber: "+15550100"}})
		}
		if err := direct.Submit(t.Context(), voicetask.Task{ID: "known", AgentID: "a", Data: voicetask.Data{ContactNumber: "+15550100"}}); err != nil {
			t.Fatal(err)
		}
		_, err = store.Modify(t.Context(), rows, "known", func(r *store.Record) error {
			r.Status, r.Outcome = store.StatusCompleted, provider.OutcomeCompleted
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}

		if err := submit("new"); err == nil {
			t.Error("a task was accepted though Temporal is away")
		}
		time.Sleep(40 * time.Second)
		if err := submit("known"); err != nil {
			t.Errorf("a known task: %v", err)
		}
		time.Sleep(20 * time.Second)
		if err := submit("new"); err != nil || !f.active.Load() {
			t.Errorf("Temporal has been away for a minute: %v, fallback active %v", err, f.active.Load())
		}
		for _, again := range []string{"known", "new"} { // which has ended, and which the fallback has
			time.Sleep(probeEvery)
			if err := submit(again); err != nil || !f.active.Load() {
				t.Errorf("%s as the probe: %v, fallback active %v", again, err, f.active.Load())
			}
		}
		if err := submit("newer"); err != nil {
			t.Errorf("a new task behind it: %v", err)
		}
	})
}
