package kafkasrc

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/superservices/voice/internal/fault"
	"github.com/superservices/voice/voicetask"
)

// Pauses between tries of one record.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// errGivenUp ends the tries of a record that this consumer has to leave to the
// next one: its partition goes away, or the consumer stops.
var errGivenUp = errors.New("kafkasrc: given up")

// A dispatcher settles records. Safe for concurrent use.
type dispatcher struct {
	decode   func(ctx context.Context, m Message) (voicetask.Task, error)
	submit   func(ctx context.Context, t voicetask.Task) error
	bury     func(ctx context.Context, deadLetter Message) error
	maxBytes int
	grave    grave
	notes    *conditions
	count    *counters
}

// settle submits the record's task or writes its dead letter, and tries for as long as
// that fails. It returns false if it had to give up, by ctx or because given was closed.
func (d *dispatcher) settle(ctx context.Context, given <-chan struct{}, m Message) bool {
	tries := 1
	task, err := d.read(ctx, given, m, &tries)
	if err == nil {
		_ = fault.Point(ctx, fault.KafkaDecoded)
		err = d.persist(ctx, given, "submit", &tries, func(n int) error {
			if n > 0 {
				d.count.retries.Add(1)
			}
			return d.trySubmit(ctx, task, m)
		})
	}
	if err == nil {
		d.count.submitted.Add(1)
		return true
	}
	var why *refusal
	if !errors.As(err, &why) {
		return false
	}

	letter := d.grave.deadLetter(m, why, tries)
	err = d.persist(ctx, given, "dead letter", new(int), func(int) error {
		return d.tryBury(ctx, letter)
	})
	if err != nil {
		return false
	}
	_ = fault.Point(ctx, fault.KafkaBuried)
	d.count.deadLettered.Add(1)
	d.notes.note(slog.LevelWarn, "dead letter "+why.class, "dead letter",
		slog.String("class", why.class), slog.String("reason", why.text(m.Value)),
		slog.Int("partition", int(m.Partition)), slog.Int64("offset", m.Offset))
	return true
}

// read decodes the record; a refusal says that it is no task.
func (d *dispatcher) read(ctx context.Context, given <-chan struct{}, m Message, tries *int) (t voicetask.Task, err error) {
	if len(m.Value) > d.maxBytes {
		return t, tooLarge(len(m.Value), d.maxBytes)
	}
	err = d.persist(ctx, given, "decode", tries, func(int) (err error) {
		t, err = d.tryDecode(ctx, m)
		return err
	})
	return t, err
}

func (d *dispatcher) tryDecode(ctx context.Context, m Message) (t voicetask.Task, err error) {
	defer func() {
		if r := recover(); r != nil {
			// The same bytes would do it again, after each restart: that would be a crash loop.
			p := caught("Config.Decode", r)
			d.count.panics.Add(1)
			d.notes.note(slog.LevelError, "decode panic", "Config.Decode panicked; the record becomes a dead letter",
				slog.String("error", p.Error()), slog.String("stack", p.stack()))
			err = &refusal{classDecode, p}
		}
	}()
	t, err = d.decode(ctx, m)
	speak(err)
	switch {
	case err == nil:
		return t, nil
	case isTemporary(err), ctx.Err() != nil:
		d.notes.note(slog.LevelWarn, "decode", "decoding fails for the time being; trying again", slog.String("error", errorText(err, m.Value)))
		return t, err
	}
	return t, refuse(err)
}

func (d *dispatcher) trySubmit(ctx context.Context, t voicetask.Task, m Message) error {
	err := d.submit(ctx, t)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, voicetask.ErrInvalidTask):
		return refuse(err)
	case ctx.Err() == nil:
		d.notes.note(slog.LevelWarn, "submit", "Submit fails; its records wait and are tried again", slog.String("error", errorText(err, m.Value)))
	}
	return err
}

func (d *dispatcher) tryBury(ctx context.Context, letter Message) error {
	err := d.bury(ctx, letter)
	if err != nil && ctx.Err() == nil {
		d.notes.note(slog.LevelError, "dead letter", "dead letters cannot be written; their partitions wait. Is the topic there, and its max.message.bytes large enough?",
			slog.String("dead_letter_topic", letter.Topic), slog.String("error", errorText(err, letter.Value)))
	}
	return err
}

// persist tries, counting from 0, until try succeeds or returns a refusal; then it
// returns that. It returns errGivenUp when there is no more point in trying.
func (d *dispatcher) persist(ctx context.Context, given <-chan struct{}, what string, tries *int, try func(n int) error) error {
	for n := 0; ; n++ {
		err := try(n)
		if err == nil {
			if n > 0 {
				d.notes.over(what, what+" works again")
			}
			return nil
		}
		var why *refusal
		switch {
		case errors.As(err, &why):
			return why
		case !pause(ctx, given, n):
			return errGivenUp
		}
		*tries++
	}
}

// pause waits before try n+2, or reports that there will be none.
func pause(ctx context.Context, given <-chan struct{}, n int) bool {
	wait := lastPause
	if n < 10 {
		wait = min(firstPause<<n, lastPause)
	}
	wait += time.Duration((rand.Float64() - 0.5) / 2 * float64(wait)) // a quarter more or less
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-given:
	case <-ctx.Done():
	}
	select {
	case <-given:
		return false
	case <-ctx.Done():
		return false
	default:
		return true
	}
}
