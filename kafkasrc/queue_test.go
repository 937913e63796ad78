package kafkasrc

import "testing"

func TestQueue(t *testing.T) {
	var q queue
	in, out := uint64(0), uint64(0)
	for round := range 200 {
		for range round%40 + 1 {
			q.push(job{seq: in})
			in++
		}
		for range min(q.len(), round*7%50) {
			if j := q.pop(); j.seq != out {
				t.Fatalf("job %d came out, want %d", j.seq, out)
			}
			out++
		}
	}
	if q.len() != int(in-out) {
		t.Errorf("%d wait, want %d", q.len(), in-out)
	}
	for i := range q.ring {
		if j := q.ring[i]; uint64(i) != (j.seq&uint64(len(q.ring)-1)) && j != (job{}) {
			t.Errorf("place %d holds %v", i, j)
		}
	}
}
