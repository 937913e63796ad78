package vapi

import (
	"sync"

	"github.com/superservices/voice/provider"
)

// maxDeleted bounds the memory of deleted calls.
const maxDeleted = 1000

// deleted remembers the scheduled calls that End deleted, as Vapi answered to that:
// should it forget them at once, Get still tells how they ended. When it is full it
// starts anew; a webhook tells the same.
type deleted struct {
	mu    sync.Mutex
	calls map[provider.CallID]provider.Call
}

func (d *deleted) put(id provider.CallID, c provider.Call) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.calls == nil || len(d.calls) >= maxDeleted {
		d.calls = map[provider.CallID]provider.Call{}
	}
	d.calls[id] = c
}

func (d *deleted) get(id provider.CallID) (provider.Call, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, ok := d.calls[id]
	return c, ok
}
