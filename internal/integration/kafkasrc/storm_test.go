package kafkasrc_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestStorm has consumers, each a process, join, leave, freeze for longer than their session
// and be killed while messages arrive at 500 a second; meanwhile leaders and coordinators move,
// brokers restart, fetches are slow and connections break. Nothing may be lost, and less than
// 1 % may come again. Storms of classic groups are for Apache Kafka: kfake forgets members
// that are in the middle of joining.
func TestStorm(t *testing.T) {
	if os.Getenv("KAFKA_STORM") == "" {
		t.Skip("the storm is part of make test-kafka and make soak; on a machine that is busy with other tests more comes again than its bound allows")
	}
	w := emptyBroker(t)
	kinds := []struct{ name, protocol, strategy string }{{"KIP-848", "consumer", ""}}
	messages := 5000
	if w.Kind() == "apache" {
		messages = 20_000
		kinds = append(kinds, []struct{ name, protocol, strategy string }{{"cooperative", "classic", "cooperative-sticky"}, {"eager", "classic", "range"}}...)
	} else {
		w = fakeBroker(t, 3)
	}
	if s := os.Getenv("KAFKA_STORM"); s != "" {
		messages, _ = strconv.Atoi(s)
	}
	var running sync.WaitGroup
	over := make(chan struct{})
	for _, k := range kinds {
		own := newWorld(w.Cluster)
		own.createTopic(t, own.topic, 12, nil)
		running.Add(1)
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			defer running.Done()
			storm(t, own, &crew{w: own, dir: t.TempDir(), protocol: k.protocol, strategy: k.strategy}, messages)
		})
		if k.name == "KIP-848" {
			t.Run("brokers", func(t *testing.T) {
				t.Parallel()
				disturb(t, own, over)
			})
		}
	}
	go func() { running.Wait(); close(over) }()
}

func storm(t *testing.T, w *world, c *crew, messages int) {
	stay := []*member{c.join(t), c.join(t)}
	var ids []string
	fed := make(chan error, 1)
	go func() { fed <- feedStorm(t.Context(), w, client(t, w), messages, &ids) }()
	joins, freezes, kills, leaves := 2, 0, 0, 0
	for round := 0; ; round++ {
		guest := c.join(t)
		joins++
		progress(t, w, int64(messages))
		kind := round % 12
		if kind > 2 {
			kind = 1 // calmer: it is not to be all kills
		}
		switch kind {
		case 0:
			guest.end(t, syscall.SIGKILL)
			kills++
		case 1:
			guest.end(t, syscall.SIGTERM)
			leaves++
		case 2:
			guest.signal(t, syscall.SIGSTOP)
			time.Sleep(9 * time.Second) // its session is over
			guest.signal(t, syscall.SIGCONT)
			progress(t, w, int64(messages))
			guest.end(t, syscall.SIGTERM)
			freezes++
		}
		progress(t, w, int64(messages))
		if round >= 2 { // each happened; a storm of many messages goes on calmer
			select {
			case err := <-fed:
				if err != nil {
					t.Fatalf("producing: %v", err)
				}
				finish(t, w, c, stay, messages, ids, fmt.Sprintf("%d joins, %d leaves, %d freezes, %d kills", joins, leaves, freezes, kills))
				return
			case <-time.After(time.Duration(messages/5) * time.Millisecond):
			}
		}
	}
}

func finish(t *testing.T, w *world, c *crew, stay []*member, messages int, ids []string, what string) {
	eventually(t, "all is committed", func() bool { return committedSum(w, w.group, w.topic) == int64(messages) })
	for _, m := range stay {
		m.end(t, syscall.SIGTERM)
	}
	got := c.accepted(t)
	lost, again := 0, 0
	for _, id := range ids {
		if got[id] == 0 {
			lost++
		}
		again += max(0, got[id]-1)
	}
	t.Logf("measured: %d messages, %s: %d lost, %d came again (%.2f %%)",
		messages, what, lost, again, 100*float64(again)/float64(messages))
	if len(ids) != messages || lost > 0 {
		t.Errorf("%d of %d lost", lost, len(ids))
	}
	if again*100 >= messages {
		t.Errorf("%d of %d came again", again, messages)
	}
	wantCommitted(t, w, w.group, w.topic)
}

// progress waits until the group has committed something more, or everything.
func progress(t *testing.T, w *world, messages int64) {
	t.Helper()
	before := committedSum(w, w.group, w.topic)
	eventually(t, "progress", func() bool {
		now := committedSum(w, w.group, w.topic) // 0 while the coordinator is away
		return now >= before+200 || now == messages
	})
}

// disturb troubles the brokers and the network until over is closed, and each thing at least once.
func disturb(t *testing.T, w *world, over <-chan struct{}) {
	ctx := context.WithoutCancel(t.Context())
	try := func(what string, err error) {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	cut := 0
	for round := 0; ; round++ {
		for i, step := range []func(){
			func() { try("leaders", w.MoveLeaders(ctx, w.topic)) },
			func() { w.Slow(300 * time.Millisecond); time.Sleep(3 * time.Second); w.Slow(0) },
			func() { try("coordinators", w.MoveCoordinators(ctx)) },
			func() { cut += w.Cut() },
			func() { try("restart", w.Restart(ctx, round%2 == 1)) },
		} {
			step()
			select {
			case <-over:
				if round > 0 || i == 4 {
					t.Logf("measured: %d rounds of moved leaders and coordinators, slow answers, restarted brokers; %d connections cut", round+1, cut)
					if cut == 0 {
						t.Error("no connection was there to be cut")
					}
					return
				}
			case <-time.After(2 * time.Second):
			}
		}
	}
}

func feedStorm(ctx context.Context, w *world, cl *kgo.Client, messages int, ids *[]string) error {
	const chunk = 50
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for n := 0; n < messages; n += chunk {
		var records []*kgo.Record
		for i := n; i < min(n+chunk, messages); i++ {
			id := fmt.Sprintf("s-%06d", i)
			records = append(records, w.task(id, int32(i%12)))
			*ids = append(*ids, id)
		}
		if err := cl.ProduceSync(ctx, records...).FirstErr(); err != nil {
			return err
		}
		<-tick.C
	}
	return nil
}
