package numberzone_test

import (
	"context"
	"fmt"

	"github.com/superservices/voice/voicetask"
	"github.com/superservices/voice/voicetask/numberzone"
)

func ExampleZones() {
	task := voicetask.Task{ID: "t1", AgentID: "agent-1", Data: voicetask.Data{ContactNumber: "+1 212 555 0100"}}
	zones, err := numberzone.Zones(context.Background(), task)
	fmt.Println(zones, err)
	// Output: [America/New_York] <nil>
}
