package kafkasrc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/superservices/voice/internal/fault"
)

const (
	pollTimeout = 100 * time.Millisecond
	// While records are held back for want of slots, polls are shorter: a slot that becomes
	// free is to be used.
	heldPollTimeout = 20 * time.Millisecond
	// holdFor is how long polling waits for a slot. Pausing throws away what was fetched ahead and
	// costs about 0.12 s, so short waits are better waited out; longer ones would count
	// against max.poll.interval.ms and delay rebalances.
	holdFor = 500 * time.Millisecond
	// slotsGather is how long polling lets free slots gather before it fills them.
	slotsGather = 200 * time.Microsecond
	// tendEvery is how often watermarks are stored.
	tendEvery = 100 * time.Millisecond
	lagEvery  = time.Second
	// lastGrace is for Submits to notice that their context was cancelled.
	lastGrace = time.Second
)

// A lane reads one topic. One goroutine, that of run, owns the client from subscribing to
// closing: polls, rebalance callbacks (which come within a poll), stored offsets, pauses.
type lane struct {
	topic, group string
	optional     bool // the topic need not exist
	conf         settings
	drain        time.Duration
	revokeWait   time.Duration
	maxTracked   int
	share        *share
	notes        *conditions
	count        *counters
	state        laneState
	dispatcher   dispatcher
	crew         *crew

	// What follows belongs to the goroutine of run.
	client    *reader
	workCtx   context.Context      // of the records in hand; outlives the stop by the drain
	parts     map[int32]*partition // the assignment
	held      []*kafka.Message     // received, without a slot so far
	crowded   *partition           // has had too much behind its oldest record for a moment
	saturated bool                 // everything is paused for want of slots
	usedThen  int                  // slots in use when that began
	usedLast  int                  // slots in use since usedSince
	usedSince time.Time
	beat      time.Time // of the polling, by the wall clock
	doubtful  time.Time // until when the assignment may be another's; zero: it is ours
	stopping  bool
	stopBy    time.Time // when stopping: the end of the drain
	fatal     error
	nextTend  time.Time
	nextLag   time.Time
	nextAsk   time.Time
	trouble   bool // a condition of the client may be open
}

// run reads until ctx is done or the client fails for good, then drains and closes.
func (l *lane) run(ctx context.Context) error {
	client, err := openReader(l.conf, func(line kafka.LogEvent) { l.notes.noteClientLog("consumer", line) })
	if err != nil {
		return err
	}
	l.client = client
	workCtx, cancelWork := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancelWork(nil)
	l.workCtx = workCtx

	if err = client.SubscribeTopics([]string{l.topic}, l.rebalance); err == nil {
		err = l.consume(ctx)
	}
	err = errors.Join(err, l.finish(cancelWork))
	// Behind the limit the lane is not touched any more: the client may still call back.
	err = errors.Join(err, client.shut(max(l.drain, closeLimit)))
	l.state.lag.Store(0)
	l.state.paused.Store(false)
	return err
}

// consume polls. Between two polls it does what is due.
func (l *lane) consume(ctx context.Context) error {
	for ctx.Err() == nil && l.fatal == nil {
		wait := pollTimeout
		if l.saturated {
			wait = heldPollTimeout
		}
		ev := l.client.Poll(int(wait.Milliseconds()))
		l.feelPulse(time.Now())
		l.receive(ev)
		l.place(ctx)
		l.tend()
	}
	return l.fatal
}

// receive takes what a poll brought.
func (l *lane) receive(ev kafka.Event) {
	switch ev := ev.(type) {
	case *kafka.Message:
		if err := ev.TopicPartition.Error; err != nil {
			l.noteError(err)
			return
		}
		_ = fault.Point(l.workCtx, fault.KafkaPolled)
		l.count.received.Add(1)
		l.recovered()
		if len(l.held) > 0 || !l.start(ev) {
			l.held = append(l.held, ev)
		}
	case kafka.OffsetsCommitted:
		l.committed(ev)
	case kafka.Error:
		l.noteError(ev)
	}
}

