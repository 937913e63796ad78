package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/superservices/voice/provider"
	"github.com/superservices/voice/store"
)

func checkCreate(ctx context.Context, s subject) error {
	var p problems
	st := s.open()
	first := plain("task-1")
	created, err := st.Create(ctx, first)
	if err != nil {
		return fmt.Errorf("Create: %w", err)
	}
	p.compare("Create", first, created)
	second := store.Record{ID: first.ID, Reason: "second", Status: store.StatusPending}
	again, err := st.Create(ctx, second)
	p.want(store.ErrExists, err, "Create of an id that exists")
	p.same("Create of an id that exists", created, again)
	got, err := st.Get(ctx, first.ID)
	if err != nil {
		return fmt.Errorf("Get: %w", err)
	}
	p.same("Get after a second Create", created, got)
	if _, err := st.Create(ctx, store.Record{Status: store.StatusPending}); err == nil {
		p.addf("Create without an ID: got no error")
	}
	return p.err()
}

func checkNotFound(ctx context.Context, s subject) error {
	var p problems
	st := s.open()
	_, err := st.Get(ctx, "nobody")
	p.want(store.ErrNotFound, err, "Get of an unknown id")
	for _, version := range []int64{0, 1} {
		_, err = st.Update(ctx, store.Record{ID: "nobody", Version: version})
		p.want(store.ErrNotFound, err, "Update of an unknown id, Version %d", version)
	}
	_, err = st.Get(ctx, "nobody")
	p.want(store.ErrNotFound, err, "Get after Update of an unknown id")
	return p.err()
}

func checkCompareAndSet(ctx context.Context, s subject) error {
	var p problems
	st := s.open()
	created, err := st.Create(ctx, plain("task-1"))
	if err != nil {
		return fmt.Errorf("Create: %w", err)
	}
	write := created
	write.Reason = "changed"
	changed, err := st.Update(ctx, write)
	if err != nil {
		return fmt.Errorf("Update: %w", err)
	}
	p.compare("Update", write, changed)
	_, err = st.Update(ctx, write)
	p.want(store.ErrConflict, err, "the same Update twice")
	for _, version := range []int64{changed.Version - 2, changed.Version - 1, changed.Version + 1} {
		write.Reason, write.Version = "stale", version
		_, err = st.Update(ctx, write)
		p.want(store.ErrConflict, err, "Update with Version %d where %d is stored", version, changed.Version)
	}
	got, err := st.Get(ctx, created.ID)
	if err != nil {
		return fmt.Errorf("Get: %w", err)
	}
	p.same("Get after refused Updates", changed, got)
	return p.err()
}

func checkVersionsAndTimes(ctx context.Context, s subject) error {
	var p problems
	st := s.open()
	old := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	created, err := st.Create(ctx, store.Record{ID: "task-1", Version: 7, CreatedAt: old, UpdatedAt: old})
	if err != nil {
		return fmt.Errorf("Create: %w", err)
	}
	switch {
	case created.Version != 1:
		p.addf("Create: got Version %d, want 1", created.Version)
	case created.CreatedAt.Year() < 2020:
		p.addf("Create: CreatedAt %v is not by the store's clock", created.CreatedAt)
	case created.UpdatedAt.Before(created.CreatedAt):
		p.addf("Create: UpdatedAt %v is before CreatedAt %v", created.UpdatedAt, created.CreatedAt)
	}
	for n := int64(2); n <= 3; n++ {
		time.Sleep(5 * time.Millisecond) // clocks go by milliseconds in some stores
		before, err := st.Get(ctx, "task-1")
		if err != nil {
			return fmt.Errorf("Get: %w", err)
		}
		write := before
		write.CreatedAt, write.UpdatedAt = old, old
		updated, err := st.Update(ctx, write)
		if err != nil {
			return fmt.Errorf("Update: %w", err)
		}
		if updated.Version != n {
			p.addf("Update: got Version %d, want %d", updated.Version, n)
		}
		if !sameTime(created.CreatedAt, updated.CreatedAt) {
			p.addf("Update: CreatedAt became %v, was %v", updated.CreatedAt, created.CreatedAt)
		}
		if !updated.UpdatedAt.After(before.UpdatedAt) {
			p.addf("Update: UpdatedAt is %v, was %v before", updated.UpdatedAt, before.UpdatedAt)
		}
		after, err := st.Get(ctx, "task-1")
		if err != nil {
			return fmt.Errorf("Get: %w", err)
		}
		p.same("Get after Update", updated, after)
	}
	return p.err()
}

// rivals is how many goroutines compete where a check is about that.
const rivals = 8

