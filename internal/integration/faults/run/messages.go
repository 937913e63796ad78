package run

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/superservices/voice/internal/integration/faults/audit"
)

// Endings of the numbers, by which the carrier's script decides what a callee does.
const (
	answers   = "10"
	voicemail = "88"
	busy      = "86"
	declines  = "03"
	noNumber  = "04"
	malformed = "05"
	faultOnce = "50"
	limited   = "29" // rate limited once
	silent    = "80"
	endless   = "99"
)

// spacing is the time between two messages of a cell. What is in hand together with the
// dial that is broken may suffer with it.
const spacing = 100 * time.Millisecond

// mix is what the callees of a cell do.
var mix = []string{
	answers, answers, voicemail, answers, busy, answers, answers, declines, answers, faultOnce,
	answers, answers, noNumber, answers, answers, silent, answers, answers, endless, answers,
}

// task is a message whose callee does as the ending says. Each task has a number of
// its own, in a range of the lane's.
func (l *Lane) task(i int, ending string, after time.Duration) audit.Message {
	id := fmt.Sprintf("%s-%05d", l.name, i)
	callee := fmt.Sprintf("+49%02d%05d%s", l.number%100, i, ending)
	value, _ := json.Marshal(map[string]any{ // strings and numbers only
		"task_id": id, "agent_id": "agent-1", "message_type": "outbound_call",
		"data":     map[string]any{"contact_number": callee, "contact_name": "Callee", "provider": "vapi", "host_number": json.Number("12345678901234567890")},
		"host_key": []int{i},
	})
	return audit.Message{
		Index: i, Task: id, Callee: callee, Key: []byte(id), Value: value, After: after, Partition: -1,
		Headers: [][2]string{{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}},
	}
}

// usual are n tasks of the mix, a few milliseconds apart.
func (l *Lane) usual(n int) {
	for i := range n {
		l.messages = append(l.messages, l.task(i, mix[i%len(mix)], time.Duration(i)*spacing))
	}
}

// all are n tasks with one ending.
func (l *Lane) all(n int, ending string) {
	for i := range n {
		l.messages = append(l.messages, l.task(i, ending, time.Duration(i)*spacing))
	}
}

// more are n tasks more, and so many of the messages that are no tasks.
func (l *Lane) more(n, bad int, ending string) {
	for i := range n {
		k, end := len(l.messages), ending
		if end == "" {
			end = mix[k%len(mix)]
		}
		l.messages = append(l.messages, l.task(k, end, time.Duration(i)*spacing))
	}
	for i := range bad {
		k := len(l.messages)
		l.messages = append(l.messages, audit.Message{Index: k, Key: fmt.Appendf(nil, "bad-%d", k), Value: corpus()[i], Partition: -1})
	}
}

// corpus are messages that are no tasks.
func corpus() [][]byte {
	deep := make([]byte, 0, 40000)
	for range 20000 {
		deep = append(deep, '[')
	}
	return [][]byte{
		[]byte(`{"task_id":"never","agent_id":"a","data":{"contact`),
		[]byte("\xef\xbb\xbf{}"),
		[]byte(`[]`),
		[]byte(`null`),
		[]byte(`{"task_id":"","agent_id":"a","data":{}}`),
		[]byte(`{"task_id":"never/1","agent_id":"a","data":{"contact_number":"+491"}}`),
		[]byte(`{"task_id":"never","agent_id":"a"}`),
		[]byte(`{"TASK_ID":"never","agent_id":"a","data":{}}`),
		[]byte("{\"task_id\":\"n\xff\",\"agent_id\":\"a\",\"data\":{}}"),
		[]byte(`{"task_id":"never","agent_id":"a","data":{"x":1e999}`),
		{},
		deep,
		make([]byte, 1<<20+1),
	}
}

// poison puts messages that are no tasks between the others, in the same partitions.
func (l *Lane) poison() {
	bad := corpus()
	out := make([]audit.Message, 0, len(l.messages)+len(bad))
	for i, m := range l.messages {
		m.Partition = int32(i % Partitions)
		out = append(out, m)
		if i < len(bad) {
			out = append(out, audit.Message{
				Key: fmt.Appendf(nil, "bad-%d", i), Value: bad[i], After: m.After, Partition: m.Partition,
				Headers: [][2]string{{"traceparent", "kept"}, {"odd", "a\tb"}},
			})
		}
	}
	for i := range out {
		out[i].Index = i
	}
	l.messages = out
}

// random are n tasks of a campaign at a rate, some of them no tasks.
func (l *Lane) random(n int, rate float64, rng *rand.Rand) {
	weights := []struct {
		ending string
		share  float64
	}{
		{answers, 0.62}, {voicemail, 0.10}, {busy, 0.06}, {silent, 0.04}, {declines, 0.03}, {noNumber, 0.03},
		{faultOnce, 0.06}, {limited, 0.01}, {malformed, 0.01}, {endless, 0.04},
	}
	bad := corpus()
	for i := range n {
		after := time.Duration(float64(i) / rate * float64(time.Second))
		x, ending := rng.Float64(), answers
		for _, w := range weights {
			if x -= w.share; x < 0 {
				ending = w.ending
				break
			}
		}
		m := l.task(i, ending, after)
		m.Index = len(l.messages)
		l.messages = append(l.messages, m)
		if i%50 == 49 {
			l.messages = append(l.messages, audit.Message{
				Index: len(l.messages), Key: fmt.Appendf(nil, "bad-%d", i), Value: bad[rng.IntN(len(bad))], After: after, Partition: -1,
			})
		}
	}
}
