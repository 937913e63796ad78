package voicetask

import (
	"math"
	"time"

	"github.com/superservices/voice/provider"
)

// writable is c without what JSON cannot hold: years beyond 9999, which a platform's
// number of seconds or a zone may well stand for, and a cost that is no number. One of
// them would keep the row, the result and every signal about the call from being written.
func writable(c provider.Call) provider.Call {
	if math.IsNaN(c.CostUSD) || math.IsInf(c.CostUSD, 0) {
		c.CostUSD = 0
	}
	for _, t := range []*time.Time{&c.CreatedAt, &c.AnsweredAt, &c.EndedAt} {
		*t = writableTime(*t)
	}
	return c
}

func writableTime(t time.Time) time.Time {
	if _, err := t.MarshalJSON(); err != nil {
		return time.Time{}
	}
	return t
}
