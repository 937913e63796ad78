package storetest_test

import (
	"testing"

	"github.com/superservices/voice/store"
	"github.com/superservices/voice/store/storetest"
)

// In your package's tests, as func TestStore(t *testing.T).
func ExampleRun() {
	_ = func(t *testing.T) {
		storetest.Run(t, storetest.Harness{
			// Memory is not durable, so it needs no Reopen.
			Open: func(t *testing.T) store.Store { return store.NewMemory() },
		})
	}
}
