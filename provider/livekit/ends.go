package livekit

import (
	"strconv"
	"time"

	"github.com/superservices/voice/provider"
)

// The values of sip.callStatus. The attribute can go back to "dialing" after a
// restart of the server, while the call is active.
const (
	sipDialing    = "dialing"
	sipRinging    = "ringing"
	sipActive     = "active"
	sipAutomation = "automation" // answered, DTMF digits are being sent
	sipHangup     = "hangup"
)

// answered reports whether the attributes prove that the callee picked up. The two
// ids are set only after the answer.
func (p participant) answered() bool {
	switch p.Attributes[attrStatus] {
	case sipActive, sipAutomation, sipHangup:
		return true
	}
	return p.Attributes[attrCallFull] != "" || p.Attributes[attrCallTag] != "" || !p.answerTime().IsZero()
}

func (p participant) answerTime() time.Time {
	ms, err := strconv.ParseInt(p.Attributes[attrAnswered], 10, 64)
	if err != nil || ms <= 0 {
		return time.Time{}
	}
	return writable(time.UnixMilli(ms))
}

func (p participant) status() provider.Status {
	switch s := p.Attributes[attrStatus]; {
	case s == sipHangup:
		return provider.StatusEnded
	case p.answered():
		return provider.StatusInProgress
	case s == sipRinging:
		return provider.StatusRinging
	}
	return provider.StatusQueued
}

// ending is what a participant's leaving means. The zero ending: the call goes on,
// or may, under a new participant.
type ending struct {
	outcome  provider.Outcome
	unmapped bool // no rule knows the reason
	second   bool // somebody else joined under the same identity: a second dial
}

// endOf maps the disconnect reason of the callee's participant. No webhook carries
// the SIP status, so these are coarser than Place's own answer.
func endOf(reason string, answered bool) ending {
	unlessAnswered := func(o provider.Outcome) ending {
		if answered {
			return ending{outcome: provider.OutcomeCompleted}
		}
		return ending{outcome: o}
	}
	switch reason {
	case "DUPLICATE_IDENTITY":
		return ending{second: true}
	case "MIGRATION", "STATE_MISMATCH", "SIGNAL_CLOSE", "SERVER_SHUTDOWN":
		return ending{} // the SIP side keeps the call and joins again
	case "USER_REJECTED":
		return unlessAnswered(provider.OutcomeDeclined)
	case "USER_UNAVAILABLE":
		return unlessAnswered(provider.OutcomeNoAnswer)
	case "PARTICIPANT_REMOVED", "ROOM_DELETED", "ROOM_CLOSED":
		// Agents hang up by deleting the room, so an answered call is not
		// "cancelled" by that.
		return unlessAnswered(provider.OutcomeCancelled)
	case "CLIENT_INITIATED":
		return unlessAnswered(provider.OutcomeProviderFault) // a SIP 5xx
	case "SIP_TRUNK_FAILURE", "CONNECTION_TIMEOUT", "JOIN_FAILURE", "MEDIA_FAILURE", "AGENT_ERROR":
		return ending{outcome: provider.OutcomeProviderFault}
	}
	return ending{outcome: provider.OutcomeUnknown, unmapped: true}
}
