package livekit

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"

	"github.com/superservices/voice/provider"
)

// checkEgress refuses what LiveKit cannot read. It does not repeat the object, which
// may hold a bucket's keys.
func checkEgress(egress json.RawMessage) error {
	var object map[string]json.RawMessage
	if len(egress) > 0 && json.Unmarshal(egress, &object) != nil {
		return errors.New(`livekit: Config.Egress is no JSON object: set it to a RoomEgress, such as {"room": {"audio_only": true, ...}}`)
	}
	return nil
}

// egressFor is the recording of one call.
func (p *Provider) egressFor(r ref) json.RawMessage {
	if len(p.cfg.Egress) == 0 {
		return nil
	}
	return bytes.ReplaceAll(p.cfg.Egress, []byte("{identity}"), []byte(r.identity)) // hex digits: no JSON is broken
}

// egressInfo is what a webhook tells of a recording.
type egressInfo struct {
	RoomName string   `json:"roomName"`
	Status   wireEnum `json:"status"`
	Files    []struct {
		Filename string `json:"filename"`
		Location string `json:"location"`
	} `json:"fileResults"`
}

var (
	identityIn   = regexp.MustCompile(identityPrefix + "[0-9a-f]{20}")
	derivedNames = regexp.MustCompile("^voice-.*-([0-9a-f]{20})$")
)

// recorded reads the end of a recording. Such a webhook knows the room's name only,
// so the event carries the call's id and no key.
func recorded(w webhook) (provider.Event, bool) {
	e := w.Egress
	if e == nil || e.Status != "EGRESS_COMPLETE" && e.Status != "EGRESS_LIMIT_REACHED" || len(e.Files) == 0 || e.Files[0].Location == "" {
		return provider.Event{}, false
	}
	r := ref{room: e.RoomName, identity: identityIn.FindString(e.Files[0].Filename + " " + e.Files[0].Location)}
	if m := derivedNames.FindStringSubmatch(e.RoomName); r.identity == "" && m != nil {
		r.identity = identityPrefix + m[1]
	}
	if r.room == "" || r.identity == "" {
		return provider.Event{}, false
	}
	return provider.Event{ID: w.ID, At: w.CreatedAt.Time, Call: provider.Call{ID: r.id(), RecordingURL: e.Files[0].Location}}, true
}
