package kafkasrc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/superservices/voice/kafkasrc"
)

// envReplay makes this program a replay that a test kills: its ReplayConfig.
const envReplay = "VOICE_TEST_REPLAY"

type replayJob struct {
	Brokers []string
	Topic   string
	Each    time.Duration // a record, before its batch is written
}

func runReplay(job string) int {
	var j replayJob
	if err := json.Unmarshal([]byte(job), &j); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	n, skipped, err := kafkasrc.Replay(context.Background(), kafkasrc.ReplayConfig{
		Brokers: j.Brokers, DeadLetterTopic: j.Topic,
		Edit: func(m kafkasrc.Message) kafkasrc.Message { time.Sleep(j.Each); return m },
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(n, skipped)
	return 0
}

// TestReplayKilled kills replays in the middle of their work, each a little further on, until
// one lives to the end: every record is back once. Some dead letters are equal to the byte.
func TestReplayKilled(t *testing.T) {
	const letters, alike, kills = 3000, 10, 4
	w := broker(t)
	var records []*kgo.Record
	for i := range letters {
		r := &kgo.Record{
			Topic: w.topic, Partition: int32(i % mainPartitions), Key: fmt.Appendf(nil, "key-%d", i),
			Value: fmt.Appendf(nil, "nonsense %d", i), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("\x00\xff")}},
		}
		if i < alike {
			r.Key, r.Value = []byte("alike"), []byte("nonsense")
		}
		records = append(records, r)
	}
	produce(t, w, records...)
	r := start(t, config(w, &submitter{}))
	eventually(t, "buried", func() bool { return r.Stats().DeadLettered == letters })
	r.mustStop(t)

	// replay runs until so many records are on the topic, and reports whether it was killed. One that is to
	// be killed takes half a second for each of its six batches: nobody need be quick to meet it.
	const toTheEnd = 1 << 60
	replay := func(until int64) (killed bool) {
		t.Helper()
		each := time.Millisecond
		if until == toTheEnd {
			each = 0
		}
		job, err := json.Marshal(replayJob{w.Addrs(), w.dlqTopic, each})
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env, cmd.Stderr = append(os.Environ(), envReplay+"="+string(job)), os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		for limit := time.After(patience); ; {
			select {
			case err := <-done:
				var exit *exec.ExitError
				if errors.As(err, &exit) && exit.ExitCode() < 0 && killed { // by a signal
					return true
				}
				if err != nil {
					t.Fatalf("replay: %v", err)
				}
				return false
			case <-limit:
				t.Fatal("the replay does not end")
			default:
			}
			if !killed && w.total(t, w.topic) >= until {
				killed = true
				_ = cmd.Process.Kill() // it may have ended
			}
		}
	}
	killed := 0
	for i := range int64(kills) {
		if replay(letters + 1 + i*letters/(kills+1)) {
			killed++
		}
	}
	between := w.total(t, w.topic)
	if killed == 0 || between == letters || between == 2*letters {
		t.Fatalf("%d replays were killed, with %d records on the topic: nothing was interrupted", killed, between)
	}
	replay(toTheEnd)
	t.Logf("%d replays killed with %d of %d records written, then one to the end", killed, between-letters, letters)
	replay(toTheEnd)

	seen := map[string]int{}
	for _, b := range readAll(t, w, w.topic) {
		seen[string(b.Key)+" "+string(b.Value)]++
		if len(b.Headers) != 1 || string(b.Headers[0].Value) != "\x00\xff" {
			t.Errorf("%s has headers %v", b.Key, b.Headers)
		}
	}
	wrong := 0
	for i := alike; i < letters; i++ {
		if seen[fmt.Sprintf("key-%d nonsense %d", i, i)] != 2 { // when it came, and replayed
			wrong++
		}
	}
	if wrong > 0 || seen["alike nonsense"] != 2*alike || w.total(t, w.topic) != 2*letters {
		t.Errorf("of %d records %d are not there exactly once more; those that are alike %d times, want %d; in all %d", letters, wrong, seen["alike nonsense"], 2*alike, w.total(t, w.topic))
	}
}

// total is how many records were written to the topic.
func (w *world) total(t *testing.T, name string) int64 {
	var n int64
	for _, end := range w.ends(t, name) {
		n += end
	}
	return n
}
