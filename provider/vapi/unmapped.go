package vapi

import (
	"context"
	"sync"

	"github.com/superservices/voice/provider"
)

// maxUnmapped bounds the memory of what was told already.
const maxUnmapped = 1000

// unmapped remembers the calls that ended for a reason no rule knows, so that one
// that is polled or listed again is told of once. When it is full it starts anew:
// a notice too many does no harm.
type unmapped struct {
	mu   sync.Mutex
	told map[provider.CallID]bool
}

// first reports whether id was not seen before.
func (u *unmapped) first(id provider.CallID) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.told[id] {
		return false
	}
	if u.told == nil || len(u.told) >= maxUnmapped {
		u.told = map[provider.CallID]bool{}
	}
	u.told[id] = true
	return true
}

// call translates w, and tells of a reason that no rule knows if the call is ours.
func (p *Provider) call(ctx context.Context, w *wireCall) provider.Call {
	c, mapped := w.call()
	if mapped || c.Key == "" || !p.unmapped.first(c.ID) {
		return c
	}
	p.log.WarnContext(ctx, "vapi: no rule for endedReason", "provider", p.cfg.Name, "call_id", c.ID, "reason", c.Reason)
	if p.cfg.Observe != nil {
		taskID, _, _ := provider.SplitKey(c.Key)
		p.cfg.Observe(ctx, provider.Notice{Kind: provider.NoticeUnmappedReason, Provider: p.cfg.Name, TaskID: taskID, Key: c.Key, N: 1})
	}
	return c
}