// place starts the records that are held. Where there is no slot, or too much behind the oldest
// record of a partition, it waits a moment, which usually suffices, and then pauses the topic, or
// the partition: polling has to go on.
func (l *lane) place(ctx context.Context) {
	var giveUp <-chan time.Time
	for !l.startHeld() {
		if (l.saturated || l.inDoubt()) && l.crowded == nil {
			return
		}
		if giveUp == nil {
			timer := time.NewTimer(holdFor)
			defer timer.Stop()
			giveUp = timer.C
		}
		select {
		case <-l.share.wake:
			// Where one slot is free, more soon are. To be woken for each would cost more than
			// the records do, and those in hand keep the workers busy meanwhile.
			time.Sleep(slotsGather)
		case <-giveUp:
			l.pauseFor()
			return
		case <-ctx.Done():
			return
		}
	}
}

// startHeld starts held records, and reports whether polling may go on as usual.
func (l *lane) startHeld() bool {
	for {
		if p := l.crowded; p != nil {
			if _, tracked := p.load(); tracked >= l.maxTracked && !p.stopped {
				return false
			}
			l.crowded = nil
		}
		if len(l.held) == 0 {
			l.held = nil
			return true
		}
		if !l.start(l.held[0]) {
			return false
		}
		l.held[0] = nil
		l.held = l.held[1:]
	}
}

// start takes a record in hand, unless there is no slot for it.
func (l *lane) start(m *kafka.Message) bool {
	p := l.parts[m.TopicPartition.Partition]
	if p == nil || p.stopped || l.stopping {
		return true // not ours any more: it comes again where the partition went
	}
	if l.inDoubt() || !l.share.take() {
		return false
	}
	var epoch int32 = -1
	if e := m.TopicPartition.LeaderEpoch; e != nil {
		epoch = *e
	}
	seq, tracked := p.begin(int64(m.TopicPartition.Offset), epoch)
	if tracked >= l.maxTracked && !p.full {
		l.crowded = p
	}
	l.state.inFlight.Add(1)
	l.crew.hand(job{part: p, seq: seq, record: m})
	return true
}

// tend does what is due from time to time.
func (l *lane) tend() {
	now := time.Now()
	if now.Before(l.nextTend) {
		return
	}
	l.nextTend = now.Add(tendEvery)
	l.storeOffsets()
	if l.inDoubt() && now.After(l.doubtful) {
		l.believe()
	}
	l.relax()
	if now.After(l.nextLag) {
		l.nextLag = now.Add(lagEvery)
		l.measureLag()
	}
}

// noteError takes note of what the client reports, once for each condition.
func (l *lane) noteError(err error) {
	var kerr kafka.Error
	errors.As(err, &kerr)
	text := slog.String("error", errorText(err, nil))
	l.trouble = true
	switch kerr.Code() {
	case kafka.ErrUnknownTopicOrPart, kafka.ErrUnknownTopic:
		level := slog.LevelWarn
		if l.optional {
			level = slog.LevelInfo
		}
		l.notes.note(level, "topic", "the topic does not exist yet; waiting for it", text)
	case kafka.ErrMaxPollExceeded:
		l.state.joined.Store(false)
		l.notes.note(slog.LevelError, "poll", "thrown out of the group for not polling; joining again", text)
	case kafka.ErrAllBrokersDown, kafka.ErrTransport, kafka.ErrResolve, kafka.ErrTimedOut:
		l.notes.note(slog.LevelWarn, "brokers", "the brokers cannot be reached; trying again", text)
	default:
		l.notes.note(slog.LevelError, "error "+kerr.Code().String(), "the consumer reports trouble", text)
	}
	if kerr.IsFatal() {
		l.fatal = fmt.Errorf("the consumer cannot go on: %w", err)
	}
}

// recovered ends the conditions that a record, or an assignment, disproves.
func (l *lane) recovered() {
	if !l.trouble {
		return
	}
	l.trouble = false
	l.notes.over("topic", "the topic is there")
	l.notes.over("brokers", "the brokers can be reached")
	l.notes.over("poll", "back in the group")
}
