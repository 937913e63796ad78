package kafkasrc

import "sync/atomic"

// Stats are totals since Run began, of both lanes, and how things stand.
type Stats struct {
	// Ready: joined the group of the main topic. False again once stopped or thrown out. With
	// GroupProtocol "consumer" it takes a partition to be ready: the client does not tell of a
	// member that has none.
	Ready bool
	// Received counts records, Submitted the tasks that were accepted, DeadLettered the
	// dead letters that were acknowledged.
	Received, Submitted, DeadLettered int64
	// Retries counts Submits that failed and were tried again.
	Retries int64
	// Panics counts calls of Submitter, Fallback and (within its 30 s) Decode that panicked.
	Panics int64
	// InFlight is how many records are in hand.
	InFlight int64
	// Lag is how many offsets of the assigned partitions are not settled, as far as the
	// brokers have told: nothing right behind an assignment, a second old while records
	// flow, some seconds old while they do not.
	Lag int64
	// Paused: a lane has stopped reading until Submits in progress end.
	Paused bool
	// FallbackActive: Config.Fallback does the work.
	FallbackActive bool
}

// counters are what the lanes count together.
type counters struct {
	received, submitted, deadLettered, retries, panics atomic.Int64
}

// laneState is how one lane stands.
type laneState struct {
	joined, paused atomic.Bool
	inFlight, lag  atomic.Int64
}

// Stats may be asked at any time, for probes and metrics.
func (c *Consumer) Stats() Stats {
	s := Stats{
		Ready:          c.lanes[0].state.joined.Load(),
		Received:       c.count.received.Load(),
		Submitted:      c.count.submitted.Load(),
		DeadLettered:   c.count.deadLettered.Load(),
		Retries:        c.count.retries.Load(),
		Panics:         c.count.panics.Load(),
		FallbackActive: c.failover.active.Load(),
	}
	for _, l := range c.lanes {
		s.InFlight += l.state.inFlight.Load()
		s.Lag += l.state.lag.Load()
		s.Paused = s.Paused || l.state.paused.Load()
	}
	return s
}
