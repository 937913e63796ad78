package livekit

import "github.com/superservices/voice/provider"

// Names are the room and the callee's identity in a call's id.
func Names(id provider.CallID) (room, identity string) {
	r, _ := parseID(id)
	return r.room, r.identity
}
