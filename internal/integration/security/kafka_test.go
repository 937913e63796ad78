package security

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/superservices/voice/kafkasrc"
	"github.com/superservices/voice/voicetask"
)

// quoting refuses what it is given and says what that was: some tasks for good, the
// others once.
type quoting struct {
	mu   sync.Mutex
	by   map[string]canary
	seen map[string]int
	rand *rand.Rand
}

func (q *quoting) Submit(_ context.Context, t voicetask.Task) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	c := q.by[t.ID]
	q.seen[t.ID]++
	said := fmt.Sprintf("%q %s", c.name, strings.Join(spellings(c.number)[:3], " "))
	switch {
	case strings.HasSuffix(t.ID, "-bad"):
		return fmt.Errorf("%w: %s", voicetask.ErrInvalidTask, said)
	case q.seen[t.ID] == 1:
		return errors.New("duplicate key: " + said)
	}
	return nil
}

// TestKafkaSaysNothing: what the consumer logs, and the headers it writes on dead
// letters, hold nothing of the messages, whose bytes the dead letters keep.
func TestKafkaSaysNothing(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, kafkasrc.DefaultTopic, kafkasrc.DefaultTopic+"_dlq"))
	require.NoError(t, err)
	defer cluster.Close()
	hay := newHaystack()
	r := rand.New(rand.NewPCG(seed, 11))
	q := &quoting{by: map[string]canary{}, seen: map[string]int{}, rand: r}
	var records []*kgo.Record
	add := func(value string, c canary) {
		records = append(records, &kgo.Record{Topic: kafkasrc.DefaultTopic, Key: []byte(c.number), Value: []byte(value), Headers: []kgo.RecordHeader{{Key: "callee", Value: []byte(c.name)}}})
	}
	good, poison := 0, 0
	for i := range 20 {
		c := newCanary(r, "kafka", i, situation{ending: "00"})
		hay.watch(c.number)
		if i%2 == 1 {
			c.task.ID += "-bad"
			poison++
		} else {
			good++
		}
		q.by[c.task.ID] = c
		raw, err := c.task.MarshalJSON()
		require.NoError(t, err)
		add(string(raw), c)
		for _, broken := range []string{
			c.name + " " + c.number, string(raw)[:len(raw)-5], `{"task_id":` + `"` + c.number + `/x","agent_id":"a","data":{"contact_name":"` + c.name + `"}}`,
			`{"task_id":"x","agent_id":"a","data":"` + c.name + c.number + `"}`, `{"task_id":"x","agent_id":"a","data":{},"not_before":"` + c.name + c.number + `"}`,
			`{"task_id":"x","agent_id":"a","data":{},"priority":"` + c.name + c.number + `"}`, `["` + c.number + `"]`,
		} {
			add(broken, c)
			poison++
		}
	}
	producer, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	require.NoError(t, err)
	defer producer.Close()
	require.NoError(t, producer.ProduceSync(t.Context(), records...).FirstErr())

	consumer, err := kafkasrc.NewConsumer(kafkasrc.Config{
		Brokers: cluster.ListenAddrs(), Submitter: q, NoBulk: true, ConnectHeaders: true,
		Logger: slog.New(slog.NewJSONHandler(hay, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Decode: func(ctx context.Context, m kafkasrc.Message) (voicetask.Task, error) {
			task, err := kafkasrc.DecodeTask(ctx, m)
			if err != nil && len(m.Value)%2 == 0 { // a decoder of the host's that quotes its input
				err = fmt.Errorf("%w: cannot read %q", err, m.Value)
			}
			return task, err
		},
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- consumer.Run(ctx) }()
	require.Eventually(t, func() bool {
		s := consumer.Stats()
		return s.Submitted == int64(good) && s.DeadLettered == int64(poison)
	}, time.Minute, 20*time.Millisecond)
	stop()
	require.NoError(t, <-done)

	reader, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.ConsumeTopics(kafkasrc.DefaultTopic+"_dlq"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	require.NoError(t, err)
	defer reader.Close()
	const headers = "headers of dead letters"
	letters, whole := 0, 0
	for letters < poison {
		fetches := reader.PollFetches(t.Context())
		require.NoError(t, fetches.Err())
		fetches.EachRecord(func(m *kgo.Record) {
			letters++
			if strings.Contains(string(m.Value), canaryWord) || len(hay.numbersIn(m.Value)) > 0 {
				whole++
			}
			for _, h := range m.Headers {
				if h.Key != "callee" { // the producer's own
					hay.add(headers, h.Key, string(h.Value))
					require.NotContains(t, string(h.Value), "\n")
				}
			}
		})
	}
	require.Equal(t, poison, whole, "there was something to give away, and the letters have it")
	for _, place := range []string{headers, placeLog} {
		require.Positive(t, hay.size(place))
		require.Empty(t, append(hay.search(place, canaryWord), hay.searchNumbers(place)...), place)
	}
}
