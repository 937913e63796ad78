package providertest

import (
	"encoding/json"
	"time"

	"github.com/superservices/voice/provider"
)

// fakeCall is one ring. Where it stands is a function of the clock; End and
// Finish only bring its end forward. Guarded by Fake.mu.
type fakeCall struct {
	id            provider.CallID
	key, from     string
	created       time.Time
	lasts, hidden time.Duration
	answerAt      time.Time // zero = never
	endAt         time.Time
	over          bool // End or Finish set endAt
	outcome       provider.Outcome
	reason        string
	stopped       chan struct{} // closed when over
}

func newFakeCall(id provider.CallID, req provider.Request, s Step, now time.Time) *fakeCall {
	c := &fakeCall{
		id: id, key: req.Key, from: req.From,
		created: now, lasts: s.Lasts, hidden: s.Hidden,
		outcome: s.Outcome, stopped: make(chan struct{}),
	}
	if c.from == "" {
		c.from = fakeFrom
	}
	if c.lasts <= 0 {
		c.lasts = defaultLasts
	}
	if c.outcome == "" {
		c.outcome = provider.OutcomeCompleted
	}
	c.reason = reasonOf(c.outcome)
	c.endAt = now.Add(c.lasts)
	if s.Answered || answers(c.outcome) {
		c.answerAt = now.Add(c.lasts / ringShare)
	}
	return c
}

// answers reports whether a call of that outcome was picked up. A provider_fault
// by itself was not, so that a redial bothers nobody.
func answers(o provider.Outcome) bool {
	return o == provider.OutcomeCompleted || o == provider.OutcomeVoicemail || o == provider.OutcomeTimedOut
}

func reasonOf(o provider.Outcome) string { return "fake-" + string(o) }

func (c *fakeCall) endedBy(now time.Time) bool { return c.over || !now.Before(c.endAt) }

func (c *fakeCall) answeredBy(now time.Time) bool {
	return !c.answerAt.IsZero() && !now.Before(c.answerAt)
}

// stop ends a live call early.
func (c *fakeCall) stop(now time.Time, o provider.Outcome, reason string) {
	c.over, c.endAt, c.outcome, c.reason = true, now, o, reason
	close(c.stopped)
}

// snapshot is what the platform would say of the call at that time.
func (c *fakeCall) snapshot(now time.Time) provider.Call {
	s := provider.Call{
		ID: c.id, Key: c.key, From: c.from,
		Status: provider.StatusRinging, CreatedAt: c.created,
	}
	if c.answeredBy(now) {
		s.Status, s.AnsweredAt = provider.StatusInProgress, c.answerAt
	}
	if c.endedBy(now) {
		s.Status, s.Outcome, s.Reason, s.EndedAt = provider.StatusEnded, c.outcome, c.reason, c.endAt
		s.NoSpeech = c.answerAt.IsZero() || c.outcome == provider.OutcomeVoicemail
	}
	if s.Outcome == provider.OutcomeCompleted {
		s.Transcript = "AI: Hello, this is a test call.\nUser: Hello."
		s.Summary = "The callee answered the test call."
		s.RecordingURL = "https://recordings.example/" + string(c.id) + ".wav"
		s.CostUSD = 0.05
	}
	s.Raw, _ = json.Marshal(s) // strings, numbers and times: it cannot fail
	return s
}
