package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/superservices/voice/internal/integration/faults/audit"
	"github.com/superservices/voice/internal/integration/faults/collect"
	"github.com/superservices/voice/internal/integration/faults/parts"
)

// intakeCells break what lies between the topic and the engine.
func intakeCells() []Cell {
	return []Cell{
		{
			Number: 6, Name: "consumer killed at K4: the engine has the task, the offset is not stored", Short: true,
			Point: "submit.accepted", Action: "kill", Process: consumer1, Nth: 7,
			Expect: "the repeated message starts nothing; its offset is committed later",
		},
		{
			Number: 7, Name: "consumer killed at K3: the workflow is started, its answer lost; once lost and alive", Short: true,
			Point: "submit.sent", Action: "kill", Process: consumer1, Nth: 9,
			Arms:   map[string]string{consumer1: "submit.sent:err:3"},
			Expect: "the task is there once",
		},
		{
			Number: 16, Name: "rebalance storm with Submits in flight, and a consumer that does not poll", Consumers: 3,
			Inject: "three consumers (KIP-848) with slow Submits: one frozen for 8 s, one killed, two restarted",
			Point:  "kafka.polled", Action: "sleep:7s", Process: "consumer-2", Nth: 5,
			Arms:   map[string]string{consumer1: "submit.row:sleep:300ms:*", "consumer-2": "submit.row:sleep:300ms:*", "consumer-3": "submit.row:sleep:300ms:*"},
			Scaled: "sessions of 6 s, max.poll.interval.ms 6 s",
			Expect: "nothing lost, nothing committed ahead, duplicates absorbed",
			Set: func(l *Lane) {
				for i := range 3 * l.world.Tally {
					l.messages = append(l.messages, l.task(i, answers, time.Duration(i)*200*time.Millisecond))
				}
			},
			Ready: func(_ context.Context, l *Lane) error {
				for _, p := range l.consumers {
					p.cfg.Protocol, p.cfg.Session, p.cfg.MaxPoll, p.cfg.InFlight = "consumer", "", "6000", 8
				}
				return nil
			},
			During: func(ctx context.Context, l *Lane) error {
				sleep(ctx, 2*time.Second)
				if !l.consumers[0].freeze(ctx, 8*time.Second) {
					return fmt.Errorf("the consumer was not seen stopped")
				}
				l.consumers[2].kill()
				// Before it is restarted, and with that unarmed.
				if err := parts.Await(ctx, "a consumer does not poll", patience, func(context.Context) bool { return l.consumers[1].hits("kafka.polled") > 0 }); err != nil {
					return err
				}
				sleep(ctx, time.Second)
				if _, err := l.consumers[1].restart(20 * time.Second); err != nil {
					return err
				}
				sleep(ctx, time.Second)
				_, err := l.consumers[0].restart(20 * time.Second)
				return err
			},
		},
		{
			Number: 17, Name: "consumer killed between a dead letter and its offset, and the broker with it",
			Inject: "then SIGKILL to the broker, 1.5 s down",
			Point:  "kafka.buried", Action: "kill", Process: consumer1,
			Expect: "at least one dead letter, the offset never ahead of it",
			Set:    func(l *Lane) { l.usual(l.world.Tally); l.poison() },
			During: func(ctx context.Context, l *Lane) error {
				if err := parts.Await(ctx, "the consumer is hit", patience, func(context.Context) bool { return l.consumers[0].hits("kafka.buried") > 0 }); err != nil {
					return err
				}
				return l.restartBroker(ctx, 1500*time.Millisecond)
			},
		},
		{
			Number: 18, Name: "messages that are no tasks, in the middle of each partition", Short: true,
			Inject: "13 messages of the bad-input list between the tasks",
			Expect: "their neighbours run; exactly they are dead letters, byte for byte",
			Set:    func(l *Lane) { l.usual(l.world.Tally); l.poison() },
			Ready: func(_ context.Context, l *Lane) error {
				l.consumers[0].cfg.Session = "" // the library's: nobody dies here, and a slow machine is not to make it seem so
				return nil
			},
			Count: atLeast(len(corpus()), "dead letters", func(_ *Lane, e audit.Evidence) int { return len(e.Letters) }),
		},
		{
			Number: 22, Name: "retention has passed, and the topic is read from its beginning",
			Inject: "every workflow deleted, the group's offsets set back to 0",
			Scaled: "the workflows are deleted instead of 30 days waited for",
			Expect: "the rows say that it was done: no ring more",
			Count:  atLeast(20, "messages were read again", func(l *Lane, _ audit.Evidence) int { return l.reread }),
			Last: func(ctx context.Context, l *Lane, settled error) error {
				if settled != nil {
					return settled
				}
				return l.replayAll(ctx)
			},
		},
	}
}

// replayAll deletes every workflow, has the consumer read the topic again, and waits
// until it has.
func (l *Lane) replayAll(ctx context.Context) error {
	before := l.rings()
	if err := collect.Forget(ctx, l.world.client, l.queue); err != nil {
		return err
	}
	err := parts.Await(ctx, "Temporal has forgotten the workflows", patience, func(ctx context.Context) bool {
		left, err := collect.Workflows(ctx, l.world.client, l.queue)
		return err == nil && len(left) == 0
	})
	if err != nil {
		return err
	}
	c := l.consumers[0]
	c.end(patience)
	var left error // the group may take a while to see that nobody is in it
	err = parts.Await(ctx, "the offsets are set back", patience, func(ctx context.Context) bool { left = l.kafka.Rewind(ctx); return left == nil })
	if err != nil {
		return errors.Join(err, left)
	}
	c.mu.Lock()
	c.off = false
	c.mu.Unlock()
	if err := c.start(); err != nil {
		return err
	}
	err = parts.Await(ctx, "the topic has been read again", patience, func(ctx context.Context) bool {
		sum, err := l.kafka.Now(ctx) // the sampler might have slept through it
		return err == nil && sum >= int64(len(l.messages))
	})
	if err != nil {
		return err
	}
	l.reread = len(l.messages)
	sleep(ctx, 3*time.Second)
	if after := l.rings(); after != before {
		return fmt.Errorf("%d rings after a replay of what was done", after-before)
	}
	return nil
}