// compete runs do in rivals goroutines that start together.
func compete(do func(rival int)) {
	start := make(chan struct{})
	var wg sync.WaitGroup
	for rival := range rivals {
		wg.Go(func() {
			<-start
			do(rival)
		})
	}
	close(start)
	wg.Wait()
}

func checkCreateRace(ctx context.Context, s subject) error {
	var p problems
	st := s.open()
	for round := range 8 {
		id := fmt.Sprintf("task-%d", round)
		var records [rivals]store.Record
		var errs [rivals]error
		compete(func(rival int) {
			records[rival], errs[rival] = st.Create(ctx, store.Record{ID: id, Owner: fmt.Sprint(rival)})
		})
		stored, err := st.Get(ctx, id)
		if err != nil {
			return fmt.Errorf("Get: %w", err)
		}
		won := 0
		for rival := range rivals {
			if errs[rival] == nil {
				won++
			} else {
				p.want(store.ErrExists, errs[rival], "Create that lost")
			}
			if errs[rival] == nil && stored.Owner != fmt.Sprint(rival) {
				p.addf("Create of rival %d succeeded, but the store has that of %s", rival, stored.Owner)
			}
			if records[rival].Owner != stored.Owner {
				p.addf("Create of rival %d returned the record of %q, the store has that of %q", rival, records[rival].Owner, stored.Owner)
			}
		}
		if won != 1 {
			p.addf("%d of %d concurrent Creates of one id succeeded, want 1", won, rivals)
		}
	}
	return p.err()
}

func checkContention(ctx context.Context, s subject) error {
	const each = 8
	st := s.open()
	if _, err := st.Create(ctx, store.Record{ID: "task-1", Attempts: []store.Attempt{{N: 1}}}); err != nil {
		return fmt.Errorf("Create: %w", err)
	}
	var (
		mu       sync.Mutex
		p        problems
		versions = map[int64]int{} // returned by Updates that succeeded
	)
	compete(func(int) {
		for done := 0; done < each && ctx.Err() == nil; {
			r, err := st.Get(ctx, "task-1")
			if err == nil {
				r.Attempts[0].Sends++
				r, err = st.Update(ctx, r)
			}
			if errors.Is(err, store.ErrConflict) {
				continue
			}
			mu.Lock()
			if err != nil {
				p.addf("under contention: %v", err)
				done = each
			} else {
				versions[r.Version]++
				done++
			}
			mu.Unlock()
		}
	})
	got, err := st.Get(ctx, "task-1")
	if err != nil {
		return fmt.Errorf("Get: %w", err)
	}
	succeeded := 0
	for version, n := range versions {
		succeeded += n
		if n > 1 {
			p.addf("%d Updates returned Version %d", n, version)
		}
	}
	if sends := got.Attempts[0].Sends; sends != succeeded || got.Version != int64(1+succeeded) {
		p.addf("after %d Updates that succeeded the counter is %d and Version %d: updates were lost", succeeded, sends, got.Version)
	}
	return p.err()
}

func checkIsolation(ctx context.Context, s subject) error {
	var p problems
	st := s.open()
	want := plain("task-1") // nobody scribbles on this one
	see := func(after string) error {
		got, err := st.Get(ctx, want.ID)
		if err != nil {
			return fmt.Errorf("Get: %w", err)
		}
		p.compare("Get after changing "+after, want, got)
		scribble(got)
		if got, err = st.Get(ctx, want.ID); err != nil {
			return fmt.Errorf("Get: %w", err)
		}
		p.compare("Get after changing what Get returned", want, got)
		return nil
	}
	in := plain("task-1")
	created, err := st.Create(ctx, in)
	if err != nil {
		return fmt.Errorf("Create: %w", err)
	}
	scribble(in)
	p.compare("Create's record after changing what was passed to it", want, created)
	scribble(created)
	if err := see("what Create took and returned"); err != nil {
		return err
	}
	exists, err := st.Create(ctx, plain("task-1"))
	p.want(store.ErrExists, err, "Create")
	scribble(exists)
	if err := see("what Create returned with ErrExists"); err != nil {
		return err
	}
	in = plain("task-1")
	in.Version = created.Version
	updated, err := st.Update(ctx, in)
	if err != nil {
		return fmt.Errorf("Update: %w", err)
	}
	scribble(in)
	p.compare("Update's record after changing what was passed to it", want, updated)
	scribble(updated)
	if err := see("what Update took and returned"); err != nil {
		return err
	}
	if lister, ok := st.(store.Lister); ok {
		listed, err := lister.List(ctx, store.Query{})
		if err != nil || len(listed) != 1 {
			return fmt.Errorf("List: got %d records and error %v, want 1", len(listed), err)
		}
		scribble(listed[0])
		if err := see("what List returned"); err != nil {
			return err
		}
	}
	if finder, ok := st.(store.CallFinder); ok {
		found, err := finder.FindCall(ctx, want.Attempts[0].Provider, want.Attempts[0].CallID)
		if err != nil {
			return fmt.Errorf("FindCall: %w", err)
		}
		scribble(found)
		if err := see("what FindCall returned"); err != nil {
			return err
		}
	}
	return p.err()
}

