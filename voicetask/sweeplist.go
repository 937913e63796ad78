package voicetask

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/superservices/voice/internal/fence"
	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

// account is a provider that can list, as the sweeper sweeps it: one listing for all
// live calls, by one process at a time.
type account struct {
	*Sweeper
	name   string
	lister provider.Lister
	ended  map[string]listedEnd // those whose summary is waited for, by key
}

// listedEnd is a dial's call as it was listed, ended.
type listedEnd struct {
	dial store.Attempt
	call provider.Call
}

// sweepLease is how long a process that dies keeps others from an account.
const sweepLease = time.Minute

// interval is the host's between two polls.
func (a account) interval() time.Duration {
	if d := a.cfg.Policy.PollInterval; d > 0 {
		return max(d, time.Second)
	}
	return DefaultPollInterval
}

func (a account) holder() string { return "sweep:" + a.name + ":" + a.token }

// sweep lists the account's calls since its oldest live one and delivers what is new
// like an event. A call that is not listed has not ended.
func (a account) sweep(ctx context.Context) error {
	mine, err := a.acquire(ctx)
	if err != nil || !mine {
		return err
	}
	live, err := a.live(ctx)
	if err != nil {
		return err
	}
	late := a.lateDetails()
	if !live.oldest.IsZero() {
		err = a.list(ctx, live, late)
	}
	return errors.Join(err, a.deliverEnded(ctx, live, late))
}

func (a account) list(ctx context.Context, live liveDials, late time.Duration) (failed error) {
	ctx, cancel := context.WithTimeout(ctx, sweepLease/2)
	defer cancel()
	for c, err := range a.lister.List(ctx, live.oldest.Add(-findSlack)) {
		if err != nil {
			return fmt.Errorf("voicetask: listing the calls of %s: %w", a.name, err)
		}
		dial, ours := live.of(c)
		switch {
		case !ours || !tellsMore(dial, c):
		case a.raw.detailsToCome(late, c):
			a.ended[dial.Key] = listedEnd{dial, c}
		default:
			delete(a.ended, dial.Key)
			if err := a.deliver(ctx, dial, c); err != nil {
				failed = err // the others are not to wait for it
			}
		}
	}
	return failed
}

// deliverEnded delivers the ends whose summary does not come in time: the platform may be
// away since it listed them.
func (a account) deliverEnded(ctx context.Context, live liveDials, late time.Duration) (failed error) {
	for key, e := range a.ended {
		if _, open := live.byKey[key]; open && a.raw.detailsToCome(late, e.call) {
			continue
		} else if open {
			if err := a.deliver(ctx, e.dial, e.call); err != nil {
				failed = err
				continue
			}
		}
		delete(a.ended, key)
	}
	return failed
}

// lateDetails is how long the end of a call waits for its summary where no event brings
// it: a call that has ended is listed no more.
func (a account) lateDetails() time.Duration {
	d, ok := a.lister.(provider.Describer)
	if !ok || d.Traits().Events {
		return 0
	}
	return d.Traits().LateDetails
}

// acquire takes or extends the account's lease.
func (a account) acquire(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	mine, err := a.leaser.Acquire(ctx, store.Lease{Holder: a.holder(), Scopes: map[string]int{"sweep:" + a.name: 1}, Until: a.raw.now().Add(sweepLease)})
	if err != nil {
		return false, fmt.Errorf("voicetask: the lease for sweeping %s: %w", a.name, err)
	}
	return mine, nil
}

// release lets another process go on at once.
func (a account) release() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = a.leaser.Release(ctx, a.holder()) // else it expires
}

// liveDials are an account's dials that may have a live call, by key and by call id.
type liveDials struct {
	byKey  map[string]store.Attempt
	keyOf  map[provider.CallID]string
	oldest time.Time // when the first of them was sent
}

// horizon is how far back a listing goes. A dial that is open for longer, because its
// row is stuck, is left to the look at rows that are due: it must not make every
// listing a long one.
func (a account) horizon() time.Duration {
	p := a.cfg.Policy.resolved(provider.Traits{})
	return p.RingTimeout + p.MaxCallDuration + listSlack
}

// listSlack is what a host's PolicyFor may allow a call beyond Config.Policy.
const listSlack = time.Hour

// live collects them.
func (a account) live(ctx context.Context) (liveDials, error) {
	live := liveDials{byKey: map[string]store.Attempt{}, keyOf: map[provider.CallID]string{}}
	horizon := a.raw.now().Add(-a.horizon())
	err := a.eachRow(ctx, liveStatuses, func(r store.Record) bool {
		dial, open := openDial(r)
		if !open || dial.Provider != a.name || sentAt(dial).Before(horizon) {
			return ctx.Err() == nil
		}
		live.byKey[dial.Key] = dial
		if dial.CallID != "" {
			live.keyOf[dial.CallID] = dial.Key
		}
		if at := sentAt(dial); !at.IsZero() && (live.oldest.IsZero() || at.Before(live.oldest)) {
			live.oldest = at
		}
		return ctx.Err() == nil
	})
	return live, err
}

// of finds the dial of a listed call.
func (l liveDials) of(c provider.Call) (store.Attempt, bool) {
	key := c.Key
	if known, ok := l.keyOf[c.ID]; ok {
		key = known
	}
	dial, ok := l.byKey[key]
	return dial, ok
}

// tellsMore reports whether a listed call says what the dial's row does not.
func tellsMore(dial store.Attempt, c provider.Call) bool {
	r := store.Record{Attempts: []store.Attempt{dial}}
	seen, err := fence.Observe(&r, dial.N, writable(c), c.EndedAt)
	return err == nil && seen.Changed
}
