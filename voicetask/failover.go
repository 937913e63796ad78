package voicetask

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/superservices/voice/internal/fence"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// lineUp completes the list of providers that may make this dial, first being the
// one that selection chose, and takes the one whose turn it is.
//
// The next one's turn comes only when the row says not_sent: the sender's own word
// that no phone rang. It is then a new send under the same key and counts as one of
// the dial's three. Whatever else became of a send stays with its provider.
func (e *execution) lineUp(ctx context.Context, first provider.Provider) error {
	e.line = []provider.Provider{first}
	if e.cfg.Failover != nil {
		names, err := e.cfg.Failover(ctx, e.in.Task)
		if err != nil {
			return fmt.Errorf("voicetask: Config.Failover: %w", err)
		}
		for _, name := range names {
			p, ok := e.cfg.Providers.Lookup(name)
			if !ok {
				return fmt.Errorf("voicetask: Config.Failover names %q: %w: registered are %v", name, provider.ErrNoProvider, e.cfg.Providers.Names())
			}
			if !slices.ContainsFunc(e.line, func(q provider.Provider) bool { return q.Name() == name }) {
				e.line = append(e.line, p)
			}
		}
	}
	at := 0
	if a := fence.Find(&e.rec, e.in.N); a != nil && a.State == store.AttemptNotSent {
		at = e.after(a.Provider)
	}
	e.use(e.turn(at))
	return nil
}

// after is the place of the one whose turn follows that of the name; in a line of
// one it is the same again, and after a stranger it is the first.
func (e *execution) after(name string) int {
	return (slices.IndexFunc(e.line, func(p provider.Provider) bool { return p.Name() == name }) + 1) % len(e.line)
}

// turn is the first from that place on whose breaker is closed, or the one there.
func (e *execution) turn(at int) provider.Provider {
	for i := range e.line {
		if p := e.line[(at+i)%len(e.line)]; e.breakers.ready(p.Name(), e.now()) {
			return p
		}
	}
	return e.line[at]
}

// untried reports whether a provider that has not had this dial yet may have it now.
func (e *execution) untried(sends int) bool {
	if sends >= len(e.line) {
		return false
	}
	next := e.turn(e.after(e.provider.Name()))
	return next.Name() != e.provider.Name() && e.breakers.ready(next.Name(), e.now())
}

// broken puts the dial off while the account's breaker is open.
func (e *execution) broken(ctx context.Context) Dialled {
	at, open := e.breakers.take(e.provider.Name(), e.now())
	if !open {
		return Dialled{}
	}
	e.cfg.Logger.InfoContext(ctx, "a dial waits for a provider that failed many times in a row", "task_id", e.in.Task.ID, "provider", e.provider.Name(), "until", at.Format(time.RFC3339))
	return e.until(at, RuleBreaker, "the provider failed many times in a row")
}
