package kafkasrc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/superservices/voice/kafkasrc"
	"github.com/superservices/voice/voicetask"
)

// TestProducer sends tasks through both topics; the consumer's Submitter gets the same tasks.
func TestProducer(t *testing.T) {
	c := broker(t)
	p, err := kafkasrc.NewProducer(kafkasrc.ProducerConfig{Brokers: c.Addrs(), Topic: c.topic})
	if err != nil {
		t.Fatal(err)
	}
	sent := map[string]voicetask.Task{}
	var wg sync.WaitGroup
	for i := range 50 {
		task := voicetask.Task{
			ID: fmt.Sprintf("p-%d", i), AgentID: "a", MessageType: voicetask.MessageTypeOutboundCall, Priority: 1 + i%5,
			NotBefore: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Instructions: "say <hi> & \u2028 bye",
			Data:  voicetask.Data{ContactNumber: "+4930123456", Extra: map[string]json.RawMessage{"n": json.RawMessage("12345678901234567890")}},
			Extra: map[string]json.RawMessage{"host": json.RawMessage(`{"a": [1, 2]}`)},
		}
		sent[task.ID] = task
		wg.Go(func() {
			if err := p.Send(t.Context(), task, i%2 == 1); err != nil {
				t.Errorf("Send: %v", err)
			}
		})
	}
	wg.Wait()
	if err := p.Send(t.Context(), voicetask.Task{ID: "x"}, false); !errors.Is(err, voicetask.ErrInvalidTask) {
		t.Errorf("an invalid task: %v", err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := errors.Join(p.Close(t.Context())); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if err := p.Send(t.Context(), sent["p-0"], false); err == nil {
		t.Error("Send after Close succeeded")
	}

	for _, name := range []string{c.topic, c.bulkTopic} {
		records := readAll(t, c, name)
		if len(records) != 25 {
			t.Errorf("%d records on %s", len(records), name)
		}
		for _, r := range records {
			got, err := voicetask.ParseTask(r.Value)
			if err != nil || string(r.Key) != got.ID || headers(r)["content-type"] != "application/json" {
				t.Errorf("%s: key %q, %v", name, r.Key, err)
			}
		}
	}
	var mu sync.Mutex
	got := map[string]voicetask.Task{}
	r := start(t, config(c, submitFunc(func(_ context.Context, task voicetask.Task) error {
		mu.Lock()
		defer mu.Unlock()
		got[task.ID] = task
		return nil
	})))
	eventually(t, "all submitted", func() bool { return r.Stats().Submitted == int64(len(sent)) })
	r.mustStop(t)
	if !reflect.DeepEqual(got, sent) {
		t.Errorf("got %d tasks, and some differ: %+v, want %+v", len(got), got["p-0"], sent["p-0"])
	}
}

// TestProducerNoBroker sends to a broker that is not there: Send ends with its context, Close with its own.
func TestProducerNoBroker(t *testing.T) {
	p, err := kafkasrc.NewProducer(kafkasrc.ProducerConfig{Brokers: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	task := voicetask.Task{ID: "x", AgentID: "a"}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := p.Send(ctx, task, false); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Send: %v", err)
	}
	waiting := make(chan error, 1)
	go func() { waiting <- p.Send(context.WithoutCancel(t.Context()), task, false) }()
	time.Sleep(100 * time.Millisecond)
	ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := p.Close(ctx); err == nil {
		t.Error("Close gave two records up and did not say so")
	}
	if err := <-waiting; err == nil {
		t.Error("Send succeeded")
	}
	if took := time.Since(began); took > patience/3 {
		t.Errorf("Close took %v", took)
	}
}

type submitFunc func(ctx context.Context, t voicetask.Task) error

func (f submitFunc) Submit(ctx context.Context, t voicetask.Task) error { return f(ctx, t) }
