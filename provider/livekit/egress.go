package livekit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/superservices/voice/provider"
)

// checkEgress refuses what LiveKit cannot read, what it would drop without a word, and
// names of files that two calls would share. It repeats keys of the object and none of
// its values, among which may be a bucket's keys.
func checkEgress(egress json.RawMessage) error {
	if len(egress) == 0 {
		return nil
	}
	var object map[string]any
	if json.Unmarshal(egress, &object) != nil {
		return errors.New(`livekit: Config.Egress is no JSON object: set it to a RoomEgress, such as {"room": {"audio_only": true, ...}}`)
	}
	recordings := 0
	for key, value := range object {
		if !slices.Contains(roomEgress, key) {
			return fmt.Errorf("livekit: Config.Egress has a key %q, which LiveKit drops: put what is to be recorded under one of %q", key, roomEgress)
		}
		if value != nil {
			recordings++
		}
	}
	if recordings == 0 {
		return fmt.Errorf("livekit: Config.Egress records nothing: set one of %q, or leave Egress nil", roomEgress)
	}
	return checkFiles(object)
}

// roomEgress are the keys of a RoomEgress. What is below them is left to LiveKit,
// which adds to it with every version.
var roomEgress = []string{"room", "participant", "tracks"}

// ownName are the templates that differ from call to call: ours, and those of LiveKit, which
// takes the last two for what is not a whole room.
var ownName = regexp.MustCompile(`\{(identity|room_name|room_id|time|utc|publisher_identity|track_id)\}`)

// checkFiles looks for names of files at any depth. Those of segments are made up of several
// settings, and are left to the host.
func checkFiles(v any) error {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if name, ok := value.(string); ok && key == "filepath" && !namesOneCall(name) {
				return fmt.Errorf("livekit: Config.Egress: a %s has nothing in it that differs from call to call, so that each recording overwrites the last: put {identity} in it", key)
			}
			if err := checkFiles(value); err != nil {
				return err
			}
		}
	case []any:
		for _, value := range v {
			if err := checkFiles(value); err != nil {
				return err
			}
		}
	}
	return nil
}

// namesOneCall: in an empty name, and in a folder, LiveKit makes up a name from the
// room's and the time.
func namesOneCall(name string) bool {
	return name == "" || strings.HasSuffix(name, "/") || ownName.MatchString(name)
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
