package kafkasrc

// A queue is a ring of jobs, first in, first out. It grows to the most that ever waited,
// which the slots bound.
type queue struct {
	ring       []job // its length is a power of two
	head, tail uint64
}

func (q *queue) len() int { return int(q.tail - q.head) }

func (q *queue) push(j job) {
	if q.len() == len(q.ring) {
		bigger := make([]job, max(16, 2*len(q.ring)))
		for i := q.head; i < q.tail; i++ {
			bigger[i&uint64(len(bigger)-1)] = *q.at(i)
		}
		q.ring = bigger
	}
	*q.at(q.tail) = j
	q.tail++
}

func (q *queue) pop() job {
	place := q.at(q.head)
	j := *place
	*place = job{} // its record is garbage when the job is done
	q.head++
	return j
}

func (q *queue) at(i uint64) *job { return &q.ring[i&uint64(len(q.ring)-1)] }
