package fence

import (
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// Word is what an execution leaves at a second witness beside the row, in a heartbeat of
// its activity, before it passes the fence. A later execution of the same activity hears
// it. The field names travel in heartbeats and are permanent.
type Word struct {
	Key    string          `json:"key"`
	Token  string          `json:"token"`
	Send   int             `json:"send"`              // the n-th send under the key
	CallID provider.CallID `json:"call_id,omitempty"` // once the sender knows it
}

// Forgotten reports whether word says more of the dial under key than its row a does,
// nil for none: the store has lost what it had acknowledged, and cannot fence this dial. A
// row aborted under the word's own token has lost nothing: its holder could not send any
// more.
func Forgotten(a *store.Attempt, key string, word Word) bool {
	sends, givenBack := 0, ""
	if a != nil {
		sends = a.Sends
		if a.State == store.AttemptAborted {
			givenBack = a.Token
		}
	}
	return word.Key == key && word.Send > sends && (word.Token == "" || word.Token != givenBack)
}

// Told is the call that word tells of, if it is that of the send in the row.
func Told(a store.Attempt, word Word) (provider.CallID, bool) {
	return word.CallID, word.CallID != "" && word.Key == a.Key && word.Token == a.Token
}

// GiveBack aborts the holder's own reservation, where its word may be out and cannot be
// taken back: an aborted row under the word's token proves that nothing was sent.
func GiveBack(r *store.Record, n int, token, why string) error {
	a := Find(r, n)
	if a == nil {
		return ErrNoAttempt
	}
	if !held(a, token) || !step(a, nameAbort, store.AttemptAborted) {
		return ErrLost
	}
	a.Reason = why
	return nil
}
