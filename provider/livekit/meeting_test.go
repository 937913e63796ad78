package livekit

import (
	"errors"
	"testing"

	"github.com/superservices/voice/provider"
)

// Two callees must not meet, and ending one call must not end the other: in a room of
// the host's making, too, which does not say whose it is.
func TestTwoDialsInARoomOfTheHosts(t *testing.T) {
	w := newWorld(t, worldConfig{cfg: Config{AgentName: "agent"}})
	in := createRoomRequest{Name: "theirs", Agents: []agentDispatch{{AgentName: "agent"}}}
	if err := w.api.call(t.Context(), "place", createRoom, mayCreate(), in, nil); err != nil {
		t.Fatal(err)
	}
	req := request("t/1")
	req.Room = "theirs"
	w.place(t, req)
	req.Key = "u/1"
	_, err := w.Place(t.Context(), req)
	var e *provider.Error
	if !errors.As(err, &e) || e.Kind != provider.KindUnavailable || e.Code != codeRoomInUse {
		t.Errorf("got %v", err)
	}
	if w.net.Live() != 1 {
		t.Errorf("%d calls are up", w.net.Live())
	}
	w.onlyOneDial(t, 1)
}
