package providertest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/provider/providertest"
)

func TestExampleHarnessConforms(t *testing.T) { providertest.Run(t, harness()) }

// A Fake on a clock of your own: the first dial is not answered, the second is.
func ExampleFake() {
	now := time.Date(2026, 1, 7, 10, 0, 0, 0, time.UTC)
	fake := providertest.NewFake("vapi",
		providertest.Step{Outcome: provider.OutcomeNoAnswer, Lasts: 45 * time.Second},
		providertest.Step{Lasts: 2 * time.Minute},
	)
	fake.UseClock(func() time.Time { return now })

	ctx := context.Background()
	for n := 1; n <= 2; n++ {
		call, err := fake.Place(ctx, provider.Request{Key: provider.Key("order-7", n), To: "+12025550123"})
		if err != nil {
			fmt.Println(err)
			return
		}
		now = now.Add(time.Minute)
		call, _ = fake.Get(ctx, call.ID)
		fmt.Printf("%s %s %q\n", call.ID, call.Status, call.Outcome)
	}
	now = now.Add(time.Minute)
	event := fake.Event(provider.Key("order-7", 2))
	fmt.Printf("%s %s %q, $%.2f\n", event.Call.ID, event.Call.Status, event.Call.Outcome, event.Call.CostUSD)
	fmt.Println("dials:", fake.Dials(), "under the first key:", fake.Dials("order-7/1"))
	// Output:
	// call-1 ended "no_answer"
	// call-2 in_progress ""
	// call-2 ended "completed", $0.05
	// dials: 2 under the first key: 1
}
