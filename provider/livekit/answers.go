package livekit

import (
	"context"
	"sync"
	"time"

	"github.com/superservices/voice/provider"
)

// maxAnswers bounds the memory of answered calls, to about 2 MB.
const maxAnswers = 10_000

// answers remembers when calls were answered: the newest ones this process has
// seen. It is what remains when an agent hangs up by deleting the room.
type answers struct {
	mu    sync.Mutex
	at    map[provider.CallID]time.Time
	order []provider.CallID // a ring, oldest at next
	next  int
}

func (a *answers) get(id provider.CallID) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.at[id]
}

func (a *answers) put(id provider.CallID, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.at == nil {
		a.at = map[provider.CallID]time.Time{}
	}
	if _, known := a.at[id]; !known {
		if len(a.order) < maxAnswers {
			a.order = append(a.order, id)
		} else {
			delete(a.at, a.order[a.next])
			a.order[a.next] = id
			a.next = (a.next + 1) % maxAnswers
		}
	}
	a.at[id] = at
}

// keepAnswer keeps the time of answer here and in the room's metadata, for other
// processes. The call does not depend on it.
func (p *Provider) keepAnswer(ctx context.Context, r ref, metadata string, at time.Time) {
	p.answers.put(r.id(), at)
	if data, ok := dataOf(metadata); !ok || identityFor(data.Key) != r.identity {
		return // a room of the host's making: its metadata is not ours to change
	}
	metadata, err := withField(metadata, fieldAnswered, at.UTC())
	if err != nil {
		return
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), aside)
	defer stop()
	if err := p.api.setMetadata(ctx, "place", r.room, metadata); err != nil {
		p.log.InfoContext(ctx, "livekit: the time of answer could not be written into the room", "room", r.room, "error", err)
	}
}
