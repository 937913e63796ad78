package livekit

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode"

	"github.com/superservices/voice/provider"
)

// Names in participant attributes. They are permanent: agents and calls in flight
// know them.
const (
	// AttrKey and AttrTaskID are set on the callee's participant; webhooks return them.
	AttrKey    = "voice.key"
	AttrTaskID = "voice.task_id"
	// The rest may be set by the agent on itself or on the callee. AttrOutcome is
	// a provider.Outcome and replaces "completed" for an answered call.
	AttrOutcome      = "voice.outcome"
	AttrTranscript   = "voice.transcript"
	AttrSummary      = "voice.summary"
	AttrRecordingURL = "voice.recording_url"
)

const (
	identityPrefix = "phone-"
	digestLen      = 20  // hex digits: 80 bits
	maxRoomLen     = 200 // LiveKit's default limit is 256
)

func digest(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])[:digestLen]
}

// identityFor is the callee's participant identity.
func identityFor(key string) string { return identityPrefix + digest(key) }

// derivedRoom is readable and safe in a URL, and the digest keeps it unique.
func derivedRoom(key string) string {
	name := key
	if task, n, ok := provider.SplitKey(key); ok {
		name = task + "-" + strconv.Itoa(n)
	}
	slug := strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '.' || r == '_') {
			return r
		}
		return '-'
	}, name)
	const most = 80
	if len(slug) > most {
		slug = slug[:most]
	}
	return "voice-" + slug + "-" + digest(key)
}

// roomFor is the room of one dial. A room the task names is used as it is for the
// first dial only: its agents were dispatched when it was created.
func roomFor(req provider.Request) string {
	if req.Room == "" {
		return derivedRoom(req.Key)
	}
	if _, n, ok := provider.SplitKey(req.Key); ok && n > 1 {
		return req.Room + "-" + strconv.Itoa(n)
	}
	return req.Room
}

// ref says where a call is: what its id carries.
type ref struct{ room, identity string }

func (r ref) id() provider.CallID { return provider.CallID(r.room + "/" + r.identity) }

// parseID is not ok for an id that this package did not make.
func parseID(id provider.CallID) (ref, bool) {
	s := string(id)
	i := strings.LastIndexByte(s, '/')
	if i < 1 {
		return ref{}, false
	}
	r := ref{room: s[:i], identity: s[i+1:]}
	hexed, ok := strings.CutPrefix(r.identity, identityPrefix)
	if _, err := hex.DecodeString(hexed); !ok || err != nil || len(hexed) != digestLen {
		return ref{}, false
	}
	return r, true
}