func checkCancelledContext(ctx context.Context, s subject) error {
	var p problems
	st := s.open()
	created, err := st.Create(ctx, plain("task-1"))
	if err != nil {
		return fmt.Errorf("Create: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	calls := map[string]func() error{
		"Create": func() error { _, err := st.Create(ctx, store.Record{ID: "task-2"}); return err },
		"Get":    func() error { _, err := st.Get(ctx, created.ID); return err },
		"Update": func() error { _, err := st.Update(ctx, created); return err },
	}
	if lister, ok := st.(store.Lister); ok {
		calls["List"] = func() error { _, err := lister.List(ctx, store.Query{}); return err }
	}
	if summarizer, ok := st.(store.Summarizer); ok {
		calls["Summarize"] = func() error { _, err := summarizer.Summarize(ctx, store.Query{}); return err }
	}
	if finder, ok := st.(store.CallFinder); ok {
		calls["FindCall"] = func() error {
			_, err := finder.FindCall(ctx, created.Attempts[0].Provider, created.Attempts[0].CallID)
			return err
		}
	}
	if leaser, ok := st.(store.Leaser); ok {
		calls["Acquire"] = func() error {
			_, err := leaser.Acquire(ctx, lease("task-1/1", time.Hour, "line", 1))
			return err
		}
		calls["Release"] = func() error { return leaser.Release(ctx, "task-1/1") }
	}
	for name, call := range calls {
		err := call()
		if err == nil {
			p.addf("%s with a cancelled context: got no error", name)
		}
		for _, sentinel := range []error{store.ErrNotFound, store.ErrExists, store.ErrConflict} {
			if errors.Is(err, sentinel) {
				p.addf("%s with a cancelled context: got %v, which claims to know", name, err)
			}
		}
	}
	return p.err()
}

func checkRestart(ctx context.Context, s subject) error {
	var p problems
	st := s.open()
	durability, ok := st.(store.Durability)
	durable := !ok || durability.Durable()
	if s.reopen == nil {
		if durable {
			p.addf("the store is durable: set Harness.Reopen, or let Durable be false")
		}
		return p.err()
	}
	first, err := st.Create(ctx, plain("task-1"))
	if err != nil {
		return fmt.Errorf("Create: %w", err)
	}
	write, err := st.Create(ctx, store.Record{ID: "task-2", Attempts: []store.Attempt{{N: 1, Provider: "vapi"}}})
	if err != nil {
		return fmt.Errorf("Create: %w", err)
	}
	write.Attempts[0].CallID = "call-2"
	second, err := st.Update(ctx, write)
	if err != nil {
		return fmt.Errorf("Update: %w", err)
	}
	if leaser, ok := st.(store.Leaser); ok {
		if taken, err := leaser.Acquire(ctx, lease("task-1/1", time.Hour, "line", 1)); !taken || err != nil {
			return fmt.Errorf("Acquire: got %v and error %v, want true", taken, err)
		}
	}

	st = s.reopen(st)
	for _, want := range []store.Record{first, second} {
		got, err := st.Get(ctx, want.ID)
		if err != nil {
			p.addf("Get of %s after a restart: %v", want.ID, err)
			continue
		}
		p.same("Get after a restart", want, got)
	}
	_, err = st.Create(ctx, store.Record{ID: first.ID})
	p.want(store.ErrExists, err, "Create after a restart")
	_, err = st.Update(ctx, write)
	p.want(store.ErrConflict, err, "the same Update before and after a restart")
	if finder, ok := st.(store.CallFinder); ok {
		found, err := finder.FindCall(ctx, "vapi", provider.CallID("call-2"))
		if err != nil || found.ID != second.ID {
			p.addf("FindCall after a restart: got %q and error %v, want %q", found.ID, err, second.ID)
		}
	}
	if leaser, ok := st.(store.Leaser); ok {
		if taken, err := leaser.Acquire(ctx, lease("task-2/1", time.Hour, "line", 1)); taken || err != nil {
			p.addf("Acquire of what was full before the restart: got %v and error %v, want false", taken, err)
		}
	}
	return p.err()
}
