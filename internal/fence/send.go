package fence

import (
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// Send is reserved(token) -> sending(token). This is the right to dial: one request
// may follow, by the token's holder, at once.
func Send(r *store.Record, n int, token string, now time.Time) error {
	a := Find(r, n)
	if a == nil {
		return ErrNoAttempt
	}
	if err := dialable(r); err != nil {
		return err
	}
	if !held(a, token) || !step(a, nameSend, store.AttemptSending) {
		return ErrLost
	}
	a.SentAt = now
	a.Sends++
	return nil
}

// Passed reports whether dial n is sending under token: whether a Send whose reply
// was lost did happen. Only the token's holder can tell so much from it, and only
// until it has sent.
func Passed(r *store.Record, n int, token string) bool {
	a := Find(r, n)
	return a != nil && a.State == store.AttemptSending && a.Token == token
}

// NotSent is sending(token) -> not_sent, by the sender itself and only on an error
// that proves it.
func NotSent(r *store.Record, n int, token string, kind provider.Kind, notBefore time.Time) error {
	a := Find(r, n)
	if a == nil {
		return ErrNoAttempt
	}
	if !held(a, token) || !step(a, nameNotSent, store.AttemptNotSent) {
		return ErrLost
	}
	a.Kind, a.NotBefore = kind, notBefore
	return nil
}

// GiveUp is not_sent -> ended, when the error is not worth another send or the sends
// are used up.
func GiveUp(r *store.Record, n int, o provider.Outcome, why string, now time.Time) error {
	a := Find(r, n)
	if a == nil {
		return ErrNoAttempt
	}
	if !step(a, nameGiveUp, store.AttemptEnded) {
		return ErrLost
	}
	a.Outcome, a.Reason, a.EndedAt = o, why, now
	return nil
}

// Ambiguous is ReplyLost. It marks a sending row whose sender has come back without
// knowing: from here on nobody is in mid-send, and the look window begins. The state
// stays.
func Ambiguous(r *store.Record, n int, token string) error {
	a := Find(r, n)
	if a == nil {
		return ErrNoAttempt
	}
	if !held(a, token) || !step(a, nameReplyLost, store.AttemptSending) {
		return ErrLost
	}
	a.Kind = provider.KindOutcomeUnknown
	return nil
}

func held(a *store.Attempt, token string) bool { return a.Token == token || !holds(guardToken) }
